"""toolchain - the compiler, found and written down as data.

    pinned package ziglang -> build/.../toolchain/zig-cc, zig-c++, zig-ar, ...
                              build/.../toolchain/windows.cmake     for CMake
                              build/.../toolchain/toolchain.json    for everything else

Later stages read toolchain.json and never look for a compiler themselves.
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any

from tasks import host, manifest, pe, process
from tasks.config import ZigToolchain
from tasks.errors import BuildError
from tasks.manifest import Made
from tasks.project import Project
from tasks.stage import Job, stage

ZIG_PROGRAMS = {"cc": "cc", "cxx": "c++", "ar": "ar", "ranlib": "ranlib", "rc": "rc"}


@dataclass(frozen=True)
class Toolchain:
    """A compiler ready for use.

    Args:
        kind: the implementation: "zig".
        version: the compiler's version.
        target: what it compiles for, in the compiler's own words.
        programs: cc, cxx, ar, ranlib, rc -> absolute path.
        cmake_toolchain_file: for CMAKE_TOOLCHAIN_FILE.
        environment: variables that its programs need.
    """

    kind: str
    version: str
    target: str
    programs: Mapping[str, str]
    cmake_toolchain_file: str
    environment: Mapping[str, str] = field(default_factory=dict)


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
    import shlex

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


def make_zig(settings: ZigToolchain, version: str, folder: Path, cache: Path, job: Job) -> Made:
    """Write the zig toolchain, and compile one DLL with it to see that it works.

    Args:
        settings: target, in zig's words (https://ziglang.org/documentation, "Targets").
        version: of the package ziglang.
        folder: where the wrappers and files go.
        cache: zig's own cache: compiled objects and its C and C++ runtimes.
    """
    zig = zig_program()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cache.mkdir(parents=True, exist_ok=True)
    windows = os.name == "nt"
    programs = {}
    for role, command in ZIG_PROGRAMS.items():
        compiles = role in ("cc", "cxx")
        arguments = [command, *(["-target", settings.target] if compiles else [])]
        path = folder / f"zig-{command}{'.cmd' if windows else ''}"
        text = wrapper(zig, arguments, cache, windows)
        path.write_text(text, encoding="utf-8", newline="\r\n" if windows else "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        programs[role] = str(path)
    cmake_file = folder / "windows.cmake"
    cmake_file.write_text(cmake_toolchain(programs, folder), encoding="utf-8", newline="\n")
    toolchain = Toolchain("zig", version, settings.target, programs, str(cmake_file))
    _try_out(toolchain, folder / "try", job)
    text = json.dumps(asdict(toolchain), indent=1, ensure_ascii=False) + "\n"
    manifest.write_atomically(folder / "toolchain.json", text)
    return Made(
        f"zig {version} for {settings.target}",
        where=folder / "toolchain.json",
        root=folder,
        files=manifest.record(folder),
    )


def _try_out(toolchain: Toolchain, folder: Path, job: Job) -> None:
    """Compile and link a DLL; a compiler that cannot is found out here, not in OpenCV."""
    folder.mkdir()
    (folder / "try.c").write_text(
        "__declspec(dllexport) int answer(void) { return 42; }\n", encoding="utf-8"
    )
    process.run(
        [toolchain.programs["cc"], "-shared", "-o", "try.dll", "try.c"],
        log=job.log, cwd=folder, env=host.environment(), line=job.line, timeout=600,
    )  # fmt: skip
    if (
        "answer" not in pe.exports(folder / "try.dll")
        or pe.read_pe(folder / "try.dll").machine != "x64"
    ):
        raise BuildError(
            f"zig {toolchain.version} made a DLL that is not one for 64-bit Windows; reinstall the "
            "runner: remove .venv and run bootstrap again"
        )
    shutil.rmtree(folder)


def load(path: Path) -> Toolchain:
    """The toolchain in a toolchain.json.

    Raises:
        BuildError: the file is missing or unreadable.
    """
    try:
        return Toolchain(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BuildError(f'{path} cannot be used ({error}); run "doit toolchain" again') from error


def toolchain_file(project: Project) -> Path:
    """Where the profile's toolchain.json is."""
    return project.build / "toolchain" / "toolchain.json"


def create(project: Project) -> Iterator[dict[str, Any]]:
    """toolchain."""
    settings = project.profile.toolchain
    try:
        version = metadata.version("ziglang")
    except metadata.PackageNotFoundError:
        version = "missing"
    folder = toolchain_file(project).parent
    cache = project.cache / "zig"
    yield stage(
        project,
        "toolchain",
        "find the compiler, try it out, write it down as data",
        partial(make_zig, settings, version, folder, cache),
        settings={"toolchain": settings, "version": version, "cache": cache},
        targets=[toolchain_file(project)],
        owns=[folder],
    )
