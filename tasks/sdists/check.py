"""What a finished wheel is: what it holds, whether it is for Windows alone, and whether it imports.

wheel -> modules(), faults() -> a clean Windows Python -> imports.py: every module and extension
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import dllwhy
from dllwhy import pe
from tasks.core.errors import BuildError
from tasks.sdists import instructions

_SUFFIX = re.compile(r"(\.cp\d+-win_amd64|\.abi3)?\.pyd")
# distutils' build_ext.
_BEGUN = re.compile(r"^building '([\w.]+)' extension\b", re.MULTILINE)
_NOT_LOADED = re.compile(r"DLL load failed while importing (\w+)")
# What wheels have at their top by mistake, and what only runs in a test runner.
_OF_TESTS = {"tests", "test"}  # their modules want what tests want
_NO_PACKAGE = {"tests", "test", "testing", "docs", "examples", "example", "benchmarks", "setup"}


def modules(members: Sequence[str]) -> list[str]:
    """The top-level modules and all extension modules of a wheel, packages first.

    Args:
        members: the names of its files.
    """
    top, extensions = [], []
    for name in members:
        parts = name.split("/")
        if parts[0].endswith((".dist-info", ".data", ".libs")):
            continue
        match = _SUFFIX.search(parts[-1])
        if match:
            parts[-1] = parts[-1][: match.start()]
            extensions.append(parts)
        elif len(parts) == 1 and name.endswith(".py"):
            top.append([name[:-3]])
        elif len(parts) == 2 and parts[1] == "__init__.py":
            top.append(parts[:1])
    named = [
        p for p in (*sorted(top), *sorted(extensions))
        if p[0] not in _NO_PACKAGE and not _OF_TESTS & set(p[:-1])
    ]  # fmt: skip
    dotted = [".".join(p) for p in named if all(part.isidentifier() for part in p)]
    return list(dict.fromkeys(dotted))


def libraries(folder: Path) -> dict[str, str]:
    """Extension modules that are none -> their files: they ask nothing of Python.

    setuptools compiles what is loaded with ctypes as if it were a module. To import such a thing
    ends in an error, or in a crash where it has an empty PyInit function for the linker's sake.

    Args:
        folder: with the modules of a wheel.
    """
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*.pyd")):
        name = file.relative_to(folder).as_posix()
        needed = pe.read_pe(file).imports
        if not any(re.match(r"(?i)python3\d*|libpython", dll) for dll in needed):
            found |= dict.fromkeys(modules([name]), name)
    return found


def files(wheel: Path) -> list[str]:
    """The names of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if not name.endswith("/")]


def compiled(wheel: Path) -> bool:
    """Whether a wheel holds any extension module or DLL."""
    return any(name.lower().endswith((".pyd", ".dll")) for name in files(wheel))


def lost(log: str, wheel: Path) -> list[str]:
    """The extension modules that setuptools began to compile, and the wheel has not.

    An extension that is optional, or whose setup.py goes on without it, is missing silently; its
    package then is slow, or lacks a function.

    Args:
        log: of the build.
    """
    stems = {PurePosixPath(name).name.partition(".")[0] for name in files(wheel)}
    begun = dict.fromkeys(_BEGUN.findall(log))
    return [name for name in begun if name.rpartition(".")[2] not in stems]


def faults(wheel: Path, places: Sequence[Path], folder: Path) -> list[str]:
    """What must not be in a wheel for 64-bit Windows: other machines' files, and paths of this one.

    Args:
        places: folders of this machine whose paths nothing may hold.
        folder: for the modules, while they are looked at.
    """
    found = []
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith((".so", ".dylib")):
                found.append(f"{name} is for another system")
            if not name.lower().endswith((".pyd", ".dll", ".exe")):
                continue
            file = Path(archive.extract(name, folder))
            machine = pe.read_pe(file).machine
            if machine != "x64":
                found.append(f"{name} is for {machine}")
            content = file.read_bytes()
            for place in places:
                if _holds(content, str(place)):
                    found.append(f"{name} holds a path of this machine, {place}")
    return found


def _holds(content: bytes, place: str) -> bool:
    """Whether bytes hold a path, with slashes of either kind: /root is no part of build/root."""
    spelled = (re.escape(one.encode()) for one in (place, place.replace("/", "\\")))
    found = rb"(?<![\w.\-/\\])(?:" + b"|".join(spelled) + rb")(?![\w.\-])"
    return re.search(found, content) is not None


def not_loaded(errors: Iterable[str], site_packages: Path) -> list[Path]:
    """The extension modules that errors of an import name: those whose DLLs were not found."""
    names = {m[1] for error in errors for m in _NOT_LOADED.finditer(error)}
    files = sorted(site_packages.rglob("*.pyd")) if names else []
    return [path for path in files if path.name.partition(".")[0] in names]


def lacking(file: Path, environment: Path, patterns: Sequence[str]) -> list[str]:
    """The DLLs that a module lacks, if all of them fit patterns of names; else none."""
    closures = dllwhy.explain_load(file, environment).closures
    names = [missing.name for closure in closures for missing in closure.missing]
    fit = all(any(fnmatch(name.lower(), one.lower()) for one in patterns) for name in names)
    return sorted(set(names)) if fit else []


def beyond(folder: Path, level: str, compiler: str) -> Iterator[str]:
    """Lines about instructions that not every machine of the baseline has.

    Args:
        folder: with the modules of a wheel. DLLs that were packed with them are of others.
        level: the baseline.
        compiler: zig or msvc.
    """
    for module in sorted(folder.rglob("*.pyd")):
        found = instructions.beyond(module, level, microsoft=compiler == "msvc")
        if told := found.told(module.name, level):
            yield told


def other_version(wheel: Path, version: str) -> str:
    """A line where a wheel calls itself another version than its source; "" where it does not.

    Args:
        version: the source's; "" where it is not known.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    try:
        named = parse_wheel_filename(wheel.name)[1]
        same = not version or Version(named.public) == Version(Version(version).public)
    except (InvalidVersion, InvalidWheelFilename):
        return ""
    return "" if same else (
        f"warning: its build calls the wheel {named}, and the source is {version}: pip refuses it "
        "where it is asked for by that version. It reads it from git, from a variable "
        "(SETUPTOOLS_SCM_PRETEND_VERSION) or from a line that its authors forgot"
    )  # fmt: skip


def refuse_pure(wheel: Path, title: str) -> bool:
    """Whether a wheel has no compiled part; then it is right for every system already.

    Raises:
        BuildError: it is for another system than 64-bit Windows.
    """
    tag = wheel.stem.rsplit("-", 1)[-1]
    if tag not in ("any", "win_amd64"):
        raise BuildError(f"{title}: the wheel is for {tag}, not for 64-bit Windows: {wheel.name}")
    return tag == "any"
