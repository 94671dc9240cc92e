"""A small evaluator of Python sources: what an import does for the DLL search.

    Evaluator(environment).load("package.module")   -> .events, in order

It follows imports and calls as an import does, and knows paths, loops over lists, conditions on
the platform, and files of the environment. Nothing of the package is run. Where a condition is
not known both ways are followed, and what they do is in doubt; a value that is not known stays an
`Unknown`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dllwhy.flavour import Environment
from dllwhy.imports import effects, expressions, known, modules
from dllwhy.imports.events import Event, Kind
from dllwhy.imports.values import (
    Class,
    Frame,
    Function,
    Handle,
    Module,
    Name,
    Raised,
    Scope,
    Stack,
    Unknown,
    for_windows,
    truth,
)

_DEEPEST = 25  # imports and calls inside each other
_MODULES = 150  # sources; what is done for DLLs comes first, and torch has two thousand
_STEPS = 200_000  # statements; torch takes some thousands


class _Return(Exception):  # noqa: N818 - control flow of the evaluated program
    def __init__(self, value: Any):
        super().__init__()
        self.value = value


class _Leave(Exception):  # noqa: N818
    """`break` or `continue`."""

    def __init__(self, loop_ends: bool):
        super().__init__()
        self.loop_ends = loop_ends


class Evaluator:
    """Imports modules of an environment, one after the other, and keeps what counts for DLLs.

    Args:
        own: the top-level names that are asked about. Of other packages only what is near to the
            sources that mention DLLs is evaluated, which keeps an import of torch to a second.
    """

    def __init__(self, environment: Environment, own: Collection[str] = ()):
        self.environment = environment
        self.own = own
        self.events: list[Event] = []
        self.modules: dict[str, Module] = {}
        self.constants = known.constants(environment)
        self.path = [for_windows(folder) for folder in environment.path]
        self.folders = modules.import_folders(environment)
        self.added: list[Path] = []
        self.called: set[tuple[Path | None, int]] = set()  # functions: file and line
        self.name_errors = 0  # how many `try` around await a NameError
        self._doubts: list[str] = []
        self._depth = self._steps = self._blocks = self._sources = 0

    # Imports

    def load(self, name: str, importer: Frame | None = None, line: int = 0) -> Any:
        """Import the module `name`, with the packages that it is in.

        Raises:
            Raised: there is no such module, or the import ends with an exception.
        """
        if modules.is_standard(name):
            return Name({"ntpath": "os.path", "posixpath": "os.path"}.get(name, name))
        parent: Module | None = None
        full = ""
        for part in name.split("."):
            full = f"{full}.{part}" if full else part
            module = self.modules.get(full)
            if module is None:
                folders = parent.folders if parent else self.folders
                found = modules.locate(part, folders, self.environment)
                if found is None:
                    raise Raised("ModuleNotFoundError")
                module = Module(full, found.file, found.folders)
                self.modules[full] = module
                self._run(module, importer, line)
                if parent:
                    parent.names.setdefault(part, module)
            parent = module
        return parent

    def _run(self, module: Module, importer: Frame | None, line: int) -> None:
        if module.file and module.file.suffix.lower() == ".pyd":
            self.tell("import", module.file, importer, line)
        elif module.file and self._counts(module, importer):
            try:
                self.evaluate(module)
            except Raised:
                self.modules.pop(module.name, None)
                raise

    def _counts(self, module: Module, importer: Frame | None) -> bool:
        if self._depth >= _DEEPEST or self._sources >= _MODULES:
            return False
        top = self.modules[module.name.partition(".")[0]]
        package = top.folders[0] if top.folders else top.file
        assert package and module.file, module.name
        if top.name not in self.own:
            return top is module or module.file in modules.relevant(package, removes=1)
        if "." not in module.name or module.file in modules.relevant(package):
            return True
        if importer is None or importer.module.name.partition(".")[0] != top.name:
            return False
        # Helpers of a source that counts; and all that is imported while a folder is open.
        source = importer.module.file
        return self._blocks > 0 or (source is not None and modules.mentions(source))

    def evaluate(self, module: Module) -> None:
        """Evaluate a source as its import does."""
        assert module.file, module.name
        tree = modules.parsed(module.file)
        if tree is None:
            return
        module.evaluated = True
        self._sources += 1
        package = module.name if module.folders else module.name.rpartition(".")[0]
        module.names |= {
            "__name__": module.name, "__package__": package, "__doc__": "",
            "__file__": for_windows(module.file), "__builtins__": Unknown("__builtins__"),
            "__path__": [for_windows(folder) for folder in module.folders],
        }  # fmt: skip
        self._depth += 1
        try:
            self.body(tree.body, Frame(module, (module.names,)))
        except (_Return, _Leave):
            pass
        finally:
            self._depth -= 1

    def uncalled(self) -> Iterator[str]:
        """Yield the functions and modules of `own` that add folders and were not run."""
        tops = (self.modules[name] for name in self.own if name in self.modules)
        packages = (top.folders[0] if top.folders else top.file for top in tops)
        run = {module.file for module in self.modules.values() if module.evaluated}
        for file in sorted(f for package in packages if package for f in modules.relevant(package)):
            tree = modules.parsed(file) if modules.mentions(file) else None
            for line, name in modules.adding(tree) if tree else ():
                where = f"{modules.shown(file, self.environment)}:{line}"
                if name and (file, line) not in self.called:
                    yield f"the function {name} ({where})"
                elif not name and file not in run:
                    yield f"the module {where.partition(':')[0]}"

    # Events and doubts

    def tell(
        self,
        kind: Kind,
        path: Path | None,
        frame: Frame | None,
        line: int,
        why: str | None = None,
        winmode: int | None = None,
    ) -> None:
        """Keep an event; `why` says why its path is not known."""
        where = ""
        if frame and frame.module.file:
            where = f"{modules.shown(frame.module.file, self.environment)}:{line}"
        reason = why or (self._doubts[-1] if self._doubts else None)
        self.events.append(Event(kind, path, where, reason, winmode))
        if kind == "add" and path and not why:
            self.added.append(path)

    @property
    def in_doubt(self) -> bool:
        """Whether it is not known that what is evaluated now takes place."""
        return bool(self._doubts)

    @contextmanager
    def _doubt(self, why: str) -> Iterator[None]:
        self._doubts.append(why)
        try:
            yield
        finally:
            self._doubts.pop()

    # Statements

    def body(self, statements: Iterable[ast.stmt], frame: Frame) -> None:
        """Evaluate statements, one after the other."""
        for statement in statements:
            self._steps += 1
            if self._steps > _STEPS:
                return
            handler = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if not handler:
                continue
            try:
                handler(statement, frame)
            except (TypeError, ValueError, KeyError, AttributeError, OSError, RecursionError):
                # Values that the program never has here: the statement is not understood.
                continue

    def _expr(self, node: ast.Expr, frame: Frame) -> None:
        self.value(node.value, frame)

    def _import(self, node: ast.Import, frame: Frame) -> None:
        for alias in node.names:
            module = self.load(alias.name, frame, node.lineno)
            top = alias.name.partition(".")[0]
            frame.bind(alias.asname or top, module if alias.asname else self.load(top))

    def _importfrom(self, node: ast.ImportFrom, frame: Frame) -> None:
        base = node.module or ""
        if node.level:
            package = str(frame.module.names.get("__package__", "")).split(".")
            package = package[: len(package) - node.level + 1]
            base = ".".join([*package, base] if base else package)
        module = self.load(base, frame, node.lineno) if base else Unknown("a relative import")
        for alias in node.names:
            if alias.name != "*":
                value = self.member(module, alias.name, frame, node.lineno)
                frame.bind(alias.asname or alias.name, value)
            elif isinstance(module, Module):
                wanted = module.names.get("__all__")
                public = [name for name in module.names if not name.startswith("_")]
                for name in wanted if isinstance(wanted, list) else public:
                    if isinstance(name, str) and name in module.names:
                        frame.bind(name, module.names[name])

    def member(self, owner: Any, name: str, frame: Frame, line: int) -> Any:
        """Return what `from owner import name` gives: a name of it, or a module inside it."""
        is_inside = isinstance(owner, Module) and name not in owner.names
        if is_inside and modules.locate(name, owner.folders, self.environment):
            return self.load(f"{owner.name}.{name}", frame, line)
        return self.attribute(owner, name)

    def attribute(self, owner: Any, name: str) -> Any:
        return expressions.attribute(owner, name, self)

    def value(self, node: ast.expr, frame: Frame) -> Any:
        """Evaluate an expression."""
        return expressions.value(node, frame, self)

    def _assign(self, node: ast.Assign, frame: Frame) -> None:
        value = self.value(node.value, frame)
        for target in node.targets:
            self.bind(target, value, frame)

    def _annassign(self, node: ast.AnnAssign, frame: Frame) -> None:
        if node.value:
            self.bind(node.target, self.value(node.value, frame), frame)

    def _augassign(self, node: ast.AugAssign, frame: Frame) -> None:
        operands = ast.BinOp(left=_loaded(node.target), op=node.op, right=node.value)
        self.bind(node.target, self.value(ast.copy_location(operands, node), frame), frame)

    def bind(self, target: ast.expr, value: Any, frame: Frame) -> None:
        """Assign `value` to a name, to several, to an item or to an attribute."""
        if isinstance(target, ast.Name):
            frame.bind(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            known_values = isinstance(value, (list, tuple)) and len(value) == len(target.elts)
            for index, element in enumerate(target.elts):
                item = value[index] if known_values else Unknown("a part of a value")
                self.bind(element, item, frame)
        elif isinstance(target, ast.Subscript):
            owner, key = self.value(target.value, frame), self.value(target.slice, frame)
            if owner == Name("os.environ"):
                effects.set_variable(key, value, frame, target.lineno, self)
            elif isinstance(owner, dict) and isinstance(key, (str, int)):
                owner[key] = value
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, frame)
            if isinstance(owner, (Module, Class)):
                owner.names[target.attr] = value

    def _global(self, node: ast.Global | ast.Nonlocal, frame: Frame) -> None:
        frame.outer.update(node.names)

    _nonlocal = _global

    def _if(self, node: ast.If, frame: Frame) -> None:
        condition = truth(self.value(node.test, frame))
        if condition is None:
            why = f"`{ast.unparse(node.test)}` is not known ({self.place(frame, node.lineno)})"
            self._either(why, node.body, node.orelse, frame)
        else:
            self.body(node.body if condition else node.orelse, frame)

    def place(self, frame: Frame, line: int) -> str:
        """Return where a line is, for people."""
        file = frame.module.file
        return f"{modules.shown(file, self.environment)}:{line}" if file else ""

    def _either(self, why: str, one: list[ast.stmt], other: list[ast.stmt], frame: Frame) -> None:
        """Evaluate both branches of a condition that is not known; names that differ are not."""
        local = frame.scopes[0]
        before = dict(local)
        self._maybe(why, one, frame)
        after_one = dict(local)
        local.clear()
        local.update(before)
        self._maybe(why, other, frame)
        for name in {*after_one, *local}:
            if after_one.get(name, local) is not local.get(name, after_one) and (
                name not in after_one or name not in local or after_one[name] != local[name]
            ):
                local[name] = Unknown(why)

    def _maybe(self, why: str, statements: list[ast.stmt], frame: Frame) -> None:
        with self._doubt(why):
            try:
                self.body(statements, frame)
                return
            except _Return as returned:
                frame.maybe.append(returned.value)
            except _Leave:
                pass
            except Raised:
                return
        # What follows is in doubt too, to the end of the function or loop.
        self._doubts.append(why)

    def _for(self, node: ast.For, frame: Frame) -> None:
        items = self.value(node.iter, frame)
        if not isinstance(items, (list, tuple, set, dict, str)):
            why = f"`{ast.unparse(node.iter)}` is not known ({self.place(frame, node.lineno)})"
            self.bind(node.target, Unknown(why), frame)
            self._maybe(why, node.body, frame)
            return
        doubts = len(self._doubts)
        try:
            for item in list(items):
                self.bind(node.target, item, frame)
                try:
                    self.body(node.body, frame)
                except _Leave as leave:
                    if leave.loop_ends:
                        return
            self.body(node.orelse, frame)
        finally:
            if not frame.maybe:
                del self._doubts[doubts:]

    def _while(self, node: ast.While, frame: Frame) -> None:
        if truth(self.value(node.test, frame)) is not False:
            self._maybe(f"a loop ({self.place(frame, node.lineno)})", node.body, frame)

    def _with(self, node: ast.With, frame: Frame) -> None:
        self._enter(node.items, node.body, frame)

    def _enter(self, items: list[ast.withitem], body: list[ast.stmt], frame: Frame) -> None:
        if not items:
            self.body(body, frame)
            return
        item, rest = items[0], items[1:]

        def go_on(value: Any) -> None:
            if item.optional_vars:
                self.bind(item.optional_vars, value, frame)
            self._enter(rest, body, frame)

        call = item.context_expr
        function = self.value(call.func, frame) if isinstance(call, ast.Call) else None
        if isinstance(function, Function) and isinstance(call, ast.Call) and function.yields:
            self.value_of_call(function, call, frame, on_yield=go_on)  # a @contextmanager
            return
        value = self.value(call, frame)
        opened = isinstance(value, (Handle, Stack))
        self._blocks += opened
        try:
            go_on(value)
        except Raised:
            if function != Name("contextlib.suppress"):
                raise
        finally:
            self._blocks -= opened
            for handle in reversed(value.handles if isinstance(value, Stack) else [value]):
                if isinstance(handle, Handle):
                    self.close(handle, frame, node_line(call))

    def close(self, handle: Handle, frame: Frame, line: int) -> None:
        """Take a folder back from the search."""
        if handle.folder in self.added:
            self.added.remove(handle.folder)
            self.tell("close", handle.folder, frame, line)

    def _try(self, node: ast.Try, frame: Frame) -> None:
        named = [self.value(handler.type, frame) for handler in node.handlers if handler.type]
        awaited = Name("NameError") in named
        self.name_errors += awaited
        try:
            try:
                self.body(node.body, frame)
            finally:
                self.name_errors -= awaited
            self.body(node.orelse, frame)
        except Raised as raised:
            for handler in node.handlers:
                if handler.type is None or self._catches(self.value(handler.type, frame), raised):
                    if handler.name:
                        frame.scopes[0][handler.name] = Unknown("an exception")
                    self.body(handler.body, frame)
                    break
            else:
                raise
        finally:
            self.body(node.finalbody, frame)

    def _catches(self, kinds: Any, raised: Raised) -> bool:
        for kind in kinds if isinstance(kinds, (list, tuple)) else [kinds]:
            name = kind.dotted.rpartition(".")[2] if isinstance(kind, Name) else ""
            wanted, given = (getattr(builtins, n, None) for n in (name, raised.kind))
            if not (isinstance(wanted, type) and isinstance(given, type)):
                if wanted in (None, Exception, BaseException):
                    return True
            elif issubclass(given, wanted):
                return True
        return False

    def _raise(self, node: ast.Raise, frame: Frame) -> None:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        raise Raised(kind.id if isinstance(kind, ast.Name) else "Exception")

    def _return(self, node: ast.Return, frame: Frame) -> None:
        raise _Return(self.value(node.value, frame) if node.value else None)

    def _break(self, node: ast.Break, frame: Frame) -> None:
        raise _Leave(True)

    def _continue(self, node: ast.Continue, frame: Frame) -> None:
        raise _Leave(False)

    # Functions and classes

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> None:
        value: Any = Function(node, frame.module, frame.scopes)
        for decorator in reversed(node.decorator_list):
            wrapper = self.value(decorator, frame)
            if isinstance(wrapper, Function):
                value = self.call(wrapper, [value], {})
        frame.scopes[0][node.name] = value

    def _classdef(self, node: ast.ClassDef, frame: Frame) -> None:
        names: Scope = {}
        self.body(node.body, Frame(frame.module, (names, *frame.scopes)))
        frame.scopes[0][node.name] = Class(node.name, names)

    def value_of_call(
        self, function: Function, call: ast.Call, frame: Frame, *, on_yield: Callable[[Any], None]
    ) -> None:
        """Call a generator function; `on_yield` is what its caller does at each `yield`."""
        args = [self.value(arg, frame) for arg in call.args if not isinstance(arg, ast.Starred)]
        keywords = {word.arg: self.value(word.value, frame) for word in call.keywords if word.arg}
        self.call(function, args, keywords, on_yield=on_yield)

    def call(
        self,
        function: Function,
        args: list[Any],
        keywords: dict[str, Any],
        *,
        on_yield: Callable[[Any], None] | None = None,
    ) -> Any:
        """Call a function of a source; that of a generator is the list of what it yields."""
        if self._depth >= _DEEPEST:
            return Unknown("calls too deep")
        args = [*function.bound, *args]
        self.called.add((function.module.file, node_line(function.node)))
        local = self._arguments(function, args, keywords)
        items: list[Any] = []
        frame = Frame(function.module, (local, *function.scopes))
        if function.yields:
            frame.on_yield = on_yield or items.append
        self._depth += 1
        doubts = len(self._doubts)
        try:
            if isinstance(function.node, ast.Lambda):
                return self.value(function.node.body, frame)
            self.body(function.node.body, frame)
            result = None
        except _Return as returned:
            result = returned.value
        except Raised:
            if not frame.maybe:
                raise
            result = Unknown(f"{function.name}()")
        finally:
            self._depth -= 1
            del self._doubts[doubts:]
        if function.yields:
            return items
        if any(value is not result and value != result for value in frame.maybe):
            return Unknown(f"{function.name}()")
        return result

    def _arguments(self, function: Function, args: list[Any], keywords: dict[str, Any]) -> Scope:
        spec = function.node.args
        names = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        local: Scope = {name: Unknown(f"argument {name}") for name in names}
        around = Frame(function.module, function.scopes)
        for name, default in zip(names[len(names) - len(spec.defaults) :], spec.defaults):
            local[name] = self.value(default, around)
        for arg, standard in zip(spec.kwonlyargs, spec.kw_defaults):
            local[arg.arg] = self.value(standard, around) if standard else Unknown(arg.arg)
        local.update(zip(names, args))
        if spec.vararg:
            local[spec.vararg.arg] = list(args[len(names) :])
        if spec.kwarg:
            local[spec.kwarg.arg] = {k: v for k, v in keywords.items() if k not in local}
        local.update({name: value for name, value in keywords.items() if name in local})
        return local


def node_line(node: ast.AST) -> int:
    """Return the line of a node."""
    return int(getattr(node, "lineno", 0))


def _loaded(target: ast.expr) -> ast.expr:
    """The target of an assignment as an expression."""
    return ast.parse(ast.unparse(target), mode="eval").body
