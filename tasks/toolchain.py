"""toolchain - the compiler, found and written down as data.

    zig:  pinned package ziglang -> build/.../toolchain/zig-cc, zig-c++, zig-ar, ...
                                    build/.../toolchain/windows.cmake     for CMake
    msvc: this machine -> tasks.compilers.msvc finds it, tasks.compilers.vcvars activates it
                       -> build/.../toolchain/msvc.json             everything that was tried
    both:                 build/.../toolchain/toolchain.json        for everything else

Later stages read toolchain.json and never look for a compiler themselves. It holds absolute paths,
so that a clone that was moved has a toolchain that is stale.
"""

import os
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from tasks.compilers import msvc, zig
from tasks.core.config import MsvcToolchain, ZigToolchain
from tasks.core.project import Project
from tasks.stage import stage


def _zig_stage(project: Project, settings: ZigToolchain, folder: Path) -> tuple[Any, Any]:
    """The work, and what it depends on."""
    try:
        version = metadata.version("ziglang")
    except metadata.PackageNotFoundError:
        version = "missing"
    cache = project.cache / "zig"
    return (
        partial(zig.make, settings, version, folder, cache),
        {"toolchain": settings, "version": version, "cache": cache, "folder": folder},
    )


def _msvc_stage(project: Project, settings: MsvcToolchain, folder: Path) -> tuple[Any, Any]:
    """The work, and what it depends on: an update of the compiler makes the toolchain stale."""
    return (
        partial(msvc.make, settings, project.root, folder),
        {
            "toolchain": settings,
            "found": msvc.fingerprint(os.environ, project.root, settings),
            "folder": folder,
        },
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """toolchain."""
    settings = project.profile.toolchain
    folder = project.toolchain_file.parent
    if isinstance(settings, MsvcToolchain):
        work, inputs = _msvc_stage(project, settings, folder)
    else:
        work, inputs = _zig_stage(project, settings, folder)
    yield stage(
        project,
        "toolchain",
        "find the compiler, try it out, write it down as data",
        work,
        recipe=3,
        settings=inputs,
        targets=[project.toolchain_file],
        owns=[folder],
    )
