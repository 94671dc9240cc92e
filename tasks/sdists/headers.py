"""Windows' headers under the names that sources give them: <Windows.h> is windows.h on Linux."""

import re
from collections.abc import Mapping
from pathlib import Path

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\r\n]+)[>"]', re.MULTILINE)
# Microsoft's compiler has _xgetbv without an option, by which a source asks what of the processor
# the system keeps; clang's is a macro that wants -mxsave. That option for every file would tell
# sources (__XSAVE__) that every processor has it. Here the one function has it.
_XSAVE = """\
#include_next <xsaveintrin.h>
#if !defined __XSAVE__ && defined _xgetbv
static __inline__ __attribute__((__target__("xsave"), __unused__)) unsigned long long
__xgetbv_anywhere(unsigned int number) { return __builtin_ia32_xgetbv(number); }
#undef _xgetbv
#define _xgetbv(number) __xgetbv_anywhere(number)
#endif
"""
# What Unix has and Windows not, and is the compiler's own.
_BYTESWAP = """\
#define bswap_16(x) __builtin_bswap16(x)
#define bswap_32(x) __builtin_bswap32(x)
#define bswap_64(x) __builtin_bswap64(x)
"""
_SOURCES = {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".inc", ".inl", ".pyx",
            ".pxd", ".ipp", ".tcc"}  # fmt: skip


def write_drives(folder: Path, drives: Mapping[str, Path]) -> None:
    """Let #include "Z:/src/a.cpp", as CMake writes it on Windows, find the file on the host.

    Args:
        folder: a folder of headers that the compiler is given.
        drives: letter -> the host's folder.
    """
    for letter, place in drives.items():
        for name in (f"{letter.upper()}:", f"{letter.lower()}:"):
            (folder / name).symlink_to(place, target_is_directory=True)


def write_of_unix(folder: Path) -> None:
    """Write the headers of Unix of which nothing but the compiler is asked.

    Args:
        folder: for -idirafter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "byteswap.h").write_text(_BYTESWAP, encoding="ascii")


def write_of_microsoft(folder: Path) -> None:
    """Write headers that stand before the compiler's own, and give what Microsoft's have.

    Args:
        folder: for -I. After -isystem zig's own folder comes first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "xsaveintrin.h").write_text(_XSAVE, encoding="ascii")


def write_other_spellings(tree: Path, windows_headers: Path, folder: Path) -> list[str]:
    """Write a header for each spelling with capitals that a source uses and the system has not.

    Args:
        tree: the source.
        windows_headers: the folder of the system's headers, whose names are in lower case.
        folder: where the headers go, each of which includes the real one.

    Returns:
        the spellings.
    """
    names = {path.name for path in windows_headers.iterdir()}
    lower = {name.lower(): name for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    found = set()
    for source in tree.rglob("*"):
        if source.suffix.lower() not in _SOURCES or not source.is_file():
            continue
        for match in _INCLUDE.finditer(source.read_bytes()):
            name = match[1].decode("utf-8", "replace")
            if "/" not in name and name not in names and name.lower() in lower:
                found.add(name)
    for name in found:
        text = f"#include <{lower[name.lower()]}>\n"
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(found)
