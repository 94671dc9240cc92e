"""Microsoft's compiler: which of those on this machine is used, made ready and tried out.

One that is active already is used as it is; else, of all that tasks.compilers.msvc_places
found, the one with the newest toolset. tasks.compilers.vcvars activates it.
"""

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from tasks.compilers import vcvars
from tasks.compilers.msvc_places import (
    ACTIVE,
    TOOLS,
    AskVswhere,
    Installation,
    Place,
    find_program,
    numbers,
    path_folders,
    places,
    report,
    variables_of,
)
from tasks.compilers.toolchain import FILE, Toolchain, try_out, write
from tasks.core import host, manifest, process
from tasks.core.config import MsvcToolchain
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made

VSWHERE_SECONDS = 60

# https://github.com/microsoft/vswhere/wiki; without -products it leaves out Build Tools
VSWHERE_ARGUMENTS = [
    "-nologo", "-all", "-prerelease", "-products", "*",
    "-utf8", "-format", "json",
]  # fmt: skip


def ask_vswhere(job: Job, program: Path) -> list[dict[str, Any]]:
    """The installations that vswhere.exe knows.

    Raises:
        BuildError: it failed, or its answer cannot be read.
    """
    lines: list[str] = []
    finished = process.run(
        [program, *VSWHERE_ARGUMENTS],
        log=job.log, timeout=VSWHERE_SECONDS, check=False, line=lines.append,
    )  # fmt: skip
    # An old one prints a banner, whatever -nologo says.
    text = "\n".join(itertools.dropwhile(lambda line: not line.startswith("["), lines))
    try:
        answer = json.loads(text) if finished.status == 0 else None
    except ValueError:
        answer = None
    if not isinstance(answer, list):
        said = lines[-1] if lines else "nothing"
        raise BuildError(f"gave no answer (exit status {finished.status}; it said: {said})")
    return answer


def choose(tried: Sequence[Place], settings: MsvcToolchain) -> Installation:
    """The compiler to use: the active one as it is, else the newest toolset.

    Of equal ones it is the one that was found first.

    Raises:
        BuildError: the active one cannot be used, or there is none.
    """
    for place in tried:
        if place.found_by == ACTIVE:
            if place.installation is None:
                raise BuildError(
                    f"{ACTIVE} cannot build 64-bit FFCV: {place.rejected} ({place.where}); start "
                    'doit in an ordinary prompt or in "x64 Native Tools Command Prompt"'
                )
            return place.installation
    usable = [place.installation for place in tried if place.installation]
    if usable:
        return max(usable, key=lambda installation: numbers(installation.toolset))
    almost = dict.fromkeys(f"{place.where} {place.rejected}" for place in tried if place.almost)
    but = "".join(f"; {reason}" for reason in [*almost][:2])
    raise BuildError(
        f"Microsoft's C++ compiler (toolset {settings.minimum_toolset} or newer) was in none of "
        f'{len(tried)} places{but}; get it with: {settings.install}; then run "doit toolchain" '
        "again, or build without it: doit profile=zig"
    )


def active_difference(environment: Mapping[str, str], found: Installation) -> vcvars.Difference:
    """What the activation of the active compiler has set, as far as it is needed.

    Of PATH that is the folders of its programs and of the Windows SDK's.
    """
    sdk = find_program("rc.exe", path_folders(environment))
    return vcvars.taken(environment, [found.tools, *([str(sdk.parent)] if sdk else [])])


def activated(found: Installation, changes: vcvars.Difference) -> Installation:
    """The installation with the toolset that its vcvars64.bat has chosen.

    It may be another one than the installation's default: https://github.com/SCons/scons/issues/3664
    """
    tools = Path(changes.value("VCToolsInstallDir")) / TOOLS
    toolset = changes.value("VCToolsVersion")
    if not toolset or not (tools / "cl.exe").is_file():
        return found
    return replace(found, toolset=toolset, tools=str(tools))


def fingerprint(
    environment: Mapping[str, str], root: Path, settings: MsvcToolchain
) -> dict[str, str]:
    """What identifies the compiler that would be chosen, found without running anything."""
    try:
        found = choose(places(environment, root, settings.minimum_toolset, None), settings)
    except BuildError:
        return {}
    return {"path": found.path, "toolset": found.toolset, "vcvars": found.vcvars}


def windows_sdk(environment: Mapping[str, str]) -> str:
    """The newest Windows SDK by its rc.exe in the usual folder, or ""."""
    variables = variables_of(environment)
    kits = [
        Path(variables[name]) / "Windows Kits" / "10" / "bin"
        for name in ("PROGRAMFILES(X86)", "PROGRAMFILES")
        if name in variables
    ]
    if "WINDOWSSDKDIR" in variables:
        kits.append(Path(variables["WINDOWSSDKDIR"]) / "bin")
    found = [program for folder in kits for program in folder.glob("10.*/x64/rc.exe")]
    newest = max(found, key=lambda program: numbers(program.parts[-3]), default=None)
    return str(newest.parent) if newest else ""


def summary(
    environment: Mapping[str, str], root: Path, settings: MsvcToolchain, ask: AskVswhere | None
) -> tuple[bool, str]:
    """Whether there is a compiler, and one line about it, for `doit prereqs`."""
    if not host.WINDOWS:
        return False, "this profile needs Windows; here, use profile=zig"
    try:
        found = choose(places(environment, root, settings.minimum_toolset, ask), settings)
    except BuildError as error:
        return False, error.message
    sdk = windows_sdk(environment)
    return True, f"{found}; {f'Windows SDK in {sdk}' if sdk else 'no Windows SDK was seen'}"


def make(settings: MsvcToolchain, root: Path, folder: Path, job: Job) -> Made:
    """Find Microsoft's compiler, activate it, and compile one DLL with it.

    Args:
        settings: which toolset will do, and how to get one.
        root: the project's folder; Build Tools may lie beside it.
        folder: where toolchain.json and msvc.json go.

    Raises:
        BuildError: this is not Windows, there is no compiler, or it does not work.
    """
    if not host.WINDOWS:
        raise BuildError(
            "Microsoft's compiler runs on Windows only, and so does the msvc profile; here, run "
            "doit profile=zig"
        )
    remove_tree(folder)
    folder.mkdir(parents=True)
    tried = places(os.environ, root, settings.minimum_toolset, partial(ask_vswhere, job))
    _log(job, report(tried))
    data: dict[str, Any] = {"tried": [asdict(place) for place in tried], "chosen": None}
    manifest.write_json(folder / "msvc.json", data)
    try:
        found = choose(tried, settings)
    except BuildError as error:
        raise BuildError(error.message, log=job.log) from error
    if found.vcvars:
        changes = vcvars.activate(
            Path(found.vcvars), host.environment(), log=job.log, line=job.line
        )
        found = activated(found, changes)
    else:
        changes = active_difference(os.environ, found)
    data |= {"chosen": asdict(found), "changes": asdict(changes)}
    manifest.write_json(folder / "msvc.json", data)
    toolchain = _msvc_toolchain(found, changes, job.log)
    try_out(
        toolchain,
        [toolchain.programs["cl"], "/nologo", "/LD", "try.c", "/Fetry.dll"],
        "choose Repair for it in the Visual Studio Installer",
        folder / "try",
        job,
    )
    write(toolchain, folder)
    return Made(
        str(found),
        where=folder / FILE,
        root=folder,
        # msvc.json is for people: another compiler on the machine does not make a build stale.
        files=manifest.record(folder, [folder / FILE]),
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
        compiler_class="msvc",
        path=list({vcvars.folder_key(f): f for f in (found.tools, *folders)}.values()),
    )


def _log(job: Job, lines: Sequence[str]) -> None:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("a", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)
