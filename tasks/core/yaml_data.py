"""YAML as data, with bounds: no file can exhaust the stack or the memory, and no key is lost."""

from typing import Any

import yaml

DEEPEST = 50
MOST_NODES = 100_000  # with each alias counted as what it stands for

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YAMLProblemError(Exception):
    """A text is not YAML that can be used; says why, with the line."""


def parse(text: str) -> Any:
    """The data of a YAML document.

    Raises:
        YAMLProblemError: it is no YAML, nested too deeply, too large once its aliases are
            resolved, or a mapping has a key twice, of which YAML's readers take the last.
    """
    try:
        # The composer is recursive, the parser is not: so depth is looked at first.
        _check_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _count(node, {}, set())
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1} " if mark else ""
        raise YAMLProblemError(line + (getattr(error, "problem", None) or "not YAML")) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # A date that there is not, a number of a million digits, a list as a key.
        raise YAMLProblemError(f"has a value that cannot be read ({error})") from error


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise YAMLProblemError(f"{_place(event)} is nested more than {DEEPEST} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _place(part: yaml.Node | yaml.Event) -> str:
    return f"line {part.start_mark.line + 1}" if part.start_mark else "a line"


def _count(node: yaml.Node, sizes: dict[int, int], open_: set[int]) -> int:
    """The number of nodes in a tree, each alias counted as what it stands for."""
    key = id(node)
    if key in open_:
        raise YAMLProblemError(f"{_place(node)} holds itself")
    if key not in sizes:
        open_.add(key)
        sizes[key] = 1 + sum(_count(child, sizes, open_) for child in _children(node))
        open_.discard(key)
    if sizes[key] > MOST_NODES:
        raise YAMLProblemError(f"stands for more than {MOST_NODES:,} values")
    return sizes[key]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        name = (str(key.tag), str(key.value))
        if name in seen and isinstance(key, yaml.ScalarNode):
            raise YAMLProblemError(f'{_place(key)} has "{key.value}" a second time')
        seen.add(name)
    return [part for pair in node.value for part in pair]
