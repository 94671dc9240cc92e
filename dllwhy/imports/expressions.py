"""Expressions, for the evaluator of `evaluate`."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dllwhy.imports import effects, known
from dllwhy.imports.values import (
    Class,
    Frame,
    Function,
    Handle,
    Module,
    Name,
    Raised,
    Stack,
    Unknown,
    doubt,
    for_windows,
    truth,
)

if TYPE_CHECKING:
    from dllwhy.imports.evaluate import Evaluator


def value(node: ast.expr, frame: Frame, evaluator: Evaluator) -> Any:
    """Evaluate an expression; what is not understood gives an `Unknown`."""
    handler = _HANDLERS.get(type(node))
    return handler(node, frame, evaluator) if handler else Unknown(f"`{ast.unparse(node)}`")


def attribute(owner: Any, name: str, evaluator: Evaluator) -> Any:
    """Return `owner.name`."""
    if isinstance(owner, Name):
        full = name if owner.dotted == "builtins" else f"{owner.dotted}.{name}"
        if full in evaluator.constants and full not in known.CALLED:
            return evaluator.constants[full]
        return Name(full)
    if isinstance(owner, (Module, Class)):
        if name in owner.names:
            return owner.names[name]
        if name == "__file__" and isinstance(owner, Module):
            return _place(owner)
        if name == "__path__" and isinstance(owner, Module):
            return [for_windows(folder) for folder in owner.folders]
        return Unknown(f"{owner.name}.{name}")
    if isinstance(owner, Unknown):
        return Unknown(owner.why)
    return known.attribute(owner, name)


def _place(module: Module) -> Any:
    return for_windows(module.file) if module.file else None


def _constant(node: ast.Constant, frame: Frame, evaluator: Evaluator) -> Any:
    return node.value


def _name(node: ast.Name, frame: Frame, evaluator: Evaluator) -> Any:
    for scope in (*frame.scopes, frame.module.names):
        if node.id in scope:
            return scope[node.id]
    if evaluator.name_errors and not hasattr(builtins, node.id):
        raise Raised("NameError")
    return Name(node.id)


def _attribute(node: ast.Attribute, frame: Frame, evaluator: Evaluator) -> Any:
    return attribute(value(node.value, frame, evaluator), node.attr, evaluator)


def _items(node: ast.List | ast.Tuple | ast.Set, frame: Frame, evaluator: Evaluator) -> Any:
    found = list(_spread(node.elts, frame, evaluator))
    if isinstance(node, ast.Tuple):
        return tuple(found)
    return found


def _spread(nodes: list[ast.expr], frame: Frame, evaluator: Evaluator) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            inside = value(node.value, frame, evaluator)
            yield from inside if isinstance(inside, (list, tuple, set, dict)) else [inside]
        else:
            yield value(node, frame, evaluator)


def _dict(node: ast.Dict, frame: Frame, evaluator: Evaluator) -> Any:
    result: dict[Any, Any] = {}
    for key_node, value_node in zip(node.keys, node.values):
        item = value(value_node, frame, evaluator)
        key = value(key_node, frame, evaluator) if key_node else None
        if key_node is None and isinstance(item, dict):
            result.update(item)
        elif isinstance(key, (str, int, bool)):
            result[key] = item
    return result


def _joined(node: ast.JoinedStr, frame: Frame, evaluator: Evaluator) -> Any:
    parts = []
    for part in node.values:
        if not isinstance(part, ast.FormattedValue):
            parts.append(value(part, frame, evaluator))
            continue
        inside = value(part.value, frame, evaluator)
        spec = value(part.format_spec, frame, evaluator) if part.format_spec else ""
        convert = {114: repr, 97: ascii}.get(part.conversion, lambda given: given)
        parts.append(known.call(lambda g, s, c=convert: format(c(g), s), "f", [inside, spec], {}))
    return known.call(lambda *texts: "".join(texts), "f-string", parts, {})


def _binary(node: ast.BinOp, frame: Frame, evaluator: Evaluator) -> Any:
    sides = [value(node.left, frame, evaluator), value(node.right, frame, evaluator)]
    kind = type(node.op).__name__
    if kind == "Add" and all(isinstance(side, list) for side in sides):
        return sides[0] + sides[1]
    function = known.OPERATORS.get(kind)
    return known.call(function, kind, sides, {}) if function else Unknown(kind)


def _unary(node: ast.UnaryOp, frame: Frame, evaluator: Evaluator) -> Any:
    operand = value(node.operand, frame, evaluator)
    if isinstance(node.op, ast.Not):
        holds = truth(operand)
        return Unknown(doubt(operand) or "not") if holds is None else not holds
    return known.call(lambda x: -x, "USub", [operand], {})


def _boolean(node: ast.BoolOp, frame: Frame, evaluator: Evaluator) -> Any:
    """`and`, `or`: an operand that settles it may come after one that is not known."""
    ends_at = isinstance(node.op, ast.Or)
    unknown = None
    result: Any = None
    for operand in node.values:
        result = value(operand, frame, evaluator)
        holds = truth(result)
        if holds is None:
            unknown = unknown or Unknown(doubt(result) or "a condition")
        elif holds is ends_at:
            return result if unknown is None else ends_at
    return unknown or result


def _compare(node: ast.Compare, frame: Frame, evaluator: Evaluator) -> Any:
    left = value(node.left, frame, evaluator)
    for operation, right_node in zip(node.ops, node.comparators):
        right = value(right_node, frame, evaluator)
        kind = type(operation).__name__
        objects = (Module, Class, Function, Handle, Stack)
        if (
            kind in ("Is", "IsNot")
            and None in (left, right)
            and isinstance(left if right is None else right, objects)
        ):
            holds: Any = kind == "IsNot"
        elif right == Name("os.environ"):
            holds = True if str(left).upper() == "PATH" else Unknown(f"os.environ[{left!r}]")
        else:
            holds = known.call(known.OPERATORS[kind], kind, [left, right], {})
        if truth(holds) is not True:
            return holds
        left = right
    return True


def _conditional(node: ast.IfExp, frame: Frame, evaluator: Evaluator) -> Any:
    condition = value(node.test, frame, evaluator)
    holds = truth(condition)
    if holds is not None:
        return value(node.body if holds else node.orelse, frame, evaluator)
    one, other = (value(way, frame, evaluator) for way in (node.body, node.orelse))
    return one if one == other else Unknown(f"`{ast.unparse(node.test)}`")


def _subscript(node: ast.Subscript, frame: Frame, evaluator: Evaluator) -> Any:
    owner = value(node.value, frame, evaluator)
    if isinstance(node.slice, ast.Slice):
        bounds = [value(part, frame, evaluator) if part else None
                  for part in (node.slice.lower, node.slice.upper, node.slice.step)]  # fmt: skip
        return known.call(lambda o, *b: o[slice(*b)], "slice", [owner, *bounds], {})
    key = value(node.slice, frame, evaluator)
    if owner == Name("os.environ"):
        return effects.variable(key, evaluator)
    if owner in (Name("ctypes.cdll"), Name("ctypes.windll")):
        return effects.load_library(key, None, frame, node.lineno, evaluator)
    if isinstance(owner, dict) and isinstance(key, (str, int)):
        return owner.get(key, Unknown(f"[{key!r}]"))
    if isinstance(owner, (list, tuple)) and isinstance(key, int):
        return owner[key] if -len(owner) <= key < len(owner) else Unknown(f"[{key}]")
    return known.call(lambda o, k: o[k], "index", [owner, key], {})


def _comprehension(
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
    frame: Frame,
    evaluator: Evaluator,
) -> Any:
    inner = Frame(frame.module, ({}, *frame.scopes))
    found: list[Any] = []
    why = _loop(node, node.generators, inner, evaluator, found)
    if why:
        return Unknown(why)
    return dict(found) if isinstance(node, ast.DictComp) else found


def _loop(
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
    generators: list[ast.comprehension],
    frame: Frame,
    evaluator: Evaluator,
    found: list[Any],
) -> str | None:
    """Collect the items of a comprehension; returns why it cannot be done."""
    if not generators:
        if isinstance(node, ast.DictComp):
            pair = (value(node.key, frame, evaluator), value(node.value, frame, evaluator))
            if doubt(pair[0]):
                return doubt(pair[0])
            found.append(pair)
        else:
            found.append(value(node.elt, frame, evaluator))
        return None
    first, *rest = generators
    items = value(first.iter, frame, evaluator)
    if not isinstance(items, (list, tuple, set, dict, str)):
        return doubt(items) or "a loop"
    for item in list(items):
        evaluator.bind(first.target, item, frame)
        conditions = [truth(value(test, frame, evaluator)) for test in first.ifs]
        if False in conditions:
            continue
        if None in conditions and isinstance(node, ast.DictComp):
            return f"`{ast.unparse(first)}`"
        if None in conditions:  # one item more or less
            found.append(Unknown(f"`{ast.unparse(first)}`"))
            continue
        if why := _loop(node, rest, frame, evaluator, found):
            return why
    return None


def _lambda(node: ast.Lambda, frame: Frame, evaluator: Evaluator) -> Any:
    return Function(node, frame.module, frame.scopes)


def _yield(node: ast.Yield, frame: Frame, evaluator: Evaluator) -> Any:
    given = value(node.value, frame, evaluator) if node.value else None
    if frame.on_yield:
        frame.on_yield(given)
    return None


def _walrus(node: ast.NamedExpr, frame: Frame, evaluator: Evaluator) -> Any:
    result = value(node.value, frame, evaluator)
    evaluator.bind(node.target, result, frame)
    return result


def _call(node: ast.Call, frame: Frame, evaluator: Evaluator) -> Any:
    args = list(_spread(node.args, frame, evaluator))
    keywords: dict[str, Any] = {}
    for word in node.keywords:
        given = value(word.value, frame, evaluator)
        if word.arg:
            keywords[word.arg] = given
    if isinstance(node.func, ast.Attribute):
        owner = value(node.func.value, frame, evaluator)
        done = effects.method(owner, node.func.attr, args, frame, node.lineno, evaluator)
        if done is not NotImplemented:
            return done
        if not isinstance(owner, (Name, Module, Class, Unknown)):
            return known.method(owner, node.func.attr, args, keywords)
        function = attribute(owner, node.func.attr, evaluator)
    else:
        function = value(node.func, frame, evaluator)
    if isinstance(function, Function):
        return evaluator.call(function, args, keywords)
    if isinstance(function, Class):
        return _instance(function, args, keywords, evaluator)
    if isinstance(function, Name):
        done = effects.call(function.dotted, args, keywords, frame, node.lineno, evaluator)
        if done is not NotImplemented:
            return done
        if function.dotted in known.CALLED:
            return evaluator.constants[function.dotted]
        if function.dotted in known.FUNCTIONS:
            handler = known.FUNCTIONS[function.dotted]
            return known.call(handler, function.dotted, args, keywords)
        return Unknown(f"{function.dotted}()")
    return Unknown(f"`{ast.unparse(node.func)}()`")


def _instance(
    kind: Class, args: list[Any], keywords: dict[str, Any], evaluator: Evaluator
) -> Class:
    """Make an object: it has the names of its class, methods bound to it, and its own."""
    made = Class(kind.name, dict(kind.names))
    for name, found in kind.names.items():
        if isinstance(found, Function) and not found.is_static:
            made.names[name] = Function(found.node, found.module, found.scopes, (made,))
    if isinstance(start := made.names.get("__init__"), Function):
        evaluator.call(start, args, keywords)
    return made


_HANDLERS: dict[type[ast.expr], Callable[[Any, Frame, Evaluator], Any]] = {
    ast.Constant: _constant, ast.Name: _name, ast.Attribute: _attribute, ast.List: _items,
    ast.Tuple: _items, ast.Set: _items, ast.Dict: _dict, ast.JoinedStr: _joined,
    ast.BinOp: _binary, ast.UnaryOp: _unary, ast.BoolOp: _boolean, ast.Compare: _compare,
    ast.IfExp: _conditional, ast.Subscript: _subscript, ast.ListComp: _comprehension,
    ast.SetComp: _comprehension, ast.GeneratorExp: _comprehension, ast.DictComp: _comprehension,
    ast.Lambda: _lambda, ast.Yield: _yield, ast.NamedExpr: _walrus, ast.Call: _call,
}  # fmt: skip
