"""The stages of the build, one module each; dodo.py imports their task creators."""
