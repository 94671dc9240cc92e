"""Where the staged prefixes have what a build log says is missing.

places_of("header", ["turbojpeg.h"], prefixes) -> {include folder: ["turbojpeg.h"]}
places_of("symbol", ["tjFree"], prefixes)      -> {import library: ["tjFree"]}

What is of another Python, another machine or another ABI than the log is never an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from dllwhy import pe
from dllwhy.errors import DiagnosisError
from dllwhy.logs.subject import Subject

# IMAGE_ARCHIVE_START, https://learn.microsoft.com/windows/win32/debug/pe-format#archive-library-file-format
_ARCHIVE = b"!<arch>\n"
_MEMBER_HEADER = 60
_ANY = Subject()


def places_of(
    group: str, names: Sequence[str], prefixes: Sequence[Path], about: Subject = _ANY
) -> dict[str, list[str]]:
    """Return where names are found in the prefixes.

    Args:
        group: what they are names of, one of `LOOKED_UP`: a symbol, header, library or DLL.
        prefixes: folders with include/, lib/ (or libs/) and bin/.
        about: what the log is of that asks for them.

    Returns:
        {file or folder: the names that it has}; without what is nowhere.

    Raises:
        DiagnosisError: a library there cannot be read.
    """
    prefixes = [prefix for prefix in prefixes if _fits(prefix, about)]
    places: dict[str, list[str]] = {}
    for name in names:
        for place in _FINDERS[group](name, prefixes, about):
            places.setdefault(str(place), []).append(name)
    return places


def _fits(prefix: Path, about: Subject) -> bool:
    """Whether a prefix is no Python, or the one that builds: this build's, of the same version."""
    versions = {
        match[1] for file in prefix.glob("python3*.dll")
        if (match := re.fullmatch(r"python(3\d+)\.dll", file.name, re.IGNORECASE))
    }  # fmt: skip
    return not versions or (about.here and (not about.python or about.python in versions))


def plain(name: str) -> str:
    """Return a symbol without the marks of an import from a DLL."""
    return name.strip().removeprefix("__declspec(dllimport) ").removeprefix("__imp_")


def _find_header(name: str, prefixes: Sequence[Path], about: Subject) -> Iterator[Path]:
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


def _find_library(name: str, prefixes: Sequence[Path], about: Subject) -> Iterator[Path]:
    """Libraries of this name, or of this name with another version number."""
    wanted = _stem(name)
    for file in _libraries(prefixes, about):
        if _stem(file.name) == wanted:
            yield file


def _stem(name: str) -> str:
    stem = re.split(r"[\\/]", name)[-1].lower()
    stem = re.sub(r"(\.dll)?\.(lib|a)$|\.dll$", "", stem).removeprefix("lib")
    if re.fullmatch(r"python\d+(_d|t)?", stem):
        return stem  # another number is another ABI
    return stem.rstrip("0123456789.-_") or stem


def _find_dll(name: str, prefixes: Sequence[Path], about: Subject) -> Iterator[Path]:
    wanted = re.split(r"[\\/]", name)[-1].lower()
    return (file for file in _dlls(prefixes) if file.name.lower() == wanted)


def _find_symbol(name: str, prefixes: Sequence[Path], about: Subject) -> Iterator[Path]:
    """The libraries that define a symbol; without any, the DLLs that export it.

    A C++ name may be mangled, by Microsoft's or the Itanium ABI, or in words: lld shows words.
    Microsoft's linker does not link DLLs, and a C runtime is never what is missing: an object that
    asks for another one's functions is of another compiler.
    """
    libraries = _libraries(prefixes, about)
    found = [file for file in libraries if _has(_archive_symbols(*_key(file)), name)]
    yield from found
    if not found and not about.msvc:
        for file in _dlls(prefixes):
            if not _is_runtime(file) and _has(pe.exports(file), name):
                yield file


def _is_runtime(dll: Path) -> bool:
    """Whether a DLL is of a C or C++ runtime of Microsoft."""
    return re.match(r"(msvc[rp]|vcruntime|ucrtbase|concrt|api-ms-)", dll.name.lower()) is not None


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


def _libraries(prefixes: Sequence[Path], about: Subject) -> list[Path]:
    """The libraries that the linker of the log can link: of its machine, and of its ABI.

    A .a file is of a compiler with the GNU ABI, whose helper functions MSVC does not have.
    """
    suffixes = (".lib",) if about.msvc else (".lib", ".a")
    return [
        file
        for prefix in prefixes
        for folder in (prefix / "lib", prefix / "libs")
        for file in sorted(folder.glob("*"))
        if file.suffix.lower() in suffixes
        and (not about.machine or _archive_machine(*_key(file)) in ("", about.machine))
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


@cache
def _archive_machine(path: Path, mtime_ns: int) -> str:
    """The machine of a library's first object: "x64", "x86", "arm64"; "" if that cannot be told.

    An object begins with its machine, the short entry of an import library with 0, 0xffff, a
    version and then its machine; linker members and long names are no objects.
    https://learn.microsoft.com/windows/win32/debug/pe-format#import-library-format
    """
    with path.open("rb") as stream:
        if stream.read(len(_ARCHIVE)) != _ARCHIVE:
            return ""
        while len(header := stream.read(_MEMBER_HEADER)) == _MEMBER_HEADER:
            size = header[48:58].strip()
            if not size.isdigit():
                return ""
            if not re.match(rb"/[ /\d]? ", header[:16]):
                start = stream.read(8)
                short = start[:4] == b"\0\0\xff\xff"
                return _MACHINES.get(start[6:8] if short else start[:2], "")
            stream.seek(int(size) + int(size) % 2, 1)  # members begin at even offsets
    return ""


_MACHINES = {b"\x64\x86": "x64", b"\x4c\x01": "x86", b"\x64\xaa": "arm64"}

_FINDERS = {
    "symbol": _find_symbol,
    "header": _find_header,
    "library": _find_library,
    "dll": _find_dll,
}

# What can be looked up.
LOOKED_UP = tuple(_FINDERS)
