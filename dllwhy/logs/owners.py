"""Whose a header, a function or a library is, and how one gets it on Windows.

owner("header", "lber.h")       -> OpenLDAP
owner("symbol", "inet_ntop")    -> the Windows SDK; link ws2_32.lib
owner("library", "cholmod.lib") -> SuiteSparse; conda-forge: suitesparse

What is known is data: data/owners/owners.yaml by hand, the tables *.txt.gz from what Debian and
MinGW-w64 publish (tools/library_owners.py). Both are read only when something is asked for.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dllwhy.data_file import read_yaml
from dllwhy.errors import DiagnosisError

DATA = Path(__file__).resolve().parents[1] / "data" / "owners"

# The key of owners.yaml for what comes with Windows' SDK and with MSVC.
_WINDOWS = "windows"
_FIELDS = {"header": "headers", "symbol": "symbols", "library": "libraries", "dll": "libraries"}
_COMMANDS = {
    "conda": r"conda install -c conda-forge {} (it is then in %CONDA_PREFIX%\Library)",
    "vcpkg": "vcpkg install {}:x64-windows",
    "pypi": "pip install {}",
}
_WHEEL = (
    "a wheel of the package for this Python (pip install --only-binary :all: NAME) needs none of it"
)
# MSVC's and MinGW's file names of a library, without what stands for static, debug or import.
_FILE = re.compile(r"(?:\.dll)?\.(?:lib|a|dll|so)$", re.IGNORECASE)
_VARIANT = re.compile(r"(?:[-_]?(?:static|shared|dll|imp|[imad]))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Owner:
    """Whose something is.

    Attributes:
        name: of the library, for people.
        remedy: what to do where it is missing on Windows; "" where any library's way is its way.
        get: where one gets it for Windows.
        offer_found: whether a file that has the name is an answer. What belongs to a compiler or
            to an operating system is not to be taken from elsewhere.
    """

    name: str
    remedy: str = ""
    get: str = ""
    offer_found: bool = True


def advice(group: str, names: Sequence[str], usual: str) -> tuple[list[str], str]:
    """Return whose names are, one sentence for each owner, and what to do.

    Args:
        group: what they are names of, as for `owner`.
        usual: what to do where a library is missing, whichever it is.

    Raises:
        DiagnosisError: the data cannot be read.
    """
    whose: dict[Owner, list[str]] = {}
    for name in names:
        if found := owner(group, name):
            whose.setdefault(found, []).append(name)
    facts = [f"{_some(these)}: {found.name}" for found, these in whose.items()]
    special = list(dict.fromkeys(found.remedy for found in whose if found.remedy))
    get = [found.get for found in whose if found.get]
    of_special = sum(len(these) for found, these in whose.items() if found.remedy)
    if of_special == len(names):
        return facts, ". ".join(special)
    return facts, ". ".join([*special, f"for the rest: {usual}" if special else usual, *get])


def _some(names: Sequence[str], shown: int = 6) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest


def owner(group: str, name: str) -> Owner | None:
    """Return whose a name is, or None where that is not known.

    Args:
        group: what it is the name of: "header" (as #include has it), "symbol" (as a linker
            prints it, without __imp_), "library" (a file's name or what stands behind -l), "dll".

    Raises:
        DiagnosisError: the data cannot be read.
    """
    if group == "symbol":
        return _owner_of_symbol(name)
    if group == "header":
        path = name.replace("\\", "/").removeprefix("./")
        key = _by_hand(group, path) or _from_table("headers", *_header_keys(path))
        return _owner(key) if key else None
    stem = _FILE.sub("", re.split(r"[\\/]", name)[-1])
    key = _by_hand(group, stem)
    if key is None and _line("functions", f"\n{stem.lower()}.lib\t"):
        key = _WINDOWS
    key = key or _from_table("libraries", *_library_keys(stem))
    return _owner(key) if key else None


def library(group: str, name: str) -> str | None:
    """Return the library that would have a header or a function, in one word.

    Args:
        group: "header" or "symbol", as for `owner`.

    Returns:
        an import library of Windows ("ws2_32.lib"), or the name of a library's source in Debian
        ("zlib"); None for what belongs to a compiler, a system or a Python, or is not known.

    Raises:
        DiagnosisError: the data cannot be read.
    """
    if group == "symbol":
        windows = _from_table("functions", name)
        if windows:
            return None if windows in ("ucrt.lib", "vcruntime.lib") else windows
        key = _by_hand(group, name)
    else:
        path = name.replace("\\", "/").removeprefix("./")
        key = _by_hand(group, path) or _from_table("headers", *_header_keys(path))
    return None if key is None or "remedy" in _owners().get(key, {}) else key


def _owner_of_symbol(name: str) -> Owner | None:
    library = _from_table("functions", name)
    key = _by_hand("symbol", name)
    if library in ("ucrt.lib", "vcruntime.lib"):
        key = key or "msvc-runtime"
    elif library:
        stem = library[:-4]
        return Owner(
            f"Windows: {library} of the SDK",
            f'link {library}: libraries=["{stem}"] of the Extension in setup.py, or {library} in '
            f"LINK (MSVC); -l{stem} (zig, MinGW)",
        )
    return _owner(key) if key else None


def _owner(key: str) -> Owner:
    """The owner of a key of owners.yaml, or of a source package that Debian has."""
    if key not in _owners():
        return Owner(key, get=f"Look for {key} at conda-forge and vcpkg; {_WHEEL}")
    entry = _owners()[key]
    name = entry["name"]
    if "remedy" in entry:
        return Owner(name, " ".join(entry["remedy"].split()), "", entry.get("offer_found", True))
    ways = [command.format(entry[kind]) for kind, command in _COMMANDS.items() if kind in entry]
    if not ways:
        return Owner(name, get=f"{name} is at neither conda-forge nor vcpkg for Windows; {_WHEEL}")
    return Owner(name, get=f"Get {name} for Windows: {' or '.join(ways)}; {_WHEEL}")


def _by_hand(group: str, name: str) -> str | None:
    """The first entry of owners.yaml whose expression finds the whole name.

    Windows takes file names in any case, linkers do not symbols.
    """
    flags = 0 if group == "symbol" else re.IGNORECASE
    field = _FIELDS[group]
    for key, entry in _owners().items():
        if field in entry and re.fullmatch(entry[field].strip(), name, flags):
            return key
    return None


def _header_keys(path: str) -> list[str]:
    """The header itself, and the folder that it is asked for in: Eigen/Dense, Eigen/."""
    folder = path.partition("/")
    return [path, path.lower(), *([f"{folder[0]}/"] if folder[1] else [])]


def _library_keys(stem: str) -> list[str]:
    """libpng16_static, libpng16, png16, png: from the most exact."""
    stem = stem.lower()
    bare = stem.removeprefix("lib")
    plain = _VARIANT.sub("", bare)
    keys = [stem, bare, plain, *(key.rstrip("0123456789.-_") for key in (bare, plain))]
    return [key for key in dict.fromkeys(keys) if key]


def _from_table(table: str, *keys: str) -> str | None:
    """Who has the first of the keys that the table knows."""
    for key in keys:
        if found := _line(table, f" {key} "):
            return found
    return None


def _line(table: str, part: str) -> str | None:
    """The owner in front of the tab of the line in which the text is found."""
    text = _table(table)
    at = text.find(part)
    if at < 0:
        return None
    start = text.rfind("\n", 0, at + 1) + 1
    return text[start : text.index("\t", start)]


@cache
def _table(name: str) -> str:
    path = DATA / f"{name}.txt.gz"
    try:
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    except (OSError, EOFError) as error:
        raise DiagnosisError(f"{path} cannot be read ({error}): install dllwhy again") from error


@cache
def _owners() -> dict[str, dict[str, Any]]:
    path = DATA / "owners.yaml"
    try:
        entries = read_yaml(path)
    except OSError as error:
        raise DiagnosisError(f"{path} cannot be read ({error}): install dllwhy again") from error
    return dict(entries)
