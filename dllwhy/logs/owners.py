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
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from dllwhy.errors import DiagnosisError

DATA = Path(__file__).resolve().parents[1] / "data" / "owners"

# The key of owners.yaml for what comes with Windows' SDK and with MSVC.
_WINDOWS = "windows"
_FIELDS = {"header": "headers", "symbol": "symbols", "library": "libraries", "dll": "libraries"}
# MSVC's and MinGW's file names of a library, without what stands for static, debug or import.
_FILE = re.compile(r"(?:\.dll)?\.(?:lib|a|dll|so)$", re.IGNORECASE)
_VARIANT = re.compile(r"(?:[-_]?(?:static|shared|dll|imp|[imad]))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Owner:
    """Whose something is.

    Attributes:
        name: of the library, for people.
        remedy: what to do where it is missing on Windows.
    """

    name: str
    remedy: str


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
        return _owner(key, "header") if key else None
    stem = _FILE.sub("", re.split(r"[\\/]", name)[-1])
    key = _by_hand(group, stem)
    if key is None and _line("functions", f"\n{stem.lower()}.lib\t"):
        key = _WINDOWS
    key = key or _from_table("libraries", *_library_keys(stem))
    return _owner(key, "library") if key else None


def _owner_of_symbol(name: str) -> Owner | None:
    library = _from_table("functions", name)
    key = _by_hand("symbol", name)
    if library in ("ucrt.lib", "vcruntime.lib"):
        key = key or "msvc-runtime"
    elif library:
        return Owner(
            f"Windows: {library} of the SDK",
            f'link {library}: libraries=["{library[:-4]}"] of the Extension in setup.py, or in LINK '
            f"(MSVC); -l{library[:-4]} (zig, MinGW)",
        )
    return _owner(key, "library") if key else None


def _owner(key: str, what: str) -> Owner:
    """The owner of a key of owners.yaml, or of a source package that Debian has."""
    entry = _owners().get(key, {"name": key})
    name = entry["name"]
    if "remedy" in entry:
        return Owner(name, " ".join(entry["remedy"].split()))
    ways = [
        command.format(entry[kind])
        for kind, command in (
            ("conda", "conda install -c conda-forge {}"),
            ("vcpkg", "vcpkg install {}:x64-windows"),
            ("pypi", "pip install {}"),
        )
        if kind in entry
    ]
    if not ways:
        known = "no package of it for Windows is known here" if key in _owners() else (
            "look for it at conda-forge and vcpkg"
        )  # fmt: skip
        return Owner(
            name,
            f"get {name} for Windows ({known}), or a wheel of the package that is built "
            "(pip download --only-binary :all: NAME); without either, build in WSL",
        )
    then = (
        r"then name its include folder (conda: %CONDA_PREFIX%\Library\include) in INCLUDE (MSVC), "
        "or with -I in CC and CXX (zig)"
        if what == "header"
        else r"then name its import library in LINK and its folder (conda: "
        r"%CONDA_PREFIX%\Library\lib) in LIB (MSVC), or the file in LDSHARED and LDCXXSHARED (zig)"
    )
    return Owner(
        name,
        f"get {name} for Windows: {' or '.join(ways)}; {then}. Where the package has a wheel for "
        "this Python (pip download --only-binary :all: NAME), that needs none of it",
    )


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


@lru_cache(maxsize=None)
def _table(name: str) -> str:
    path = DATA / f"{name}.txt.gz"
    try:
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    except (OSError, EOFError) as error:
        raise DiagnosisError(f"{path} cannot be read ({error}): install dllwhy again") from error


@lru_cache(maxsize=None)
def _owners() -> dict[str, dict[str, Any]]:
    path = DATA / "owners.yaml"
    # libyaml reads it in a tenth of the time; not every PyYAML is built with it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except OSError as error:
        raise DiagnosisError(f"{path} cannot be read ({error}): install dllwhy again") from error
    return dict(entries)
