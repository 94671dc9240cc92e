"""The values that the evaluator of `evaluate` works with.

What is known is an object of Python's own: text, numbers, lists, PureWindowsPath for a
pathlib.Path. Files are spelled as Windows spells them, on drive Z: where this system has no
drives, so that the path functions of the sources mean what they mean there.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Any

from dllwhy.search import find

Scope = dict[str, Any]


@dataclass(frozen=True)
class Unknown:
    """A value that cannot be known without running the program, and what it depends on."""

    why: str


@dataclass(frozen=True)
class Name:
    """Something of the standard library, or of ctypes' making, by its dotted name."""

    dotted: str


@dataclass(frozen=True)
class Handle:
    """What os.add_dll_directory returns."""

    folder: Path


@dataclass(eq=False, repr=False)
class Stack:
    """A contextlib.ExitStack, with what it closes."""

    handles: list[Any] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class Module:
    """A module of a package; one that was not evaluated has nothing but its place."""

    name: str
    file: Path | None
    folders: tuple[Path, ...] = ()  # of a package
    names: Scope = field(default_factory=dict)
    evaluated: bool = False


@dataclass(eq=False, repr=False)
class Class:
    """A class of a source file, or an object of it."""

    name: str
    names: Scope


@dataclass(frozen=True, eq=False, repr=False)
class Function:
    """A function, lambda or method of a source file, with the scopes that it sees.

    Attributes:
        bound: the object that a method belongs to, its first argument.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: Module
    scopes: tuple[Scope, ...]
    bound: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """Its name, for people."""
        return getattr(self.node, "name", "lambda")

    @cached_property
    def yields(self) -> bool:
        """Whether it is a generator."""
        if isinstance(self.node, ast.Lambda):
            return False
        return any(
            isinstance(node, ast.Yield) for part in self.node.body for node in ast.walk(part)
        )

    @property
    def is_static(self) -> bool:
        """Whether it is a method that is given no object."""
        decorators = getattr(self.node, "decorator_list", ())
        return any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in decorators)


@dataclass(repr=False)
class Frame:
    """Where the evaluator is: a module, or a function that was called.

    Attributes:
        scopes: the local names, then those of the functions around.
        maybe: what may have been returned already, in a branch that may not have been taken.
        on_yield: what to do at a `yield`.
        outer: names that a `global` or `nonlocal` statement takes from around.
    """

    module: Module
    scopes: tuple[Scope, ...]
    maybe: list[Any] = field(default_factory=list)
    on_yield: Callable[[Any], None] | None = None
    outer: set[str] = field(default_factory=set)

    def bind(self, name: str, value: Any) -> None:
        """Give a name a value, where the name belongs to."""
        scope = self.scopes[0]
        if name in self.outer:
            around = (*self.scopes[1:], self.module.names)
            scope = next((other for other in around if name in other), self.module.names)
        scope[name] = value


class Raised(Exception):  # noqa: N818 - an event in the evaluated program, no error here
    """The evaluated program raises an exception of this type."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


def doubt(*values: Any) -> str | None:
    """Return why one of `values`, or of what they hold, is not known; None if all are."""
    for value in values:
        if isinstance(value, Unknown):
            return value.why
        if isinstance(value, Name):
            return value.dotted
        if isinstance(value, (list, tuple, set)) and (why := doubt(*value)):
            return why
        if isinstance(value, dict) and (why := doubt(*value, *value.values())):
            return why
    return None


def truth(value: Any) -> bool | None:
    """Return whether `value` counts as true; None if it is not known."""
    if isinstance(value, (Unknown, Name)):
        return None
    if isinstance(value, (Module, Function, Class, Handle, Stack)):
        return True
    return bool(value)


def for_windows(path: Path) -> str:
    """Return the path as a program on Windows sees it."""
    return str(path) if os.name == "nt" else "Z:" + str(path).replace("/", "\\")


def for_host(path: str | PureWindowsPath) -> Path | None:
    """Return the file or folder that a program on Windows means; None for a relative path."""
    windows_path = PureWindowsPath(os.fspath(path))
    if not windows_path.is_absolute():
        return None
    if os.name == "nt":
        return Path(os.path.normpath(windows_path))
    result = Path("/")
    for part in windows_path.parts[1:]:
        if part == "..":
            result = result.parent
        elif part != ".":
            direct = result / part
            result = direct if direct.exists() else find(result, part) or direct
    return result
