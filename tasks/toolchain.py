"""toolchain - the compiler, found and written down as data.

    zig:  pinned package ziglang -> build/.../toolchain/zig-cc, zig-c++, zig-ar, ...
                                    build/.../toolchain/windows.cmake     for CMake
    msvc: this machine -> tasks.compilers.msvc finds it, tasks.compilers.vcvars activates it
                       -> build/.../toolchain/msvc.json             everything that was tried
    both:                 build/.../toolchain/toolchain.json        for everything else

Later stages read toolchain.json and never look for a compiler themselves.
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from dllwhy import pe
from tasks.compilers import msvc, vcvars
from tasks.compilers.msvc_places import Installation, find_program, places, report
from tasks.compilers.zig import PROGRAMS as ZIG_PROGRAMS
from tasks.compilers.zig import cmake_toolchain, wrapper, zig_program
from tasks.core import host, manifest, process
from tasks.core.config import MsvcToolchain, ZigToolchain
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.stage import Job, stage


@dataclass(frozen=True)
class Toolchain:
    """A compiler ready for use.

    Args:
        kind: the implementation: "zig" or "msvc".
        version: the compiler's version; for msvc the toolset's.
        target: what it compiles for, in the compiler's own words.
        programs: name -> absolute path: cc, cxx, ar, ranlib, rc for zig; cl, link, lib, rc for
            msvc.
        cmake_toolchain_file: for CMAKE_TOOLCHAIN_FILE; "" if CMake needs none.
        environment: variables that its programs need, PATH left out.
        path: folders that its programs need in front of PATH.
    """

    kind: str
    version: str
    target: str
    programs: Mapping[str, str]
    cmake_toolchain_file: str
    environment: Mapping[str, str] = field(default_factory=dict)
    path: Sequence[str] = ()


def make_zig(settings: ZigToolchain, version: str, folder: Path, cache: Path, job: Job) -> Made:
    """Write the zig toolchain, and compile one DLL with it to see that it works.

    Args:
        settings: target, in zig's words (https://ziglang.org/documentation, "Targets").
        version: of the package ziglang.
        folder: where the wrappers and files go.
        cache: zig's own cache: compiled objects and its C and C++ runtimes.
    """
    zig = zig_program()
    remove_tree(folder)
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
    _try_out(
        toolchain,
        [programs["cc"], "-shared", "-o", "try.dll", "try.c"],
        "reinstall the runner: remove .venv and run bootstrap again",
        folder / "try",
        job,
    )
    _write(toolchain, folder)
    return Made(
        f"zig {version} for {settings.target}",
        where=folder / "toolchain.json",
        root=folder,
        files=manifest.record(folder),
    )


def make_msvc(settings: MsvcToolchain, root: Path, folder: Path, job: Job) -> Made:
    """Find Microsoft's compiler, activate it, and compile one DLL with it.

    Args:
        settings: which toolset will do, and how to get one.
        root: the project's folder; Build Tools may lie beside it.
        folder: where toolchain.json and msvc.json go.

    Raises:
        BuildError: this is not Windows, there is no compiler, or it does not work.
    """
    if os.name != "nt":
        raise BuildError(
            "Microsoft's compiler runs on Windows only, and so does the msvc profile; here, run "
            "doit profile=zig"
        )
    remove_tree(folder)
    folder.mkdir(parents=True)
    tried = places(os.environ, root, settings.minimum_toolset, partial(msvc.ask_vswhere, job))
    _log(job, report(tried))
    data: dict[str, Any] = {"tried": [asdict(place) for place in tried], "chosen": None}
    _write_json(folder / "msvc.json", data)
    try:
        found = msvc.choose(tried, settings)
    except BuildError as error:
        raise BuildError(error.message, log=job.log) from error
    if found.vcvars:
        changes = vcvars.activate(
            Path(found.vcvars), host.environment(), log=job.log, line=job.line
        )
        found = msvc.activated(found, changes)
    else:
        changes = msvc.active_difference(os.environ, found)
    data |= {"chosen": asdict(found), "changes": asdict(changes)}
    _write_json(folder / "msvc.json", data)
    toolchain = _msvc_toolchain(found, changes, job.log)
    _try_out(
        toolchain,
        [toolchain.programs["cl"], "/nologo", "/LD", "try.c", "/Fetry.dll"],
        "choose Repair for it in the Visual Studio Installer",
        folder / "try",
        job,
    )
    _write(toolchain, folder)
    return Made(
        str(found),
        where=folder / "toolchain.json",
        root=folder,
        # msvc.json is for people: another compiler on the machine does not make a build stale.
        files=manifest.record(folder, [folder / "toolchain.json"]),
        details={"chosen": asdict(found)},
    )


def _msvc_toolchain(found: Installation, changes: vcvars.Difference, log: Path) -> Toolchain:
    """An activated installation as data."""
    folders = changes.prepended.get("PATH", [])
    programs = {}
    for role, folder_list in {
        "cl": [found.tools], "link": [found.tools], "lib": [found.tools], "rc": folders,
    }.items():  # fmt: skip
        program = find_program(f"{role}.exe", [Path(folder) for folder in folder_list])
        if program is None:
            what = "Windows SDK" if role == "rc" else "C++ compiler"
            raise BuildError(
                f"{found} brings no {role}.exe, which belongs to the {what}; add it in the Visual "
                'Studio Installer (Modify, "Desktop development with C++")',
                log=log,
            )
        programs[role] = str(program)
    others = {name: changes.value(name) for name in (*changes.set, *changes.prepended)}
    others.pop("PATH", None)
    return Toolchain(
        kind="msvc",
        version=found.toolset,
        target="x64",
        programs=programs,
        cmake_toolchain_file="",
        environment=dict(sorted(others.items())),
        path=list({vcvars.folder_key(f): f for f in (found.tools, *folders)}.values()),
    )


def _try_out(
    toolchain: Toolchain, command: Sequence[str], remedy: str, folder: Path, job: Job
) -> None:
    """Compile and link a DLL; a compiler that cannot is found out here, not in OpenCV.

    Args:
        command: makes try.dll of try.c.
        remedy: what to do if that is no DLL for 64-bit Windows.
    """
    folder.mkdir()
    (folder / "try.c").write_text(
        "__declspec(dllexport) int answer(void) { return 42; }\n", encoding="utf-8"
    )
    process.run(
        command, log=job.log, cwd=folder, line=job.line, timeout=600,
        env=host.environment(toolchain.environment, toolchain.path),
    )  # fmt: skip
    made = folder / "try.dll"
    if pe.read_pe(made).machine != "x64" or "answer" not in pe.exports(made):
        raise BuildError(
            f"{toolchain.kind} {toolchain.version} made a DLL that is not one for 64-bit Windows; "
            f"{remedy}"
        )
    # The compiler leaves vctip.exe behind, which stays in this folder for a while.
    shutil.rmtree(folder, ignore_errors=True)


def _log(job: Job, lines: Sequence[str]) -> None:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("a", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    manifest.write_atomically(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def _write(toolchain: Toolchain, folder: Path) -> None:
    _write_json(folder / "toolchain.json", asdict(toolchain))


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


def _zig_stage(project: Project, settings: ZigToolchain, folder: Path) -> tuple[Any, Any]:
    """The work, and what it depends on."""
    try:
        version = metadata.version("ziglang")
    except metadata.PackageNotFoundError:
        version = "missing"
    cache = project.cache / "zig"
    return (
        partial(make_zig, settings, version, folder, cache),
        {"toolchain": settings, "version": version, "cache": cache},
    )


def _msvc_stage(project: Project, settings: MsvcToolchain, folder: Path) -> tuple[Any, Any]:
    """The work, and what it depends on: an update of the compiler makes the toolchain stale."""
    return (
        partial(make_msvc, settings, project.root, folder),
        {"toolchain": settings, "found": msvc.fingerprint(os.environ, project.root, settings)},
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """toolchain."""
    settings = project.profile.toolchain
    folder = toolchain_file(project).parent
    if isinstance(settings, MsvcToolchain):
        work, inputs = _msvc_stage(project, settings, folder)
    else:
        work, inputs = _zig_stage(project, settings, folder)
    yield stage(
        project,
        "toolchain",
        "find the compiler, try it out, write it down as data",
        work,
        settings=inputs,
        targets=[toolchain_file(project)],
        owns=[folder],
    )
