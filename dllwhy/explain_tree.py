"""An explanation as a tree for people: all of one module, or the gist of a package's many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from dllwhy import windows
from dllwhy.explain import Explanation, advice, shown
from dllwhy.flavour import Environment
from dllwhy.functions import WRONG_VERSION
from dllwhy.judge import Verdict
from dllwhy.loader import Closure, Resolution, Rule

_DEEPEST = 20
_OWN = (Rule.SYSTEM, Rule.KNOWN)  # brought by Windows


def tree(explanation: Explanation) -> Tree:
    """Return an explanation as a tree that rich prints.

    One module is shown whole; of several only those that do not load, and the way to what is
    missing. The same places and the same remedy are told once: it should fit on one screen.
    """
    environment = explanation.environment
    system = f"a clean {windows.editions()[environment.windows]}"
    if environment.system32:
        system = f"this Windows ({environment.system32})"
    root = Tree(Text(f"{explanation.target}, in {environment.title} on {system}", "bold"))
    if environment.added_directories and not environment.searches_path:
        present = [path for path in environment.added_directories if path.is_dir()]
        folders = ", ".join(shown(path, environment) for path in present) or "none of them there"
        root.add(Text(f"folders given to add_dll_directory: {folders}", "dim"))
    for note in explanation.notes:
        root.add(Text(note, "dim"))
    many = len(explanation.verdicts) > 1
    loading = [verdict for verdict in explanation.verdicts if verdict.closure.loads]
    if many and loading:
        _add_loading(root, loading, explanation)
    told: set[str] = set()
    for verdict in explanation.verdicts:
        if not (many and verdict.closure.loads):
            _add_module(root, verdict, explanation, told, only_failing=many)
    return root


def _add_loading(root: Tree, loading: Sequence[Verdict], explanation: Explanation) -> None:
    """The modules that load, in a few lines: what they bring in, and what they get instead."""
    environment = explanation.environment
    files = {path for verdict in loading for path in verdict.closure.files}
    count = f"{len(loading)} of {len(explanation.verdicts)} modules load"
    branch = root.add(Text(count, "green"))
    if files:
        branch.add(Text("with " + _listing(files, environment)))
    notes = (note for verdict in loading for note in verdict.notes)
    clashes = (
        f"{r.name}: {shown(r.problem, environment)}"
        for verdict in loading
        for r in verdict.closure.resolutions
        if r.problem and r.rule is Rule.LOADED and not r.delay
    )
    for line in dict.fromkeys((*notes, *clashes)):
        branch.add(Text(line, "yellow"))


def _add_module(
    root: Tree, verdict: Verdict, explanation: Explanation, told: set[str], *, only_failing: bool
) -> None:
    closure = verdict.closure
    environment = explanation.environment
    name = shown(closure.module, environment)
    lacking = ", ".join(dict.fromkeys(r.name for r in closure.missing))
    unusable = all(_is_there(r) for r in closure.missing)
    if closure.problem:
        root.add(Text(f"{name} does not load: {closure.problem}", "red"))
        return
    if closure.loads:
        branch = root.add(Text(f"{name} loads", "green"))
    elif verdict.untold:
        branch = root.add(Text(f"{name}: it cannot be told from here where {lacking} is", "yellow"))
        _add_reasons(branch, verdict.untold, told)
    elif closure.missing:
        what = f"{lacking} cannot be used" if unusable else f"missing {lacking}"
        branch = root.add(Text(f"{name} does not load: {what}", "red"))
    else:
        first = closure.lacking[0]
        text = f"{name} does not load: {first.dll.name} lacks {first.title}"
        branch = root.add(Text(f"{text} (WinError {first.error})", "red"))
    for note in verdict.notes:
        branch.add(Text(note, "dim"))
    for lack in closure.lacking:
        text = (
            f"{lack.importer.name} calls {lack.title}, which {shown(lack.dll, environment)} lacks"
        )
        branch.add(Text(text, "bold red")).add(Text(f"To do: {WRONG_VERSION}.", "yellow"))
    _add_imports(branch, closure, explanation, told, only_failing)


def _add_reasons(branch: Tree, reasons: Iterable[str], told: set[str]) -> None:
    for reason in reasons:
        if reason not in told:
            branch.add(Text(f"because {reason}", "yellow"))
            told.add(reason)
    remedy = (
        "To do: give the folder with --add, or what is imported before with --after; or run it."
    )
    if remedy not in told:
        branch.add(Text(remedy, "yellow"))
        told.add(remedy)


def _failing(closure: Closure) -> set[Path]:
    """The files on the way from the module to what is missing."""
    importer_of = {r.found: r.importer for r in closure.resolutions if r.rule is not Rule.LOADED}
    result: set[Path] = set()
    for importer in (
        *(r.importer for r in closure.missing),
        *(k.importer for k in closure.lacking),
    ):
        file: Path | None = importer
        while file is not None and file not in result:
            result.add(file)
            file = importer_of.get(file)
    return result


def _add_imports(
    branch: Tree, closure: Closure, explanation: Explanation, told: set[str], only_failing: bool
) -> None:
    """The imports of a module, and below each file its own; a chain may be very long."""
    environment = explanation.environment
    failing = _failing(closure) if only_failing else None
    by_importer: dict[Path, list[Resolution]] = {}
    for one in closure.resolutions:
        by_importer.setdefault(one.importer, []).append(one)
    own: Sequence[Resolution] = by_importer.get(closure.module, ())
    stack = [(branch, own, iter(own))]
    resolution: Resolution | None
    while stack:
        node, own, imports = stack[-1]
        resolution = next(imports, None)
        if resolution is None:
            stack.pop()
            for line in _summary(own, environment) if failing is None else ():
                node.add(Text(line, "dim"))
            continue
        if resolution.rule is Rule.MISSING and not resolution.delay:
            _add_missing(node, resolution, explanation, told)
        elif resolution.found and resolution.rule is not Rule.LOADED and not resolution.delay:
            if failing is not None and resolution.found not in failing:
                continue
            place = shown(resolution.found.parent, environment)
            text = Text(f"{resolution.found.name}: ").append(
                f"{resolution.rule.value} ({place}){_forward(resolution)}", "dim"
            )
            below = node.add(text)
            if len(stack) > _DEEPEST:  # side by side: no screen is wide enough
                below = node
            own = by_importer.get(resolution.found, ())
            stack.append((below, own, iter(own)))
        elif resolution.problem and not resolution.delay:
            problem = shown(resolution.problem, environment)
            node.add(Text(f"{resolution.name}: {problem}", "yellow"))


def _add_missing(
    branch: Tree, resolution: Resolution, explanation: Explanation, told: set[str]
) -> None:
    again = resolution.name in told
    told.add(resolution.name)
    what = "cannot be used" if _is_there(resolution) else "missing"
    name = f"{resolution.name}: {what}{' (see above)' if again else ''}"
    node = branch.add(Text(name, "bold red").append(_forward(resolution)))
    if again:
        return
    places = f"looked in {_places(resolution, explanation.environment)}"
    if places not in told and resolution.tried:
        node.add(Text(places))
    told.add(places)
    for line in advice(resolution, explanation):
        if not (line.startswith("To do") and line in told):
            node.add(Text(line, "yellow"))
        told.add(line)


def _is_there(resolution: Resolution) -> bool:
    """Whether a file of the name was met, which is damaged or for another machine."""
    return any(place.found for place in resolution.tried)


def _forward(resolution: Resolution) -> str:
    if resolution.forwards is None:
        return ""
    return f" ({resolution.importer.name} forwards {resolution.forwards} to it)"


def _summary(imports: Sequence[Resolution], environment: Environment) -> list[str]:
    """One line each for what needs no looking at: Windows' own, loaded already, delay-loaded."""
    now = [r for r in imports if not r.delay]
    loaded = [r.name for r in now if r.rule is Rule.LOADED and not r.problem]
    own = [r.name for r in now if r.rule in _OWN]
    sets = sum(r.rule is Rule.API_SET for r in now)
    if sets:
        own.append(f"{sets} API set{'s' if sets > 1 else ''}")
    lines = [f"{title}: {', '.join(names)}" for title, names in
             (("loaded already", loaded), ("Windows' own", own)) if names]  # fmt: skip
    for r in imports:
        if r.delay and r.rule not in (*_OWN, Rule.API_SET, Rule.LOADED):
            where = shown(r.found, environment) if r.found else "not found (a later call fails)"
            lines.append(f"at the first call: {r.name}: {where}")
    return lines


def _places(resolution: Resolution, environment: Environment) -> str:
    return ", ".join(
        f"{shown(place.folder, environment)} ({place.rule.value})"
        if place.folder
        else f"System32 of {windows.editions()[environment.windows]}"
        for place in resolution.tried
        if place.folder is None or place.folder.is_dir()
    )


def _listing(files: Iterable[Path], environment: Environment) -> str:
    """Files by folder: "numpy.libs: a.dll, b.dll; …"."""
    by_folder: dict[str, list[str]] = {}
    for path in sorted(files):
        by_folder.setdefault(shown(path.parent, environment), []).append(path.name)
    return "; ".join(f"{folder}: {', '.join(names)}" for folder, names in by_folder.items())
