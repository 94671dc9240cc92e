"""A wheel of any package: its source, what its build wants, the build, and the check of it."""
