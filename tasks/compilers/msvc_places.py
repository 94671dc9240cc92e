"""Where Microsoft's compiler may be.

    environment, folders, vswhere, Visual Studio's own records
        -> places()  every place, in order: an installation, or why it is none

Nothing is run here, but for vswhere through the function that is given.

https://learn.microsoft.com/visualstudio/install/tools-for-managing-visual-studio-instances
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.compilers import portable_tools
from tasks.core.errors import BuildError

# Up to 2022 the folder is named for the year, then for the version.
RELEASES = ("18", "2022", "2019", "2017")
YEARS = {15: 2017, 16: 2019, 17: 2022, 18: 2026}
EDITIONS = ("BuildTools", "Community", "Professional", "Enterprise", "Preview", "Insiders")
# Where a toolset has the compiler for 64-bit Windows that runs on 64-bit Windows.
TOOLS = Path("bin", "Hostx64", "x64")

ACTIVE = "this prompt"
FETCHED = "fetched by this build"
_ABSENT = "is not there"

Instance = Mapping[str, object]
AskVswhere = Callable[[Path], Sequence[Instance]]


@dataclass(frozen=True)
class Installation:
    """A usable compiler for 64-bit Windows that runs on 64-bit Windows.

    Args:
        path: the installation's folder.
        edition: "BuildTools", "Community", ...; where it is in a folder of its own, that name.
        version: of Visual Studio: 15 (2017), 16 (2019), 17 (2022), 18 (2026).
        toolset: version of compiler and libraries, "14.38.33130".
        tools: the folder of cl.exe and link.exe.
        vcvars: the script that activates it; "" if it is active already, or portable.
        sdk: of a portable one, the Windows SDK inside that goes with it; "" for others.
    """

    path: str
    edition: str
    version: int
    toolset: str
    tools: str
    vcvars: str
    sdk: str = ""

    def __str__(self) -> str:
        if self.sdk:
            return f"toolset {self.toolset}, Windows SDK {self.sdk}, in {self.path}"
        name = f"Visual Studio {YEARS.get(self.version, self.version)}"
        if self.edition in EDITIONS:
            name += f" {self.edition}"
        return f"{name}, toolset {self.toolset}, in {self.path}"


@dataclass(frozen=True)
class Place:
    """A place that was looked at.

    Args:
        found_by: what led there: "vswhere", "VCVARS", ...
        where: the folder or file; "" where there was nothing to look at.
        rejected: why it is no usable installation; "" if it is one.
        installation: what is there.
        almost: whether it is an installation that something is wrong with.
    """

    found_by: str
    where: str
    rejected: str
    installation: Installation | None = None
    almost: bool = False


@dataclass(frozen=True)
class Wanted:
    """What a compiler must be.

    Args:
        minimum: the oldest toolset that will do, "14.10".
        sdk: the Windows SDK to use of several in a portable folder; "" for the newest.
        scripts: whether vcvars64.bat can be run here.
    """

    minimum: str
    sdk: str = ""
    scripts: bool = True


def numbers(version: str) -> tuple[int, ...]:
    """A version for comparison: "14.38.33130" -> (14, 38, 33130)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def visual_studio(toolset: str) -> int:
    """The version of Visual Studio that a toolset came with.

    https://learn.microsoft.com/cpp/overview/compiler-versions
    """
    minor = numbers(toolset)[1] if len(numbers(toolset)) > 1 else 0
    for start, version in ((50, 18), (30, 17), (20, 16), (10, 15)):
        if minor >= start:
            return version
    return 14


def variables_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by their names in upper case, since Windows does not tell case apart."""
    return {name.upper(): value for name, value in environment.items() if value}


def path_folders(environment: Mapping[str, str]) -> list[Path]:
    """The folders of PATH."""
    parts = variables_of(environment).get("PATH", "").split(os.pathsep)
    return [Path(folder) for part in parts if (folder := part.strip().strip('"'))]


def find_program(name: str, folders: Sequence[Path]) -> Path | None:
    """The first file of this name in `folders`, or None."""
    files = (folder / name for folder in folders)
    return next((file for file in files if _readable(file.is_file)), None)


def _readable(check: Callable[[], bool]) -> bool:
    """What `check` says; no, where Windows does not let us look."""
    try:
        return check()
    except OSError:
        return False


def _too_old(toolset: str, minimum: str) -> str:
    if numbers(toolset) >= numbers(minimum):
        return ""
    return f"its toolset {toolset or '(unknown)'} is older than {minimum}"


def _toolset(folder: Path) -> str:
    """The toolset of an installation that vcvars64.bat activates, as far as files tell; or "".

    The file that names it is missing where the component "Latest" is
    (https://github.com/rust-lang/cc-rs/issues/1525); then it is the newest one.
    """
    default = folder / "VC" / "Auxiliary" / "Build" / "Microsoft.VCToolsVersion.default.txt"
    try:
        return default.read_text(encoding="utf-8-sig").strip()
    except (OSError, ValueError):
        tools = folder / "VC" / "Tools" / "MSVC"
        toolsets = [path.relative_to(tools).parts[0] for path in tools.glob(f"*/{TOOLS}/cl.exe")]
        return max(toolsets, key=numbers, default="")


def _place(found_by: str, folder: Path, wanted: Wanted, version: str = "") -> Place:
    """Look at the folder of an installation.

    Args:
        version: of Visual Studio, where a record says it.
    """

    def rejected(reason: str) -> Place:
        return Place(found_by, str(folder), reason, almost=True)

    if not _readable(folder.exists):
        return Place(found_by, str(folder), _ABSENT)
    if portable_tools.kits(folder):
        return _portable(found_by, folder, wanted)
    if portable_tools.is_xwin(folder):
        return rejected("is what xwin unpacks: headers and libraries, and no compiler")
    scripts = folder / "VC" / "Auxiliary" / "Build"
    toolset = _toolset(folder)
    if not toolset:
        return rejected("has no C++ tools (there is no cl.exe in VC/Tools/MSVC)")
    if old := _too_old(toolset, wanted.minimum):
        return rejected(old)
    tools = folder / "VC" / "Tools" / "MSVC" / toolset / TOOLS
    for needed in (scripts / "vcvars64.bat", tools / "cl.exe", tools / "link.exe"):
        if not _readable(needed.is_file):
            return rejected(f"is not complete ({needed.relative_to(folder)} is missing)")
    script = scripts / "vcvars64.bat"
    if not script.read_bytes().strip():
        return rejected(
            "has an empty vcvars64.bat, and no Windows SDK inside; unpack it anew, or name another "
            "folder"
        )
    if not wanted.scripts:
        return rejected("is activated by its vcvars64.bat, which runs on Windows only")
    major = numbers(version)[0] if numbers(version) else visual_studio(toolset)
    installation = Installation(str(folder), folder.name, major, toolset, str(tools), str(script))
    return Place(found_by, str(folder), "", installation)


def _portable(found_by: str, folder: Path, wanted: Wanted) -> Place:
    """Look at a folder that holds compiler and Windows SDK without having been installed."""

    def rejected(reason: str) -> Place:
        return Place(found_by, str(folder), reason, almost=True)

    toolsets = portable_tools.toolsets(folder)
    whole = [toolset for toolset in toolsets if not toolset.missing]
    if not whole:
        reasons = [f"its toolset {t.version} {t.missing}" for t in toolsets]
        return rejected(reasons[-1] if reasons else "has no toolset in VC/Tools/MSVC")
    toolset = max(whole, key=lambda one: numbers(one.version))
    if old := _too_old(toolset.version, wanted.minimum):
        return rejected(old)
    sdks = portable_tools.sdks(folder)
    usable = [sdk for sdk in sdks if not sdk.missing and wanted.sdk in ("", sdk.version)]
    if not usable:
        named = [sdk for sdk in sdks if wanted.sdk in ("", sdk.version)]
        if named:
            return rejected(f"its Windows SDK {named[-1].version} {named[-1].missing}")
        there = ", ".join(sdk.version for sdk in sdks)
        return rejected(
            f"has no Windows SDK {wanted.sdk}".rstrip() + (f", but {there}" * bool(there))
        )
    sdk = max(usable, key=lambda one: numbers(one.version))
    installation = Installation(
        str(folder), folder.name, visual_studio(toolset.version), toolset.version,
        str(toolset.tools), vcvars="", sdk=sdk.version,
    )  # fmt: skip
    return Place(found_by, str(folder), "", installation)


def _around(path: Path) -> Path:
    """The installation that a file or folder lies in; the path itself if in none."""
    tools = Path("VC", "Auxiliary", "Build")

    def holds(folder: Path) -> bool:
        return _readable((folder / tools).is_dir) or portable_tools.kits(folder) is not None

    return next((folder for folder in (path, *path.parents) if holds(folder)), path)


def _active(environment: Mapping[str, str], wanted: Wanted) -> Place | None:
    """The compiler of a prompt in which one is active already, or None."""
    variables = variables_of(environment)
    compiler = find_program("cl.exe", path_folders(environment))
    signs = ("VSINSTALLDIR", "VCTOOLSVERSION", "VCTOOLSINSTALLDIR", "VSCMD_ARG_TGT_ARCH")
    if compiler is None or not any(sign in variables for sign in signs):
        return None
    in_path = re.search(r"[\\/]MSVC[\\/]([\d.]+)[\\/]", str(compiler))
    toolset = variables.get("VCTOOLSVERSION") or (in_path[1] if in_path else "")
    target = variables.get("VSCMD_ARG_TGT_ARCH") or compiler.parent.name.lower()
    if target not in ("x64", "amd64"):
        return Place(
            ACTIVE, str(compiler), f"its compiler is for {target} programs, not for 64-bit ones"
        )
    if old := _too_old(toolset, wanted.minimum):
        return Place(ACTIVE, str(compiler), old)
    if find_program("link.exe", [compiler.parent]) is None:
        return Place(ACTIVE, str(compiler), "its compiler has no link.exe beside it")
    folder = Path(variables.get("VSINSTALLDIR") or variables.get("VCTOOLSINSTALLDIR", ""))
    version = numbers(variables.get("VISUALSTUDIOVERSION", "")) or (visual_studio(toolset),)
    installation = Installation(
        str(folder), folder.name, version[0], toolset, str(compiler.parent), vcvars=""
    )
    return Place(ACTIVE, str(compiler), "", installation)


def _vswhere(environment: Mapping[str, str], wanted: Wanted, ask: AskVswhere) -> Iterator[Place]:
    """What vswhere knows; the first vswhere that is found is asked."""
    variables = variables_of(environment)
    folders = [
        Path(variables[name]) / "Microsoft Visual Studio" / "Installer"
        for name in ("PROGRAMFILES(X86)", "PROGRAMFILES")
        if name in variables
    ]
    folders += path_folders(environment)
    if "CHOCOLATEYINSTALL" in variables:
        chocolatey = Path(variables["CHOCOLATEYINSTALL"])
        folders += [chocolatey / "bin", chocolatey / "lib" / "vswhere" / "tools"]
    program = find_program("vswhere.exe", folders)
    if program is None:
        yield Place("vswhere", "", f"vswhere.exe {_ABSENT}")
        return
    try:
        instances = ask(program)
    except BuildError as error:
        yield Place("vswhere", str(program), error.message)
        return
    if not instances:
        yield Place("vswhere", str(program), "knows no installation")
    for instance in instances:
        yield _of_instance("vswhere", instance, str(program), wanted)


def _records(environment: Mapping[str, str], wanted: Wanted) -> Iterator[Place]:
    """What the Visual Studio Installer has written down; vswhere reads the same records."""
    variables = variables_of(environment)
    folder = Path(variables.get("PROGRAMDATA", ""), "Microsoft/VisualStudio/Packages/_Instances")
    records = sorted(folder.glob("*/state.json")) if "PROGRAMDATA" in variables else []
    if not records:
        yield Place("instance record", str(folder), "there are none")
    for record in records:
        try:
            instance = json.loads(record.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            yield Place("instance record", str(record), "cannot be read")
            continue
        yield _of_instance("instance record", instance, str(record), wanted)


def _of_instance(found_by: str, instance: object, source: str, wanted: Wanted) -> Place:
    """An entry of vswhere's answer, or a state.json: the two keys that count are the same."""
    folder = instance.get("installationPath") if isinstance(instance, Mapping) else None
    if not isinstance(instance, Mapping) or not isinstance(folder, str) or not folder:
        return Place(found_by, source, "names no installationPath")
    version = instance.get("installationVersion")
    return _place(found_by, Path(folder), wanted, version if isinstance(version, str) else "")


def _standard(environment: Mapping[str, str], wanted: Wanted) -> Iterator[Place]:
    """The folders that installers propose."""
    variables = variables_of(environment)
    names = ("PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432")
    for base in dict.fromkeys(variables[name] for name in names if name in variables):
        for release in RELEASES:
            for edition in EDITIONS:
                folder = Path(base, "Microsoft Visual Studio", release, edition)
                yield _place("standard folder", folder, wanted)


def _told(environment: Mapping[str, str], wanted: Wanted) -> Iterator[Place]:
    """What the user's own variables and PATH point to."""
    variables = variables_of(environment)
    if "VCVARS" in variables:
        yield _place("VCVARS", _around(Path(variables["VCVARS"].strip('"'))), wanted)
    else:
        yield Place("VCVARS", "", "is not set")
    on_path = path_folders(environment)
    script_on_path = find_program("vcvarsall.bat", on_path)
    if script_on_path:
        yield _place("vcvarsall.bat on PATH", _around(script_on_path), wanted)
    else:
        yield Place("vcvarsall.bat on PATH", "", _ABSENT)
    named = [folder for folder in on_path if folder.name.lower() == "buildtools"]
    below = (folder / "BuildTools" for folder in on_path)
    named += [folder for folder in below if _readable(folder.is_dir)]
    for folder in named:
        yield _place("BuildTools on PATH", folder, wanted)
    if not named:
        yield Place("BuildTools on PATH", "", _ABSENT)
    for name in ("BUILDTOOLS", "MSBUILDTOOLS"):
        if name in variables:
            yield _place(name, Path(variables[name].strip('"')), wanted)
        else:
            yield Place(name, "", "is not set")


def places(
    environment: Mapping[str, str],
    root: Path,
    wanted: Wanted,
    ask: AskVswhere | None,
    fetched: Path | None = None,
) -> list[Place]:
    """Every place where the compiler may be, in the order in which they are tried.

    Args:
        environment: this process's variables.
        root: the project's folder; folders beside it, and dev on its drive, are looked at.
        wanted: what will do.
        ask: runs a vswhere.exe and returns its answer (raises BuildError); None: do not ask.
        fetched: the folder of one that this build has fetched.
    """
    variables = variables_of(environment)
    found: list[Place] = []
    if active := _active(environment, wanted):
        found.append(active)
    if "VSINSTALLDIR" in variables:
        found.append(_place("VSINSTALLDIR", Path(variables["VSINSTALLDIR"]), wanted))
    else:
        found.append(Place("VSINSTALLDIR", "", "is not set"))
    if ask is not None:
        found += _vswhere(environment, wanted, ask)
    found += _records(environment, wanted)
    found += _standard(environment, wanted)
    found += _told(environment, wanted)
    for folder in (root.parent, Path(root.anchor) / "dev"):
        for name in ("MSBuildTools", "BuildTools"):
            found.append(_place("beside the project", folder / name, wanted))
    if fetched is not None:
        found.append(_place(FETCHED, fetched, wanted))
    return found


def report(tried: Sequence[Place]) -> list[str]:
    """What was tried, one line each."""
    return [
        f"{place.found_by}: {place.where}".rstrip(": ")
        + (f": {place.rejected}" if place.rejected else f": {place.installation}")
        for place in tried
    ]
