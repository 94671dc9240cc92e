"""What Process Monitor recorded, as a tree for people: what fails in full, the rest in brief."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PureWindowsPath

from rich.text import Text
from rich.tree import Tree

from dllwhy import windows
from dllwhy.explain import shown
from dllwhy.flavour import Environment
from dllwhy.traces.procmon_compare import MISSING, OWN, Comparison


def tree(compared: Sequence[Comparison], title: str, environment: Environment) -> Tree:
    """Return comparisons as a tree that rich prints.

    Args:
        title: the export's name.
    """
    edition = windows.editions()[environment.windows]
    root = Tree(Text(f"{title}, beside {environment.title} on a clean {edition}", "bold"))
    for one in compared:
        if one.fails:
            _add_failure(root, one, environment)
    well = [one for one in compared if not one.fails]
    # That Windows' own DLLs are looked for beside python.exe first is no news.
    searched = [one for one in well if one.story.misses and one.predicted != OWN and one.agrees]
    if searched:
        branch = root.add(Text("found after a search, as the model says", "green"))
        for one in searched:
            place = shown(one.predicted or "", environment)
            node = branch.add(Text(f"{one.story.name}: {place}{_times(one)}"))
            for path, result in one.story.misses:
                node.add(Text(f"{result}: {_folder(path)}", "dim"))
    for line in _in_brief([one for one in well if one not in searched]):
        root.add(Text(line, "dim"))
    return root


def _add_failure(root: Tree, one: Comparison, environment: Environment) -> None:
    story = one.story
    says = shown(one.predicted, environment) if one.predicted else None
    found = "found, but not loaded" if story.tried != story.misses else "never found"
    what = f"loaded from {story.loaded}" if story.loaded else found
    if one.agrees is None:
        verdict = one.note
    elif one.agrees:
        verdict = "as the model says"
    else:
        verdict = f"but the model says: {says}" + (f" ({one.note})" if one.note else "")
    branch = root.add(Text(f"{story.name}: {what}, {verdict}{_times(one)}", "red"))
    for path, result in story.tried:
        branch.add(Text(f"{result}: {_folder(path)}"))
    provider = windows.provider(story.name, environment.windows, environment.machine)
    if story.loaded is None and one.predicted in (MISSING, None) and provider:
        branch.add(Text(f"It is {provider.what}.", "yellow"))
        branch.add(Text(f"To do: {provider.remedy}.", "yellow"))


def _in_brief(compared: Iterable[Comparison]) -> list[str]:
    """One line for each way to be found."""
    groups: dict[str, list[str]] = {}
    lines = []
    for one in compared:
        if one.note.startswith("does not load"):
            lines.append(f"{one.story.name} {one.note}")
        elif one.predicted == OWN:
            groups.setdefault("Windows' own, as the model says", []).append(one.story.name)
        elif one.agrees:
            groups.setdefault("found at once, as the model says", []).append(one.story.name)
        else:
            groups.setdefault(one.note, []).append(one.story.name)
    lines += [f"{title}: {', '.join(dict.fromkeys(names))}" for title, names in groups.items()]
    return lines


def _folder(path: str) -> str:
    return str(PureWindowsPath(path).parent)


def _times(one: Comparison) -> str:
    return f" ({one.processes} processes)" if one.processes > 1 else ""
