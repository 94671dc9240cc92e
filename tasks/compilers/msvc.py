"""Microsoft's compiler: which of those on this machine is used, made ready and tried out.

One that is active already is used as it is; else, of all that tasks.compilers.msvc_places
found, the one with the newest toolset. tasks.compilers.vcvars activates it; for one in a portable
folder tasks.compilers.portable_tools says what an activation would set.
"""

import itertools
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from tasks.compilers import portable_tools, vcvars
from tasks.compilers.msvc_places import (
    ACTIVE,
    TOOLS,
    AskVswhere,
    Installation,
    Place,
    Wanted,
    find_program,
    numbers,
    path_folders,
    places,
    report,
    variables_of,
)
from tasks.compilers.toolchain import FILE, Toolchain, try_out, write
from tasks.compilers.windows_calls import Calls
from tasks.core import host, manifest, process
from tasks.core.config import MsvcToolchain
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made

VSWHERE_SECONDS = 60
DETERMINISTIC = "/experimental:deterministic"  # without which cl.exe takes no /pathmap

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


def wanted(settings: MsvcToolchain) -> Wanted:
    """What the compiler must be, on this machine."""
    return Wanted(settings.minimum_toolset, settings.windows_sdk or "", scripts=host.WINDOWS)


def remedy(settings: MsvcToolchain) -> str:
    """How to get a compiler on this machine."""
    here = f"get it with: {settings.install}"
    ways = [here if host.WINDOWS else "name a folder that holds it in BUILDTOOLS"]
    if settings.fetch:
        ways.append(
            f"have it fetched ({settings.fetch.about}): doit accept_msvc_licence=yes, by which you "
            f"accept Microsoft's licence for it, {settings.fetch.licence}"
        )
    return "; or ".join(ways)


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
        f'{len(tried)} places{but}; {remedy(settings)}; then run "doit toolchain" again, or build '
        "without it: doit profile=zig"
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
    """What identifies the compiler that would be chosen, found without running anything.

    One that this build would fetch is not among them.
    """
    try:
        found = choose(places(environment, root, wanted(settings), None), settings)
    except BuildError:
        return {}
    return {"path": found.path, "toolset": found.toolset, "vcvars": found.vcvars, "sdk": found.sdk}


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
    try:
        found = choose(places(environment, root, wanted(settings), ask), settings)
    except BuildError as error:
        return False, error.message
    if found.sdk:
        return True, str(found)
    sdk = windows_sdk(environment)
    return True, f"{found}; {f'Windows SDK in {sdk}' if sdk else 'no Windows SDK was seen'}"


def make(
    settings: MsvcToolchain, root: Path, folder: Path, fetched: Path | None, calls: Calls, job: Job
) -> Made:
    """Find Microsoft's compiler, activate it, and compile one DLL with it.

    Args:
        settings: which toolset will do, and how to get one.
        root: the project's folder; Build Tools may lie beside it.
        folder: where toolchain.json and msvc.json go.
        fetched: the folder of one that this build has fetched.
        calls: how its programs are called.

    Raises:
        BuildError: there is no compiler, or it does not work.
    """
    remove_tree(folder)
    folder.mkdir(parents=True)
    ask = partial(ask_vswhere, job) if calls.natively else None
    tried = places(os.environ, root, wanted(settings), ask, fetched)
    _log(job, report(tried))
    data: dict[str, Any] = {"tried": [asdict(place) for place in tried], "chosen": None}
    manifest.write_json(folder / "msvc.json", data)
    try:
        found = choose(tried, settings)
    except BuildError as error:
        raise BuildError(error.message, log=job.log) from error
    found, changes = _activate(found, calls, job)
    data |= {"chosen": asdict(found), "changes": asdict(changes)}
    manifest.write_json(folder / "msvc.json", data)
    toolchain = _msvc_toolchain(settings, found, changes, calls, folder, job.log)
    calls.begin()
    try_out(
        toolchain,
        [toolchain.programs["cl"], "/nologo", "/LD", "try.c", "/Fetry.dll"],
        "unpack or fetch it anew"
        if found.sdk
        else "choose Repair for it in the Visual Studio Installer",
        folder / "try",
        job,
        calls.end,
    )
    write(toolchain, folder)
    # msvc.json is for people: another compiler on the machine does not make a build stale.
    left_out = folder / "msvc.json"
    return Made(
        str(found),
        where=folder / FILE,
        root=folder,
        files=manifest.record(
            folder, [path for path in folder.iterdir() if path.is_file() and path != left_out]
        ),
        details={"chosen": asdict(found)},
    )


def _activate(
    found: Installation, calls: Calls, job: Job
) -> tuple[Installation, vcvars.Difference]:
    """The installation as it is when it is active, and what that sets."""
    if found.sdk:
        folder = Path(found.path)
        [toolset] = [t for t in portable_tools.toolsets(folder) if t.version == found.toolset]
        [sdk] = [s for s in portable_tools.sdks(folder) if s.version == found.sdk]
        return found, portable_tools.activation(toolset, sdk, calls.seen)
    if found.vcvars:
        changes = vcvars.activate(
            Path(found.vcvars), host.environment(), log=job.log, line=job.line
        )
        return activated(found, changes), changes
    return found, active_difference(os.environ, found)


def _programs(found: Installation, changes: vcvars.Difference, log: Path) -> dict[str, Path]:
    """Its programs by their names; mt only where there is one."""
    folders = [Path(folder) for folder in changes.prepended.get("PATH", [])]
    if found.sdk:
        [sdk] = [s for s in portable_tools.sdks(Path(found.path)) if s.version == found.sdk]
        folders = [portable_tools.sdk_programs(sdk)]
    programs = {}
    for role, among in {
        "cl": [Path(found.tools)], "link": [Path(found.tools)], "lib": [Path(found.tools)],
        "rc": folders, "mt": folders,
    }.items():  # fmt: skip
        program = next(
            (p for folder in among if (p := portable_tools.find(folder, f"{role}.exe"))), None
        )
        if program is not None:
            programs[role] = program
        elif role != "mt":
            what = "Windows SDK" if role == "rc" else "C++ compiler"
            raise BuildError(
                f"{found} brings no {role}.exe, which belongs to the {what}; add it in the Visual "
                'Studio Installer (Modify, "Desktop development with C++")',
                log=log,
            )
    return programs


def _msvc_toolchain(
    settings: MsvcToolchain,
    found: Installation,
    changes: vcvars.Difference,
    calls: Calls,
    folder: Path,
    log: Path,
) -> Toolchain:
    """An activated installation as data."""
    folders = [calls.seen(Path(found.tools)), *changes.prepended.get("PATH", [])]
    path = list({vcvars.folder_key(f): f for f in folders}.values())
    programs = {
        role: str(calls.program(program, folder, path))
        for role, program in _programs(found, changes, log).items()
    }
    others = {name: changes.value(name) for name in (*changes.set, *changes.prepended)}
    others.pop("PATH", None)
    # As __FILE__, sources below the build folder are named relative to it, wherever that is.
    # https://learn.microsoft.com/cpp/build/reference/cl-environment-variables
    named = [f"/pathmap:{calls.seen(folder.parent)}=."] if DETERMINISTIC in settings.flags else []
    others["CL"] = subprocess.list2cmdline([*settings.flags, *named])
    others["LINK"] = " ".join(settings.link_flags)
    cmake_file = folder / "windows.cmake"
    cmake_file.write_text(cmake_toolchain(programs), encoding="utf-8", newline="\n")
    sdk = changes.value("WindowsSDKVersion").rstrip("\\")
    return Toolchain(
        kind="msvc",
        version=found.toolset,
        target="x64",
        programs=programs,
        cmake_toolchain_file=str(cmake_file),
        environment=dict(sorted(others.items())),
        compiler_class="msvc",
        path=path,
        flags=[*settings.flags, *settings.link_flags],
        parts={"Windows SDK": sdk} if sdk else {},
    )


def without_places(options: str) -> str:
    """The value of CL without /pathmap, for a prompt: its quotes are more than a script can hold.

    Inside `set "CL=..."` of cmd.exe a quote ends the text, and "&" in a path begins a command.
    """
    return re.sub(r'"?/pathmap:[^"]*?=\."?', "", options).strip()


def cmake_toolchain(programs: Mapping[str, str]) -> str:
    """A CMake toolchain file (cmake-toolchains(7)) for cl.exe and its like."""

    def quoted(path: str) -> str:
        return '"' + Path(path).as_posix().replace("$", "\\$") + '"'

    named = {
        "C_COMPILER": "cl", "CXX_COMPILER": "cl", "LINKER": "link", "AR": "lib",
        "RC_COMPILER": "rc", "MT": "mt",
    }  # fmt: skip
    lines = [
        f"set(CMAKE_{variable} {quoted(programs[role])})"
        for variable, role in named.items()
        if role in programs
    ]
    return _CMAKE + "\n".join([*lines, ""])


_CMAKE = """\
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
# No debug information in its trials: under Wine cl.exe cannot hand it to mspdbsrv.exe (C1902).
set(CMAKE_TRY_COMPILE_CONFIGURATION Release)
# rc.exe is called by itself, not by cmcldeps, which is a program of Windows.
set(CMAKE_NINJA_CMCLDEPS_RC OFF)
"""


def _log(job: Job, lines: Sequence[str]) -> None:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("a", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)
