"""What `doit bench` measures, and how: a module a part."""
