"""What is installed in a Python environment for Windows: distributions, modules, DLLs.

Nothing is imported or run, so that an environment can be read from any system. What the packages
do for their DLLs when they are imported is read off their sources by `dllwhy.imports`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cache
from pathlib import Path

from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment
from dllwhy.imports.modules import is_for
from dllwhy.pe import read_pe

BINARIES = (".pyd", ".dll")
_SHARED = ("..", "__pycache__", "bin", "Scripts")  # no name that can be imported


@dataclass(frozen=True)
class Package:
    """An installed package.

    Attributes:
        name: the name it was asked for by.
        tops: its top-level names in site-packages.
        modules: its extension modules for this Python, sorted; where it has none, its DLLs, which
            it loads by their path; where it has none of both, those of what it requires.
        passed_over: its extension modules for other Pythons.
        note: whose these are, if they are no extension modules of its own.
    """

    name: str
    tops: frozenset[str]
    modules: tuple[Path, ...]
    passed_over: tuple[Path, ...] = ()
    note: str = ""


def find_package(name: str, environment: Environment) -> Package:
    """Find an installed package by the name of its distribution, or of what is imported.

    Raises:
        DiagnosisError: there is no such package, or nothing that could be loaded comes with it.
    """
    if reason := no_target(name):
        raise DiagnosisError(reason)
    index = _index(environment)
    dist = index.get(normal(name))
    tops = dist.tops if dist else frozenset({name})
    package = _binaries_of(name, tops, environment)
    if package.modules or package.passed_over:
        return package
    own = dist or next((other for other in index.values() if name in other.tops), None)
    for required in own.requires if own else ():
        other = index.get(required)
        found = _binaries_of(other.name, other.tops, environment) if other else package
        if found.modules:
            note = f"{name} has no extension module of its own; it requires {found.name}"
            return Package(name, found.tops, found.modules, found.passed_over, note)
    what = "has no extension module and no DLL" if own else "is not installed"
    folders = " or ".join(map(str, environment.site_folders))
    raise DiagnosisError(
        f"{name} {what} in {folders}. Give a file (.pyd or .dll), the name of a package with "
        "extension modules, or another environment with --env."
    )


def is_name(target: str) -> bool:
    """Whether a text can be the name of a package."""
    return re.fullmatch(r"[\w.-]*\w[\w.-]*", target) is not None


def no_target(target: str) -> str:
    """Why a text that is no file and no folder is no package's name; "" if it may be one."""
    if is_name(target):
        return ""
    return (
        f"There is no file or folder {target}, and no package has such a name. Give a file (.pyd "
        "or .dll), a folder that holds some, or the name of an installed package, and its "
        "environment with --env."
    )


def in_place(target: str, path: Path, environment: Environment | None) -> Package:
    """Return a file, or what a folder holds, as if it was a package.

    Args:
        environment: modules for other Pythons than this one are passed over.

    Raises:
        DiagnosisError: it cannot be read, or holds nothing that could be loaded.
    """
    if not path.is_dir():
        read_pe(path)  # tells if it is not there
        return Package(target, frozenset(), (path,))
    package = _usable(target, frozenset(), list(binaries(path)), environment)
    if not (package.modules or package.passed_over):
        raise DiagnosisError(f"{target} holds no extension module (.pyd) and no DLL.")
    return package


def _binaries_of(name: str, tops: frozenset[str], environment: Environment) -> Package:
    for folder in environment.site_folders:  # a venv's copy hides that of its base
        files = sorted({file for top in tops for file in _files(folder, top)})
        package = _usable(name, tops, files, environment)
        if package.modules or package.passed_over:
            return package
    return Package(name, tops, ())


def _usable(
    name: str, tops: frozenset[str], files: list[Path], environment: Environment | None
) -> Package:
    """The extension modules among files, or where there are none the DLLs."""
    extensions = [file for file in files if file.suffix.lower() == ".pyd"]
    usable = tuple(file for file in extensions if not environment or is_for(file, environment))
    if extensions:
        others = tuple(file for file in extensions if file not in usable)
        return Package(name, tops, usable, others)
    libraries = tuple(file for file in files if not environment or _is_usable(file, environment))
    note = f"{name} has no extension module; its DLLs are loaded by their path" if libraries else ""
    return Package(name, tops, libraries, (), note)


def _is_usable(file: Path, environment: Environment) -> bool:
    """Whether a DLL is for this machine; a package may bring one for each."""
    try:
        return read_pe(file).machine == environment.machine
    except DiagnosisError:
        return True  # damaged, and told as such


def lying(name: str, environment: Environment) -> tuple[Path, ...]:
    """Return the files of the environment that are called `name`, which is in lower case."""
    others = (f for f in environment.site_folders if f != environment.site_packages)
    folders = (environment.prefix, *others)
    return tuple(path for folder in folders for path in _by_name(folder).get(name, ()))


@cache
def _by_name(folder: Path) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for path in binaries(folder):
        found[path.name.lower()] = (*found.get(path.name.lower(), ()), path)
    return found


def required_tops(tops: frozenset[str], environment: Environment) -> tuple[str, ...]:
    """Return the top-level names of what the distributions of `tops` require, at any remove."""
    index = _index(environment)
    queue = [key for key, dist in index.items() if dist.tops & tops]
    found: dict[str, None] = {}
    for key in queue:  # grows meanwhile
        found.update(dict.fromkeys(sorted(index[key].tops - tops)))
        queue += [name for name in index[key].requires if name in index and name not in queue]
    return tuple(found)


def top_names(file: Path, environment: Environment) -> tuple[str, ...]:
    """Return the top-level names that an installed file belongs to; none for a file elsewhere."""
    for folder in environment.site_folders:
        if folder.absolute() in file.parents:
            top = file.relative_to(folder.absolute()).parts[0]
            return top.partition(".")[0], top
    return ()


def bringing(file: Path, environment: Environment) -> frozenset[str]:
    """Return the top-level names of the distribution that an installed file belongs to.

    "numpy" for a file in numpy.libs; none for a file elsewhere.
    """
    names = frozenset(top_names(file, environment))
    dists = (dist.tops for dist in _index(environment).values() if names & dist.tops)
    return names.union(*dists)


def binaries(folder: Path) -> Iterator[Path]:
    """Yield the extension modules and DLLs below `folder`."""
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            if name.lower().endswith(BINARIES) and (path := Path(parent, name)).is_file():
                yield path


def normal(name: str) -> str:
    """Return a distribution's name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class _Dist:
    name: str
    tops: frozenset[str]
    requires: tuple[str, ...]


def _index(environment: Environment) -> dict[str, _Dist]:
    """The distributions that an environment can import, by normal name; a venv's own win."""
    folders = reversed(environment.site_folders)
    return {key: dist for folder in folders for key, dist in _installed(folder).items()}


@cache
def _installed(folder: Path) -> dict[str, _Dist]:
    """The distributions in a site-packages folder, by normal name.

    Damaged records count as far as they can be read: importlib.metadata ends at some of them.
    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    result = {}
    for info in sorted(folder.glob("*.*-info")):
        metadata = HeaderParser().parsestr(_text(info, "METADATA") or _text(info, "PKG-INFO"))
        name = str(metadata["Name"] or "").strip() or info.stem.partition("-")[0]
        # An environment marker such as `extra == "test"` asks for something optional.
        lines = (str(line) for line in metadata.get_all("Requires-Dist", []))
        requires = (line for line in lines if "extra" not in line.partition(";")[2])
        names = (re.match(r"[\w.-]+", requirement) for requirement in requires)
        wanted = tuple(normal(found[0]) for found in names if found)
        result[normal(name)] = _Dist(name, frozenset(_tops(info)), wanted)
    return result


def _text(info: Path, name: str) -> str:
    try:
        return (info / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _tops(info: Path) -> Iterator[str]:
    """The top-level names that a distribution put into site-packages."""
    record = _text(info, "RECORD")
    if not record:  # an .egg-info has none
        yield from _text(info, "top_level.txt").split()
    for line in record.splitlines():
        top, inside, _ = line.replace("\\", "/").partition("/")
        name = top if inside else top.partition(".")[0]
        # A hidden file is no module: its name would be empty, and that the whole folder.
        if name and top not in _SHARED and ".dist-info" not in top and top.isprintable():
            yield name


def _files(folder: Path, top: str) -> Iterator[Path]:
    """The binaries of one top-level name: in its folder, or itself one file."""
    yield from binaries(folder / top)
    if folder.is_dir():
        names = (path for path in folder.iterdir() if path.name.lower().endswith(BINARIES))
        yield from (path for path in names if path.name.partition(".")[0] == top and path.is_file())
