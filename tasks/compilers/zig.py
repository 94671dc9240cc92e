"""zig as a compiler: the program, wrappers that look like a compiler, CMake's toolchain file."""

import os
import shlex
from collections.abc import Mapping
from importlib import util
from pathlib import Path

from tasks.core.errors import BuildError

PROGRAMS = {"cc": "cc", "cxx": "c++", "ar": "ar", "ranlib": "ranlib", "rc": "rc"}


def zig_program() -> Path:
    """The zig that the pinned package brings.

    Raises:
        BuildError: the package is not installed.
    """
    spec = util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        raise BuildError(
            "the package ziglang, which holds the compiler, is not installed beside doit; run "
            "bootstrap again"
        )
    return Path(spec.submodule_search_locations[0]) / ("zig.exe" if os.name == "nt" else "zig")


def wrapper(zig: Path, arguments: list[str], cache: Path, windows: bool) -> str:
    """The text of a script that calls zig as one compiler program.

    One file per program, because CMake and setuptools want the path of a program, and zig is
    many programs in one. Paths are quoted for the shell that reads them.
    """
    words = " ".join(arguments)
    if windows:

        def quoted(path: Path) -> str:
            return str(path).replace("%", "%%")

        return (
            "@echo off\n"
            f'set "ZIG_GLOBAL_CACHE_DIR={quoted(cache)}"\n'
            f'set "ZIG_LOCAL_CACHE_DIR={quoted(cache)}"\n'
            f'"{quoted(zig)}" {words} %*\n'
        )
    return (
        "#!/bin/sh\n"
        f"export ZIG_GLOBAL_CACHE_DIR={shlex.quote(str(cache))}\n"
        f"export ZIG_LOCAL_CACHE_DIR={shlex.quote(str(cache))}\n"
        f'exec {shlex.quote(str(zig))} {words} "$@"\n'
    )


def cmake_toolchain(programs: Mapping[str, str], folder: Path) -> str:
    """A CMake toolchain file (cmake-toolchains(7)) for 64-bit Windows.

    Libraries and headers of the host must never be found: the find root is a folder without
    any.
    """

    def quoted(path: str | Path) -> str:
        return '"' + Path(path).as_posix().replace("$", "\\$") + '"'

    return f"""\
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_C_COMPILER {quoted(programs["cc"])})
set(CMAKE_CXX_COMPILER {quoted(programs["cxx"])})
set(CMAKE_AR {quoted(programs["ar"])})
set(CMAKE_RANLIB {quoted(programs["ranlib"])})
set(CMAKE_RC_COMPILER {quoted(programs["rc"])})
set(CMAKE_FIND_ROOT_PATH {quoted(folder)})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
"""
