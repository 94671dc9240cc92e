"""Where the staged prefixes have what a build log says is missing.

places_of("header", ["turbojpeg.h"], prefixes) -> {include folder: ["turbojpeg.h"]}
places_of("symbol", ["tjFree"], prefixes)      -> {import library: ["tjFree"]}
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from dllwhy import pe
from dllwhy.errors import DiagnosisError

# IMAGE_ARCHIVE_START, https://learn.microsoft.com/windows/win32/debug/pe-format#archive-library-file-format
_ARCHIVE = b"!<arch>\n"
_MEMBER_HEADER = 60


def places_of(group: str, names: Sequence[str], prefixes: Sequence[Path]) -> dict[str, list[str]]:
    """Return where names are found in the prefixes.

    Args:
        group: what they are names of, one of `LOOKED_UP`: a symbol, header, library or DLL.
        prefixes: folders with include/, lib/ (or libs/) and bin/.

    Returns:
        {file or folder: the names that it has}; without what is nowhere.

    Raises:
        DiagnosisError: a library there cannot be read.
    """
    places: dict[str, list[str]] = {}
    for name in names:
        for place in _FINDERS[group](name, prefixes):
            places.setdefault(str(place), []).append(name)
    return places


def plain(name: str) -> str:
    """Return a symbol without the marks of an import from a DLL."""
    return name.strip().removeprefix("__declspec(dllimport) ").removeprefix("__imp_")


def _find_header(name: str, prefixes: Sequence[Path]) -> Iterator[Path]:
    """The include folders under which a header is found by the name that was asked for."""
    wanted = tuple(part.lower() for part in re.split(r"[\\/]", name) if part not in ("", "."))
    if not wanted or ".." in wanted:
        return
    for prefix in prefixes:
        for file in (prefix / "include").rglob("*"):
            parts = file.parts[-len(wanted) :]
            if file.name.lower() == wanted[-1] and tuple(p.lower() for p in parts) == wanted:
                yield file.parents[len(wanted) - 1]
                break


def _find_library(name: str, prefixes: Sequence[Path]) -> Iterator[Path]:
    """Libraries of this name, or of this name with another version number."""
    wanted = _stem(name)
    for file in _libraries(prefixes):
        if _stem(file.name) == wanted:
            yield file


def _stem(name: str) -> str:
    stem = re.split(r"[\\/]", name)[-1].lower()
    stem = re.sub(r"(\.dll)?\.(lib|a)$|\.dll$", "", stem).removeprefix("lib")
    return stem.rstrip("0123456789.-_") or stem


def _find_dll(name: str, prefixes: Sequence[Path]) -> Iterator[Path]:
    wanted = re.split(r"[\\/]", name)[-1].lower()
    return (file for file in _dlls(prefixes) if file.name.lower() == wanted)


def _find_symbol(name: str, prefixes: Sequence[Path]) -> Iterator[Path]:
    """The libraries that define a symbol; without any, the DLLs that export it.

    A C++ name may be mangled, by Microsoft's or the Itanium ABI, or in words: lld shows words.
    """
    found = [file for file in _libraries(prefixes) if _has(_archive_symbols(*_key(file)), name)]
    yield from found or (file for file in _dlls(prefixes) if _has(pe.exports(file), name))


def _has(symbols: frozenset[str], name: str) -> bool:
    if name in symbols:
        return True
    encoded = _itanium(name)
    return bool(encoded) and any(encoded in s for s in symbols if s.startswith("_Z"))


def _itanium(name: str) -> str:
    """The part of a mangled C++ name that says its scopes and identifier; "" for a C name.

    "cv::Mat::~Mat()" -> "2cv3MatD". Overloads are not told apart: all are in one library.
    https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling
    """
    words = name.split("(")[0].split()
    scopes = words[-1].split("::") if words else []
    if len(scopes) < 2 or not all(re.fullmatch(r"~?\w+", scope) for scope in scopes):
        return ""
    *outer, last = scopes
    if last.lstrip("~") == outer[-1]:
        last = "D" if last.startswith("~") else "C"
    else:
        last = f"{len(last)}{last}"
    return "".join(f"{len(scope)}{scope}" for scope in outer) + last


def _libraries(prefixes: Sequence[Path]) -> list[Path]:
    return [
        file
        for prefix in prefixes
        for folder in (prefix / "lib", prefix / "libs")
        for file in sorted(folder.glob("*"))
        if file.suffix.lower() in (".lib", ".a")
    ]


def _dlls(prefixes: Sequence[Path]) -> list[Path]:
    return [
        file
        for prefix in prefixes
        for folder in (prefix / "bin", prefix)
        for file in sorted(folder.glob("*"))
        if file.suffix.lower() == ".dll"
    ]


def _key(path: Path) -> tuple[Path, int]:
    return path, path.stat().st_mtime_ns


@cache
def _archive_symbols(path: Path, mtime_ns: int) -> frozenset[str]:
    """The symbols of a static or import library, from its first linker member.

    Layout (PE/COFF specification, "First Linker Member"): signature, member header of 60 bytes
    with the name "/", number of symbols and their member offsets as big-endian 32-bit numbers,
    then the names, each ended by a zero.
    https://learn.microsoft.com/windows/win32/debug/pe-format#first-linker-member
    """
    try:
        with path.open("rb") as stream:
            header = stream.read(len(_ARCHIVE) + _MEMBER_HEADER)
            if not header.startswith(_ARCHIVE) or header[8:24].strip() != b"/":
                return frozenset()
            member = stream.read(int(header[56:66]))
    except (OSError, ValueError) as error:
        raise DiagnosisError(f"{path} cannot be read as a library: {error}") from error
    count = int.from_bytes(member[:4], "big")
    names = member[4 + 4 * count :].split(b"\0")[:count]
    return frozenset(plain(name.decode("utf-8", "replace")) for name in names)


_FINDERS = {
    "symbol": _find_symbol,
    "header": _find_header,
    "library": _find_library,
    "dll": _find_dll,
}

# What can be looked up.
LOOKED_UP = tuple(_FINDERS)
