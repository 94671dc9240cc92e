"""An explanation as a tree for people: all of one module, or the gist of a package's many."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from dllwhy import windows
from dllwhy.explain import Explanation, advice, shown
from dllwhy.flavour import Environment
from dllwhy.loader import Closure, Resolution, Rule

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
    many = len(explanation.closures) > 1
    loading = [closure for closure in explanation.closures if closure.loads]
    if many and loading:
        files = {path for closure in loading for path in closure.files}
        branch = root.add(
            Text(f"{len(loading)} of {len(explanation.closures)} modules load", "green")
        )
        if files:
            branch.add(Text("with " + _listing(files, environment)))
    told: set[str] = set()
    for closure in explanation.closures:
        if not (many and closure.loads):
            _add_module(root, closure, explanation, told, only_failing=many)
    return root


def _add_module(
    root: Tree, closure: Closure, explanation: Explanation, told: set[str], *, only_failing: bool
) -> None:
    name = shown(closure.module, explanation.environment)
    if closure.problem:
        root.add(Text(f"{name} does not load: {closure.problem}", "red"))
        return
    if closure.loads:
        branch = root.add(Text(f"{name} loads", "green"))
    else:
        lacking = ", ".join(dict.fromkeys(r.name for r in closure.missing))
        branch = root.add(Text(f"{name} does not load: missing {lacking}", "red"))
    by_importer: dict[Path, list[Resolution]] = {}
    for resolution in closure.resolutions:
        by_importer.setdefault(resolution.importer, []).append(resolution)
    failing = _failing(closure) if only_failing else None
    _add_imports(branch, closure.module, by_importer, explanation, told, failing)


def _failing(closure: Closure) -> set[Path]:
    """The files on the way from the module to what is missing."""
    importer_of = {r.found: r.importer for r in closure.resolutions if r.rule is not Rule.LOADED}
    result: set[Path] = set()
    for resolution in closure.missing:
        file: Path | None = resolution.importer
        while file is not None and file not in result:
            result.add(file)
            file = importer_of.get(file)
    return result


def _add_imports(
    branch: Tree,
    importer: Path,
    by_importer: Mapping[Path, Sequence[Resolution]],
    explanation: Explanation,
    told: set[str],
    failing: set[Path] | None,
) -> None:
    environment = explanation.environment
    imports = by_importer.get(importer, ())
    for resolution in imports:
        if resolution.rule is Rule.MISSING and not resolution.delay:
            again = resolution.name in told
            told.add(resolution.name)
            name = f"{resolution.name}: missing{' (see above)' if again else ''}"
            node = branch.add(Text(name, "bold red").append(_forward(resolution)))
            if again:
                continue
            places = f"looked in {_places(resolution, environment)}"
            if places not in told:
                node.add(Text(places))
            for line in advice(resolution, explanation):
                if not (line.startswith("To do") and line in told):
                    node.add(Text(line, "yellow"))
                told.add(line)
            told.add(places)
        elif resolution.found and resolution.rule is not Rule.LOADED and not resolution.delay:
            if failing is not None and resolution.found not in failing:
                continue
            place = shown(resolution.found.parent, environment)
            text = Text(f"{resolution.found.name}: ").append(
                f"{resolution.rule.value} ({place}){_forward(resolution)}", "dim"
            )
            _add_imports(
                branch.add(text), resolution.found, by_importer, explanation, told, failing
            )
        elif resolution.problem and not resolution.delay:
            problem = shown(resolution.problem, environment)
            branch.add(Text(f"{resolution.name}: {problem}", "yellow"))
    if failing is None:
        for line in _summary(imports, environment):
            branch.add(Text(line, "dim"))


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
