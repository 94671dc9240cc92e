"""One import resolved: which file it takes, by which rule, and what that file brings in itself.

resolve(name, ...)    one import, of one DLL
load(importer, ...)   all that the import tables of a file bring in, depth first
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Union

from dllwhy import windows
from dllwhy.assemblies import assemblies
from dllwhy.flavour import Environment
from dllwhy.pe import forwarders, imported_symbols, read_pe
from dllwhy.search import Place, Places, Rule, look
from dllwhy.windows import dll_name

Redirects = Mapping[str, Path]  # the files of assemblies, by their names in lower case


@dataclass(frozen=True)
class Loaded:
    """A module in the process: its file (None: Windows' own) and who asked for it."""

    path: Path | None
    importer: str


@dataclass(frozen=True)
class Resolution:
    """What became of one import.

    Attributes:
        name: as the importer spells it.
        importer: the file whose import table names it.
        found: the file that is used; None for Windows' own DLLs, and where it is missing.
        tried: the folders in the order in which the loader looked.
        problem: None, or why this does not work, or works otherwise than the files suggest.
        delay: loaded at the first call, not at import.
        forwards: a function that `importer` only forwards to this DLL, where that is why it is
            loaded; None for an import.
    """

    name: str
    importer: Path
    rule: Rule
    found: Path | None = None
    tried: tuple[Place, ...] = ()
    problem: str | None = None
    delay: bool = False
    forwards: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Search:
    """How a DLL of a load is looked for.

    Attributes:
        places: the folders, in order.
        redirects: the files of the side-by-side assemblies that a manifest on the way asks for.
    """

    places: Places
    environment: Environment
    redirects: Redirects = field(default_factory=dict)


# What loading brings about, or an iterator that gives more of it.
_Step = Union[Resolution, Iterator["_Step"]]


def load(importer: Path, search: Search, state: dict[str, Loaded]) -> Iterator[Resolution]:
    """Resolve the imports of `importer`, depth first, and add what they bring in to `state`."""
    stack = [_imports(importer, search, state)]  # chains may be longer than Python's own stack
    while stack:
        for step in stack[-1]:
            if not isinstance(step, Resolution):
                stack.append(step)
                break
            yield step
        else:
            stack.pop()


def _imports(importer: Path, search: Search, state: dict[str, Loaded]) -> Iterator[_Step]:
    asked = assemblies(importer, search.environment)
    for assembly in asked:
        if assembly.files is None:
            problem = (
                f"{importer.name}'s manifest asks for {assembly.title}, which is neither in WinSxS "
                "nor beside it: error 14001, the side-by-side configuration is incorrect"
            )
            yield Resolution(assembly.name, importer, Rule.MISSING, problem=problem)
    if asked:
        own = {name: path for one in asked for name, path in (one.files or {}).items()}
        search = replace(search, redirects={**search.redirects, **own})
    for name in read_pe(importer).imports:
        resolution = resolve(name, importer, search, state)
        yield resolution
        yield _found(resolution, search, state)
        if resolution.found and _forwarders(resolution.found):
            wanted = imported_symbols(importer)[name.lower()]
            yield _forwarded(resolution.found, wanted, search, state)


def _found(resolution: Resolution, search: Search, state: dict[str, Loaded]) -> Iterator[_Step]:
    if resolution.rule in (Rule.MISSING, Rule.LOADED, Rule.API_SET):
        return
    state[dll_name(resolution.name)] = Loaded(resolution.found, resolution.importer.name)
    if resolution.found:
        yield _imports(resolution.found, search, state)


def _forwarded(
    file: Path, wanted: Iterable[str], search: Search, state: dict[str, Loaded]
) -> Iterator[_Step]:
    """Follow those of the functions `wanted` from `file` that point into other DLLs.

    DLLs that are loaded already are not told: nothing comes of them.
    """
    queue = [(file, function) for function in sorted(wanted)]
    seen = set(queue)
    for exporter, function in queue:  # grows meanwhile
        target = _forwarders(exporter).get(function)
        if target is None:
            continue
        there = target.rpartition(".")[2]
        found = resolve(forward_name(target), exporter, search, state)
        if found.rule is not Rule.LOADED:
            yield replace(found, forwards=function)
        yield _found(found, search, state)
        if found.found and (found.found, there) not in seen:
            seen.add((found.found, there))
            queue.append((found.found, there))


def forward_name(target: str) -> str:
    """Return the DLL that a forwarder ("ntdll.f", "mkl_rt.2.dll.f") points into.

    Its name goes to the last dot and gets ".dll" where it has no dot of its own (Wine's
    find_forwarded_export does the same).
    """
    library = target.rpartition(".")[0]
    return library if "." in library else f"{library}.dll"


def _forwarders(file: Path) -> Mapping[str, str]:
    # A venv's base that is out of reach is only assumed to have its files.
    return forwarders(file) if file.is_file() else {}


def delayed(importer: Path, search: Search, state: Mapping[str, Loaded]) -> Iterator[Resolution]:
    """Resolve the delay-loaded imports of `importer`, which change nothing at import time."""
    for name in read_pe(importer).delay_imports:
        yield replace(resolve(name, importer, search, state), delay=True)


def brought_in(resolutions: Iterable[Resolution]) -> tuple[Path, ...]:
    """Return the files that are loaded by these imports, each once."""
    found = (r.found for r in resolutions if r.rule is not Rule.LOADED)
    return tuple(dict.fromkeys(file for file in found if file))


def resolve(name: str, importer: Path, search: Search, state: Mapping[str, Loaded]) -> Resolution:
    """Find the file for one import, by the rules in the order of `dllwhy.loader`."""
    if windows.is_api_set(name):
        return Resolution(name, importer, Rule.API_SET)
    key = dll_name(name)
    redirected = search.redirects.get(key)
    present = state.get(key)
    if present and redirected in (None, present.path):
        problem = _clash(key, present, search)
        return Resolution(name, importer, Rule.LOADED, present.path, (), problem)
    if redirected:
        return Resolution(name, importer, Rule.ASSEMBLY, redirected)
    if windows.is_known_dll(key):
        return Resolution(name, importer, Rule.KNOWN)
    tried = []
    for rule, folder in search.places:
        place = look(rule, folder, key, search.environment)
        tried.append(place)
        if place.outcome == "found":
            return Resolution(name, importer, rule, place.found, tuple(tried))
        if place.ends:
            break
    problem = _near_miss(key, tried, search.environment)
    return Resolution(name, importer, Rule.MISSING, None, tuple(tried), problem)


def _near_miss(key: str, tried: Sequence[Place], environment: Environment) -> str | None:
    """Say if a DLL that is missing is nearly there."""
    for place in tried:
        if place.found:
            return f"{place.found} is there, but {place.outcome}"
    searched = {place.folder for place in tried}
    unsearched = [folder for folder in environment.path if folder not in searched]
    on_path = [look(Rule.PATH, folder, key, environment) for folder in unsearched]
    near = [place for place in on_path if place.found]
    if not near:
        return None
    # One that would do tells more than one for another machine that comes before it.
    best = min(near, key=lambda place: place.outcome != "found")
    what = "" if best.outcome == "found" else f"; besides, {best.outcome}"
    return f"{best.found} is on PATH, but Python does not look there{what}"


def _clash(key: str, present: Loaded, search: Search) -> str | None:
    """Say if the folders would have given another file than the one that is loaded."""
    if present.path is None or not present.path.is_file():
        return None
    for rule, folder in search.places:
        place = look(rule, folder, key, search.environment)
        if place.outcome != "found":
            continue
        if place.found is None or place.found == present.path or _same(place.found, present.path):
            return None
        return (
            f"{place.found} is there, but a different file of that name was loaded earlier by "
            f"{present.importer}: {present.path}"
        )
    return None


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)
