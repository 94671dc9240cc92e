"""What an import does for the DLLs that are loaded with it: read off the sources, or observed."""
