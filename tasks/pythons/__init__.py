"""The Windows Pythons: making one, running one."""
