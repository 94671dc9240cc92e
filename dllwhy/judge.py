"""Whether a module of a package loads, with what is known of the imports that come before it.

    judge(module, imports, package) -> Verdict

Three questions, one after the other: does it load after the imports of the packages around it? If
not, with what its package requires, or imports somewhere, imported before? If not, with what may
happen besides and cannot be told from the sources? Only what fails them all is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dllwhy import loader, packages
from dllwhy.imports import modules
from dllwhy.imports.process import Doubts, Imports, State
from dllwhy.loader import Closure
from dllwhy.packages import Package
from dllwhy.search import library_order
from dllwhy.windows import dll_name


@dataclass(frozen=True)
class Verdict:
    """What is known about the load of one module.

    Attributes:
        closure: the load, as far as it is known.
        untold: why it cannot be told whether it loads; empty if it can.
        notes: what has to be imported before.
        uncalled: what adds folders, but is not run by the import: it counts only if a missing DLL
            is somewhere in the environment.
    """

    closure: Closure
    untold: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether it is known not to load."""
        return not self.closure.loads and not self.untold

    def with_elsewhere(self, names: set[str]) -> Verdict:
        """Return the verdict, knowing which missing DLLs are somewhere in the environment."""
        missing = {dll_name(r.name) for r in self.closure.missing}
        if not missing or not self.uncalled or not missing <= names:
            return self
        reasons = (f"{what} adds folders, but the import does not run it" for what in self.uncalled)
        return replace(self, untold=(*self.untold, *reasons))


def judge(module: Path, imports: Imports, package: Package | None = None) -> Verdict:
    """Load an extension module, or a DLL of a package, after what is imported before it.

    Args:
        package: what it belongs to, where a package was asked for.
    """
    state = imports.before(module)
    closure = _load(module, state)
    if not closure.missing:
        return Verdict(closure)
    notes = []
    for top, why in _others(module, closure, imports, package):
        extended = imports.after(top, state)
        if extended == state:
            continue
        again = _load(module, extended)
        if len(again.missing) < len(closure.missing):
            closure, state = again, extended
            notes.append(f"with {top} imported before: {why}")
        if not again.missing:
            return Verdict(again, notes=tuple(notes))
    doubts = imports.doubts(module, state)
    return Verdict(
        closure, _untold(module, closure, doubts), tuple(notes), uncalled=doubts.uncalled
    )


def _load(module: Path, state: State) -> Closure:
    places = None
    if module.suffix.lower() == ".dll":
        places = library_order(module, None, state.environment)
    return loader.closure(module, state.environment, loaded=state.loaded, places=places)


def _others(
    module: Path, closure: Closure, imports: Imports, package: Package | None
) -> Iterator[tuple[str, str]]:
    """The packages that bring what is missing and are likely to be imported before, with why.

    These are the ones that the package requires, and those that its sources import.
    """
    environment = imports.environment
    names = {dll_name(resolution.name) for resolution in closure.missing}
    files = (file for name in names for file in packages.lying(name, environment))
    bringing = {top for file in files for top in packages.bringing(file, environment)}
    tops = frozenset(packages.top_names(module, environment))
    if package and package.tops:
        tops |= package.tops
    if not bringing - tops:
        return
    for top in packages.required_tops(tops, environment):
        if top in bringing - tops:
            bringing.discard(top)
            yield top, "it is required"
    for folder in environment.site_folders:
        for top in sorted(tops):
            for name, source in modules.imported_tops(folder / top).items():
                if name in bringing - tops:
                    yield name, f"{source} imports it"


def _untold(module: Path, closure: Closure, doubts: Doubts) -> tuple[str, ...]:
    if not doubts.reasons:
        return ()
    if doubts.unnamed or len(_load(module, doubts.state).missing) < len(closure.missing):
        return doubts.reasons
    return ()
