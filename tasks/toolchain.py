"""toolchain - the compiler, found and written down as data.

    zig:  pinned package ziglang -> build/.../toolchain/zig-cc, zig-c++, zig-ar, ...
                                    build/.../toolchain/windows.cmake     for CMake
    msvc: this machine, or an artifact -> tasks.compilers.msvc finds it and has it activated
                       -> build/.../toolchain/cl, link, ...         that call it, outside Windows
                       -> build/.../toolchain/windows.cmake         for CMake
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

from tasks import fetch
from tasks.compilers import msvc, zig
from tasks.compilers.windows_calls import NATIVELY, Calls
from tasks.core.config import CondaEnvironment, MsvcToolchain, ZigToolchain
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import windows_python, wine
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


def calls(project: Project) -> Calls:
    """How the programs of this profile's compiler are called."""
    here = windows_python.HERE
    if isinstance(project.profile.toolchain, ZigToolchain) or not here.needs_wine:
        return NATIVELY
    return Calls(
        here.command(),
        here.variables(project),
        "WINEPATH",
        here.path,
        partial(here.begin, project),
        partial(here.stop, here.environment(project)),
    )


def refusal(project: Project) -> str:
    """Why this profile cannot be built on this system; "" if it can."""
    if isinstance(project.profile.environment, CondaEnvironment) and windows_python.HERE.needs_wine:
        return (
            f"the profile {project.profile_name} makes a conda environment, which needs Windows; "
            "here, run doit profile=msvc-portable, which has the same compiler, or profile=zig"
        )
    return ""


def _make_msvc(project: Project, settings: MsvcToolchain, fetched: Path | None, job: Job) -> Made:
    """The work; what is missing for it is said by it, and not when doit reads the graph."""
    if why := refusal(project):
        raise BuildError(why)
    folder = project.toolchain_file.parent
    return msvc.make(settings, project.root, folder, fetched, calls(project), job)


def _msvc_stage(project: Project, settings: MsvcToolchain, folder: Path) -> tuple[Any, Any]:
    """The work, and what it depends on: an update of the compiler makes the toolchain stale."""
    fetched = fetch.compiler_artifact(project)
    tree = project.source_tree(fetched) if fetched else None
    return (
        partial(_make_msvc, project, settings, tree),
        {
            "toolchain": settings,
            "found": msvc.fingerprint(os.environ, project.root, settings),
            "fetched": fetched,
            "folder": folder,
            "wine": wine.find() if windows_python.HERE.needs_wine else None,
        },
    )


def _needs(project: Project) -> list[str]:
    """The tasks that its work stands on."""
    if isinstance(project.profile.toolchain, ZigToolchain):
        return []
    artifact = fetch.compiler_artifact(project)
    return [
        *([f"extract:{artifact}"] if artifact else []),
        *(["env:wine"] if windows_python.HERE.needs_wine else []),
    ]


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
        recipe=4,
        settings=inputs,
        needs=_needs(project),
        targets=[project.toolchain_file],
        owns=[folder],
    )
