"""zig as a compiler: the program, wrappers that look like a compiler, CMake's toolchain file."""

import re
import shlex
import stat
from collections.abc import Mapping
from importlib import util
from pathlib import Path

from filelock import FileLock

from tasks.compilers.toolchain import FILE, Toolchain, try_out, write
from tasks.core import host, manifest
from tasks.core.config import ZigToolchain
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, made_whole, remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made

PROGRAMS = {"cc": "cc", "cxx": "c++", "ar": "ar", "ranlib": "ranlib", "rc": "rc"}
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_PLAIN_WORD = re.compile(r"[\w.+-]+")


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
    return Path(spec.submodule_search_locations[0]) / ("zig.exe" if host.WINDOWS else "zig")


def shared(zig: Path, cache: Path, version: str) -> Path:
    """The same zig in a folder of the cache, copied there once for all clones.

    zig builds its runtimes anew for each folder that it lies in: the paths of its own headers are
    part of what it knows them by (zig's source, libs/libcxx.zig: -I and the folder of lib).

    Args:
        zig: the program, in the folder of its package.
        cache: the folder of the caches of zig; copies lie in it.
        version: of the package.

    Returns:
        the copy's program.
    """
    folder = cache / f"ziglang-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.is_dir():
            with made_whole(folder) as copy:
                copy_tree(zig.parent, copy)
                program = copy / zig.name
                program.chmod(program.stat().st_mode | _EXECUTABLE)
    return folder / zig.name


def wrapper(zig: Path, arguments: list[str], cache: Path, windows: bool) -> str:
    """The text of a script that calls zig as one compiler program.

    One file per program, because CMake and setuptools want the path of a program, and zig is
    many programs in one. Paths are quoted for the shell that reads them.
    """
    if windows:

        def quoted(path: Path) -> str:
            return str(path).replace("%", "%%")

        words = " ".join(
            word if _PLAIN_WORD.fullmatch(word) else '"' + word.replace("%", "%%") + '"'
            for word in arguments
        )
        return (
            "@echo off\n"
            f'set "ZIG_GLOBAL_CACHE_DIR={quoted(cache)}"\n'
            f'set "ZIG_LOCAL_CACHE_DIR={quoted(cache)}"\n'
            f'"{quoted(zig)}" {words} %*\n'
        )
    words = shlex.join(arguments)
    return (
        "#!/bin/sh\n"
        f"export ZIG_GLOBAL_CACHE_DIR={shlex.quote(str(cache))}\n"
        f"export ZIG_LOCAL_CACHE_DIR={shlex.quote(str(cache))}\n"
        f'exec {shlex.quote(str(zig))} {words} "$@"\n'
    )


def without_places(build: Path, zig: Path) -> list[str]:
    """Options by which __FILE__ does not say where that was: it is relative to the build folder.

    https://clang.llvm.org/docs/ClangCommandLineReference.html, "-ffile-prefix-map"
    """
    places = {build: ".", zig.parent: "zig"}
    return [f"-ffile-prefix-map={path.as_posix()}={new}" for path, new in places.items()]


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
# Its trials too are linked with the flags of what is built, and so with the same runtimes.
set(CMAKE_TRY_COMPILE_CONFIGURATION Release)
set(CMAKE_FIND_ROOT_PATH {quoted(folder)})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
"""


def make(settings: ZigToolchain, version: str, folder: Path, cache: Path, job: Job) -> Made:
    """Write the zig toolchain, and compile one DLL with it to see that it works.

    Args:
        settings: target, in zig's words (https://ziglang.org/documentation, "Targets"), and the
            flags of every call. zig builds its C and C++ runtimes anew for each set of CPU
            features, optimisation mode, and with or without debug information (zig's source,
            Compilation.zig, compilerRtOptMode and compilerRtStrip): one set of flags, one runtime.
        version: of the package ziglang.
        folder: where the wrappers and files go.
        cache: for zig's own caches, compiled objects and its C and C++ runtimes, and for the copy
            of zig that all clones use.
    """
    zig = shared(zig_program(), cache, version)
    remove_tree(folder)
    folder.mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    windows = host.WINDOWS
    programs = {}
    for role, command in PROGRAMS.items():
        arguments = [command]
        if role in ("cc", "cxx"):
            arguments += ["-target", settings.target, *settings.flags]
            arguments += without_places(folder.parent, zig)
        path = folder / f"zig-{command}{'.cmd' if windows else ''}"
        text = wrapper(zig, arguments, cache, windows)
        path.write_text(text, encoding="utf-8", newline="\r\n" if windows else "\n")
        path.chmod(path.stat().st_mode | _EXECUTABLE)
        programs[role] = str(path)
    cmake_file = folder / "windows.cmake"
    cmake_file.write_text(cmake_toolchain(programs, folder), encoding="utf-8", newline="\n")
    toolchain = Toolchain(
        "zig",
        version,
        settings.target,
        programs,
        str(cmake_file),
        compiler_class="mingw32" if windows else "unix",
        flags=settings.flags,
    )
    try_out(
        toolchain,
        # As C++, so that zig makes all its runtimes now: downloads go on beside it, and everything
        # that is built later finds them.
        [programs["cxx"], "-shared", "-o", "try.dll", "try.c"],
        "reinstall the runner: remove .venv and run bootstrap again",
        folder / "try",
        job,
    )
    write(toolchain, folder)
    return Made(
        f"zig {version} for {settings.target}",
        where=folder / FILE,
        root=folder,
        files=manifest.record(folder),
    )
