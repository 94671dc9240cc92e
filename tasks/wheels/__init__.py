"""Wheel files as data: members, metadata, the list of what is in them, comparison, an index."""
