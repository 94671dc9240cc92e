"""What a source tells of what its build on Windows will want, before anything is compiled.

tree -> headers that are neither in it nor in Windows, import libraries that setup.py names
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\r\n]+)[>"]', re.MULTILINE)
_SOURCES = {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx"}
# What is in a source and is no part of its module.
_OTHER = re.compile(r"(?i)^(tests?|testing|examples?|docs?|benchmarks?|fuzz\w*|contrib|tools)$")
# What zig has of Windows, of C++ and of its compiler; and of other systems.
WINDOWS = ("libc/include/any-windows-any", "libcxx/include", "include", "libc/mingw/include")
OTHERS = tuple(
    f"libc/include/{name}"
    for name in ("any-linux-any", "generic-glibc", "generic-freebsd", "generic-netbsd")
)
# What compilers bring, and zig does not: Microsoft's own, OpenMP's.
_OF_COMPILERS = {"omp.h", "vcruntime.h"}


def headers_in(folders: Iterable[Path]) -> set[str]:
    """The headers below folders that a compiler searches, in lower case."""
    return {
        path.relative_to(folder).as_posix().lower()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def system_libraries(library: Path) -> set[str]:
    """The import libraries that zig has for Windows, in lower case."""
    folder = library / "libc" / "mingw"
    files = [*folder.glob("lib-common/*.def*"), *folder.glob("lib64/*.def*")]
    return {re.sub(r"\.def(\.in)?$", "", path.name).lower() for path in files}


def missing_headers(tree: Path, known: set[str], brought: Iterable[str]) -> dict[str, str]:
    """Headers that a source includes and nothing brings -> the file that includes each first.

    A header that is wanted on another system only is among them: no condition is evaluated.

    Args:
        known: the system's, in lower case.
        brought: packages whose folder of headers has their name: numpy/arrayobject.h.
    """
    files = list(_files(tree))
    own = {name for file in files for name in _tails(file.relative_to(tree).as_posix().lower())}
    own |= {f"{package.lower()}/" for package in brought}
    found: dict[str, str] = {}
    for file in files:
        for match in _INCLUDE.finditer(file.read_bytes()):
            name = match[1].decode("utf-8", "replace").strip().replace("\\", "/")
            low = re.sub(r"^(\.\.?/)+", "", name.lower())
            first = f"{low.partition('/')[0]}/"
            if low not in known and not {low, first} & own and low not in _OF_COMPILERS:
                found.setdefault(name, file.relative_to(tree).as_posix())
    return dict(sorted(found.items()))


def _files(tree: Path) -> Iterator[Path]:
    for path in sorted(tree.rglob("*")):
        folders = path.relative_to(tree).parts[:-1]
        is_source = path.suffix.lower() in _SOURCES and path.is_file()
        if is_source and not any(map(_OTHER.match, folders)):
            yield path


def _tails(name: str) -> Iterator[str]:
    """a/b/c.h, b/c.h, c.h: by which of them it is included depends on the search path."""
    parts = name.split("/")
    return ("/".join(parts[i:]) for i in range(len(parts)))


def top_level(tree: Path) -> str | None:
    """The module that an sdist of setuptools says that it holds."""
    for file in sorted(tree.glob("**/*.egg-info/top_level.txt")):
        names = file.read_text(encoding="utf-8", errors="replace").split()
        if names := [name for name in names if not name.startswith("_")] or names:
            return names[0]
    return None


def named_libraries(setup: Path) -> list[str]:
    """What a setup.py names as `libraries` of an extension, on whatever system."""
    try:
        parsed = ast.parse(setup.read_text(encoding="utf-8", errors="replace"))
    except (OSError, SyntaxError):
        return []
    lists = [
        node.value
        for node in ast.walk(parsed)
        if isinstance(node, ast.keyword) and node.arg == "libraries"
    ]
    return sorted(
        {
            word.value
            for given in lists
            for word in ast.walk(given)
            if isinstance(word, ast.Constant) and isinstance(word.value, str)
        }
    )
