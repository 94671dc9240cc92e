"""What is installed in a Python environment for Windows: modules, DLLs, and folders for DLLs.

Nothing is imported or run, so that an environment can be read from any system. Which folders a
package gives to os.add_dll_directory is therefore read off its sources: those folders with
DLLs whose name stands in a source file that mentions add_dll_directory.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment

BINARIES = (".pyd", ".dll")
_SHARED = ("..", "__pycache__", "bin", "Scripts")  # no name that can be imported
_ADDS = re.compile(r"add_?dll_?directory", re.IGNORECASE)


@dataclass(frozen=True)
class Package:
    """An installed package.

    Attributes:
        name: the name it was asked for by.
        modules: its extension modules, sorted.
        dll_directories: the folders that it, and what it requires, add to the DLL search.
    """

    name: str
    modules: tuple[Path, ...]
    dll_directories: tuple[Path, ...]


def find_package(name: str, environment: Environment) -> Package:
    """Find an installed package by the name of its distribution, or of what is imported.

    Raises:
        DiagnosisError: there is no such package, or it has no extension module.
    """
    if not re.fullmatch(r"[\w.-]*\w[\w.-]*", name):
        raise DiagnosisError(
            f"{name} is a folder or no name at all: give a file (.pyd or .dll), or the name of an "
            "installed package, and its environment with --env."
        )
    index = _index(environment)
    dist = index.get(normal(name))
    tops = dist.tops if dist else {name}
    # A venv's copy hides that of its base.
    found = ([m for top in tops for m in _modules(f, top)] for f in environment.site_folders)
    modules = next((modules for modules in found if modules), None)
    if not modules:
        known = dist or any(name in other.tops for other in index.values())
        what = "has no extension module" if known else "is not installed"
        folders = " or ".join(map(str, environment.site_folders))
        raise DiagnosisError(
            f"{name} {what} in {folders}. Give a file (.pyd or .dll), the name of a package with "
            "extension modules, or another environment with --env."
        )
    return Package(name, tuple(sorted(modules)), dll_directories(tops, environment))


def dll_directories(tops: Iterable[str], environment: Environment) -> tuple[Path, ...]:
    """Return the folders that packages add to the DLL search, the one added last first.

    Args:
        tops: top-level names in site-packages; what their distributions require is added too,
            since its folders are there once the requirement is imported.
    """
    index = _index(environment)
    queue = [key for key, dist in index.items() if dist.tops & set(tops)]
    everything = set(tops)
    for key in queue:  # grows meanwhile
        everything |= index[key].tops
        queue += [name for name in index[key].requires if name in index and name not in queue]
    added = [path for folder in environment.site_folders for path in _startup_directories(folder)]
    for top in sorted(everything):
        folder = next((f for f in environment.site_folders if (f / top).is_dir()), None)
        if folder:
            added += _declared(folder, (folder / top).glob("*.py"))
    return tuple(dict.fromkeys(reversed(added)))


def top_names(file: Path, environment: Environment) -> tuple[str, ...]:
    """Return the top-level names that an installed file belongs to; none for a file elsewhere."""
    for folder in environment.site_folders:
        if file.is_relative_to(folder.absolute()):
            top = file.relative_to(folder.absolute()).parts[0]
            return top.partition(".")[0], top
    return ()


def binaries(folder: Path) -> Iterator[Path]:
    """Yield the extension modules and DLLs below `folder`."""
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            if name.lower().endswith(BINARIES):
                yield Path(parent, name)


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
    """The distributions in a site-packages folder, by normal name."""
    result = {}
    for dist in distributions(path=[str(folder)]):
        # An environment marker such as `extra == "test"` asks for something optional.
        requires = (r for r in dist.requires or () if "extra" not in r.partition(";")[2])
        names = (re.match(r"[\w.-]+", requirement) for requirement in requires)
        key = normal(dist.name)
        wanted = tuple(normal(name[0]) for name in names if name)
        result[key] = _Dist(dist.name, frozenset(_tops(dist)), wanted)
    return result


def _tops(dist: Distribution) -> Iterator[str]:
    """The top-level names that a distribution put into site-packages."""
    for line in (dist.read_text("RECORD") or "").splitlines():
        top, inside, _ = line.replace("\\", "/").partition("/")
        if top not in _SHARED and ".dist-info" not in top:
            yield top if inside else top.partition(".")[0]


def _modules(folder: Path, top: str) -> Iterator[Path]:
    """The extension modules of one top-level name: in its folder, or itself one file."""
    yield from (path for path in binaries(folder / top) if path.suffix.lower() == ".pyd")
    if folder.is_dir():
        names = (path for path in folder.iterdir() if path.suffix.lower() == ".pyd")
        yield from (path for path in names if path.name.partition(".")[0] == top)


def _startup_directories(folder: Path) -> list[Path]:
    """The folders that modules named in .pth files add whenever Python starts (pywin32's does)."""
    added: list[Path] = []
    for pth in sorted(folder.glob("*.pth")):
        lines = pth.read_text(encoding="utf-8", errors="replace").splitlines()
        folders = [folder, *(folder / line.strip().replace("\\", "/") for line in lines if line)]
        for name in re.findall(r"^import (\w+)\s*$", "\n".join(lines), re.MULTILINE):
            sources = (place / f"{name}.py" for place in folders)
            added += _declared(folder, (source for source in sources if source.is_file()))
    return added


def _declared(folder: Path, sources: Iterable[Path]) -> list[Path]:
    added: list[Path] = []
    for source in sorted(sources):
        text = source.read_text(encoding="utf-8", errors="replace")
        if not _ADDS.search(text):
            continue
        words = set(re.findall(r"[\w.-]+", text)) - {"win32"}  # the value of sys.platform
        near = [] if source.parent == folder else [source.parent, *_folders(source.parent)]
        for path in (*near, *_folders(folder)):
            if path.name in words and path not in added and _has_dlls(path):
                added.append(path)
    return added


@cache
def _folders(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.is_dir()))


@cache
def _has_dlls(folder: Path) -> bool:
    return any(path.suffix.lower() == ".dll" for path in folder.iterdir())
