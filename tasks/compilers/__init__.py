"""The compilers, CMake, and the environment in which packages build themselves."""
