"""Unpacking, safely, whatever the format."""
