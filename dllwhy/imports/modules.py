"""Where Python finds a module of an environment, and whether its source counts for DLLs."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dllwhy.flavour import Environment
from dllwhy.search import listing

# What a source mentions that may change where DLLs come from.
_MENTIONS = re.compile(
    rb"add_dll_directory|AddDllDirectory|SetDllDirectory|LoadLibrary|dlopen|\b(?:Py|C|Win|Ole)DLL\b"
    rb"|\bcdll\b|\bwindll\b|environ\[[\"']PATH"
)
# One of these is in whatever _MENTIONS finds. Looking for plain bytes is a hundred times as fast,
# and an environment has a hundred megabytes of sources.
_PARTS = (b"DllDirectory", b"dll_directory", b"LoadLibrary", b"dlopen", b"DLL", b"dll", b"environ[")
# "import a.b as c, d"; "from .a import b, c" with its names in brackets or on one line
_IMPORTS = re.compile(
    rb"^[ \t]*(?:import[ \t]+([^\n#;]+)|from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]+))",
    re.MULTILINE,
)
_UNRELATED = {"tests", "test", "testing", "__pycache__", "docs", "examples", "benchmarks"}
_STANDARD = frozenset(
    getattr(sys, "stdlib_module_names", None)  # Python >= 3.10
    or {*sys.builtin_module_names, *(path.stem for path in Path(os.__file__).parent.iterdir())}
)


@dataclass(frozen=True)
class Found:
    """Where a module is: a source, an extension module, or a package's folder."""

    file: Path | None
    folders: tuple[Path, ...] = ()


def is_standard(name: str) -> bool:
    """Say whether a module belongs to Python itself."""
    return name.partition(".")[0] in _STANDARD


def is_for(file: Path, environment: Environment) -> bool:
    """Say whether the Python of `environment` takes an extension module of that name.

    The tags are those of importlib.machinery.EXTENSION_SUFFIXES on Windows: ".cp311-win_amd64.pyd"
    and ".pyd" (https://peps.python.org/pep-3149/; Python/dynload_win.c).
    """
    tag = re.search(r"\.((?:cp|pp|cpython-)\d[^.]*)\.pyd$", file.name.lower())
    if tag is None:
        return True
    platform = {"x64": "win_amd64", "x86": "win32", "arm64": "win_arm64"}
    return tag[1] == f"cp{environment.abi.removesuffix('_d')}-{platform.get(environment.machine)}"


def locate(name: str, folders: tuple[Path, ...], environment: Environment) -> Found | None:
    """Find the module `name` (without dots) in `folders`, in the order of Python's finder.

    A package, then an extension module, then a source; a folder alone is a namespace package.
    """
    spaces = []
    for folder in folders:
        package = folder / name
        names = _names(folder)
        if name in names and (package / "__init__.py").is_file():
            return Found(package / "__init__.py", (package,))
        if name in names and (inside := _extension("__init__", package, environment)):
            return Found(inside, (package,))
        if extension := _extension(name, folder, environment):
            return Found(extension)
        if f"{name}.py" in names:
            return Found(folder / f"{name}.py")
        if name in names and package.is_dir():
            spaces.append(package)
    return Found(None, tuple(spaces)) if spaces else None


def _extension(name: str, folder: Path, environment: Environment) -> Path | None:
    for file in sorted(_names(folder)):
        is_named_so = file.startswith(f"{name}.") and file.lower().endswith(".pyd")
        if is_named_so and file.count(".") < 3 and is_for(Path(file), environment):
            return folder / file
    return None


def _names(folder: Path) -> frozenset[str]:
    return frozenset(listing(folder).values())


def import_folders(environment: Environment) -> tuple[Path, ...]:
    """Return where modules are imported from: site-packages, and what .pth files add to it.

    https://docs.python.org/3/library/site.html
    """
    folders = list(environment.site_folders)
    for folder in environment.site_folders:
        for line in pth_lines(folder):
            inside = folder / line.replace("\\", "/")
            if not line.startswith(("import ", "import\t", "#")) and inside.is_dir():
                folders.append(inside)
    return tuple(folders)


def startup_modules(environment: Environment) -> tuple[str, ...]:
    """Return the modules that .pth files import whenever Python starts (pywin32 has one)."""
    lines = (line for folder in environment.site_folders for line in pth_lines(folder))
    found = (re.fullmatch(r"import[ \t]+([\w.]+)", line) for line in lines)
    return tuple(match[1] for match in found if match)


def pth_lines(folder: Path) -> list[str]:
    """Return the lines of the .pth files in a folder."""
    files = sorted(name for name in _names(folder) if name.endswith(".pth"))
    texts = (_read(folder / name).decode("utf-8", "replace") for name in files)
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]


def shown(file: Path, environment: Environment) -> str:
    """Return a source's path for people: without site-packages in front, with slashes."""
    for folder in environment.site_folders:
        if folder in file.parents:
            return file.relative_to(folder).as_posix()
    return str(file)


@cache
def relevant(package: Path, *, removes: int = sys.maxsize) -> frozenset[Path]:
    """Return the sources of a top-level package or module that count for the DLL search.

    These are the ones that mention it, and those that import one of them, at up to `removes`
    removes. One source too many costs time only.
    """
    texts = {file: _read(file) for file in _sources(package)}
    counting = {file for file, text in texts.items() if _mentions(text)}
    if not counting:
        return frozenset()
    names = {file: _dotted(file, package) for file in texts}
    imported = {file: _imported(text, names[file], file) for file, text in texts.items()}
    new = set(counting)
    while new and removes:
        removes -= 1
        # A package's own __init__ runs whichever of its modules is asked for.
        wanted = {names[file] for file in new if file != package / "__init__.py"}
        new = {
            file for file, inside in imported.items() if file not in counting and inside & wanted
        }
        counting |= new
    return frozenset(counting)


def counts(package: Path, inner: Sequence[str]) -> bool:
    """Say whether the source of a package inside `package` counts for the DLL search."""
    return package.joinpath(*inner, "__init__.py") in relevant(package)


@cache
def parsed(file: Path) -> ast.Module | None:
    """Return the syntax tree of a source; None if it has none."""
    try:
        return ast.parse(_read(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@cache
def mentions(file: Path) -> bool:
    """Say whether a source mentions anything that may change where DLLs come from."""
    return _mentions(_read(file))


def _mentions(text: bytes) -> bool:
    return any(part in text for part in _PARTS) and _MENTIONS.search(text) is not None


def adding(tree: ast.Module) -> list[tuple[int, str]]:
    """Return the functions of a source that add folders: line and name; of the module itself ""."""
    found: set[tuple[int, str]] = set()
    queue: list[tuple[ast.AST, tuple[int, str]]] = [(tree, (0, ""))]
    for node, owner in queue:  # grows meanwhile
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            owner = (node.lineno, node.name)
        name = node.func if isinstance(node, ast.Call) else None
        called = getattr(name, "attr", getattr(name, "id", ""))
        if called in ("add_dll_directory", "AddDllDirectory", "SetDllDirectoryW"):
            found.add(owner)
        queue += [(child, owner) for child in ast.iter_child_nodes(node)]
    return sorted(found)


def imported_tops(package: Path) -> dict[str, str]:
    """Return the other packages that the sources of a package import: {name: source}."""
    own = package.stem
    found: dict[str, str] = {}
    for file in _sources(package):
        for name in sorted(_imported(_read(file), _dotted(file, package), file)):
            top = name.partition(".")[0]
            if top != own and not is_standard(top):
                found.setdefault(top, file.relative_to(package.parent).as_posix())
    return found


def _dotted(file: Path, package: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(text: bytes, name: str, file: Path) -> set[str]:
    """The names that import statements of a source may mean, functions' own included."""
    package = name.split(".") if file.stem == "__init__" else name.split(".")[:-1]
    found = set()
    for match in _IMPORTS.finditer(text):
        plain, base, members = (group.decode("utf-8", "replace") if group else ""
                                for group in match.groups())  # fmt: skip
        if plain:
            found |= {part.split()[0] for part in plain.split(",") if part.split()}
            continue
        level = len(base) - len(base.lstrip("."))
        parts = [*package[: len(package) - level + 1], base.lstrip(".")] if level else [base]
        source = ".".join(part for part in parts if part)
        words = [part.split()[0] for part in members.strip("()").split(",") if part.split()]
        found |= {source, *(f"{source}.{word}" for word in words)}
    # `import a.b` runs a, and `a.b.c` may be a name in a.b.
    return found


def _sources(package: Path) -> list[Path]:
    if package.is_file():
        return [package]
    result = []
    for parent, folders, names in os.walk(package):
        folders[:] = sorted(name for name in folders if name not in _UNRELATED)
        result += [Path(parent, name) for name in sorted(names) if name.endswith(".py")]
    return result


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.is_file() else b""
    except OSError:
        return b""
