"""What a source says of its build: back end and requirements (PEP 517, PEP 518), and what it omits.

A setup.py that imports numpy, Cython or pybind11 without naming them was written for `pip install`
beside them. In an isolated build they are missing; they are added, and it is said.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import BuildError

# https://peps.python.org/pep-0517/#source-trees, "If the pyproject.toml file is absent"
LEGACY = "setuptools.build_meta:__legacy__"
AS_PROGRAM = "setup.py"  # not PEP 517: python setup.py bdist_wheel
LEGACY_REQUIRES = ("setuptools", "wheel")

# A module of a setup.py -> the requirement that brings it.
BROUGHT_BY = {
    "Cython": "Cython",
    "cffi": "cffi",
    "cmake": "cmake",
    "cmake_build_extension": "cmake-build-extension",
    "cppy": "cppy",
    "extension_helpers": "extension-helpers",
    "jinja2": "jinja2",
    "nanobind": "nanobind",
    "numpy": "numpy",
    "packaging": "packaging",
    "pkgconfig": "pkgconfig",
    "pybind11": "pybind11",
    "setuptools_scm": "setuptools-scm",
    "skbuild": "scikit-build",
}
# Cython says the second where numpy is not there.
_MISSING = re.compile(r"No module named '(\w+)|(numpy)\.core\.multiarray failed to import")
# What compiles Rust; without a compiler for it some of them download one while they build.
_OF_RUST = {"maturin", "setuptools-rust"}
# The last setuptools with pkg_resources: https://setuptools.pypa.io/en/latest/history.html, v82
PKG_RESOURCES = "setuptools<81"


@dataclass(frozen=True)
class BackEnd:
    """How a source wants to be built.

    Args:
        name: "module:object", as in [build-system].
        path: folders of the source that are in front of sys.path (backend-path).
        requires: the requirements that it names.
        added: those that it needs and does not name -> why.
    """

    name: str
    path: tuple[str, ...]
    requires: tuple[str, ...]
    added: dict[str, str]


def read(tree: Path, extra: tuple[str, ...] = ()) -> BackEnd:
    """Read a source's [build-system].

    Args:
        extra: requirements that the user adds.

    Raises:
        BuildError: pyproject.toml is no TOML, or says what PEP 518 does not allow.
    """
    file = tree / "pyproject.toml"
    system: dict[str, Any] = {}
    if file.is_file():
        try:
            system = tomllib.loads(file.read_text(encoding="utf-8")).get("build-system", {})
        except (ValueError, UnicodeDecodeError) as error:
            raise BuildError(f"pyproject.toml of the source cannot be read: {error}") from error
    requires = system.get("requires", list(LEGACY_REQUIRES))
    name = system.get("build-backend", LEGACY)
    if not isinstance(requires, list) or not isinstance(name, str):
        raise BuildError("pyproject.toml of the source: [build-system] is not as PEP 518 wants it")
    added = dict.fromkeys(extra, "asked for with --requires or in the recipe")
    if name.startswith("setuptools."):
        named = {normal(r) for r in (*requires, *extra)}
        added |= _omitted(tree, named)
        added |= _programs(tree, named | {normal(r) for r in added})
    return BackEnd(name, tuple(system.get("backend-path", ())), tuple(requires), added)


def rust(back_end: BackEnd) -> str:
    """What of a back end compiles Rust; "" where nothing does."""
    names = [normal(requirement) for requirement in back_end.requires]
    names.append(normal(back_end.name.partition(":")[0].partition(".")[0]))
    return next((name for name in names if name in _OF_RUST), "")


def providers(errors: Iterable[str]) -> list[str]:
    """The requirements that bring the modules which are missing, as far as they are known."""
    known = {**BROUGHT_BY, "pkg_resources": PKG_RESOURCES}
    missing = {m[1] or m[2] for error in errors for m in _MISSING.finditer(error)}
    return sorted(known[module] for module in missing if module in known)


def normal(requirement: str) -> str:
    """The name in a requirement, as all spellings of it are compared (PEP 503)."""
    name = re.split(r"[\s\[<>=!~;@(]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _omitted(tree: Path, named: set[str]) -> dict[str, str]:
    """What setup.py imports and no requirement brings."""
    found: dict[str, str] = {}
    modules = _imports(tree / "setup.py")
    for module, requirement in BROUGHT_BY.items():
        local = (tree / module).exists() or (tree / f"{module}.py").exists()
        if module in modules and not local and normal(requirement) not in named:
            found[requirement] = f"setup.py imports {module}, and nothing names it"
    if "pkg_resources" in modules:
        found[PKG_RESOURCES] = "setup.py imports pkg_resources, which newer ones lack"
    return found


def _programs(tree: Path, named: set[str]) -> dict[str, str]:
    """What setup.py calls by its name, and what that needs, where no requirement brings it."""
    file = tree / "setup.py"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    found: dict[str, str] = {}
    calls = "cmake" in named or re.search(r"""["']cmake["' ]""", text) is not None
    if calls and "cmake" not in named:
        found["cmake"] = "setup.py calls it, and nothing names it"
    if "swig" not in named and re.search(r"""\bswig|\w\.i["']""", text):
        found["swig"] = "setup.py has it translate interfaces, and nothing names it"
    if calls and "ninja" not in named:
        found["ninja"] = "CMake builds with it here"
    return found


def _imports(file: Path) -> set[str]:
    """Top-level modules that a Python file imports anywhere; of Python 2's files, by their text."""
    if not file.is_file():
        return set()
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        parsed = ast.parse(text)
    except SyntaxError:
        return set(re.findall(r"^\s*(?:import|from)\s+(\w+)", text, re.MULTILINE))
    names: list[str] = []
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names
