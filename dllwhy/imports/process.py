"""What a process holds when an extension module is imported, with all that was imported before.

    Imports(environment)            reads sources as they are needed, each package once
      .before(module)  -> State     the folders, the PATH and the DLLs that the module finds
      .doubts(module)  -> Doubts    what may be besides, and cannot be told from here

The events come from the sources (`evaluate`), or from a run that was observed (`dllwhy.observe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dllwhy import loader
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment
from dllwhy.imports import modules
from dllwhy.imports.evaluate import Evaluator
from dllwhy.imports.events import Event
from dllwhy.imports.values import Raised
from dllwhy.resolution import Loaded
from dllwhy.search import library_order, look
from dllwhy.windows import dll_name


@dataclass(frozen=True)
class State:
    """A process: where it looks for DLLs, and the modules in it, by `dll_name`."""

    environment: Environment
    loaded: Mapping[str, Loaded]


@dataclass(frozen=True)
class Doubts:
    """What cannot be told from the sources.

    Attributes:
        state: the process if all of it takes place that can be named.
        reasons: why it is not known, each with its place in the sources.
        unnamed: of a folder or a DLL not even the name is known. Those of another package, such as
            CUDA's folders that torch looks for, are for that package's own DLLs and do not count.
        uncalled: functions and modules that add folders, and that the import does not run.
    """

    state: State
    reasons: tuple[str, ...]
    unnamed: bool
    uncalled: tuple[str, ...]


def apply(events: Iterable[Event], state: State, *, doubtful: bool = False) -> State:
    """Return the process after `events`; those in doubt count only if `doubtful`."""
    environment = state.environment
    loaded = state.loaded
    for event in events:
        if event.doubt and not (doubtful and event.path):
            continue
        path = event.path
        folders = environment.added_directories
        if event.kind == "add" and path:
            environment = replace(environment, added_directories=(path, *folders))
        elif event.kind == "close" and path in folders:
            index = folders.index(path)
            left = (*folders[:index], *folders[index + 1 :])
            environment = replace(environment, added_directories=left)
        elif event.kind == "set":
            environment = replace(environment, dll_directory=path)
        elif event.kind == "path" and path:
            environment = replace(environment, path=(path, *environment.path))
        elif event.kind in ("load", "import") and path:
            loaded = _loaded(event, environment, loaded)
    return State(environment, loaded)


def _loaded(
    event: Event, environment: Environment, loaded: Mapping[str, Loaded]
) -> Mapping[str, Loaded]:
    file = event.path
    assert file is not None
    is_bare = event.kind == "load" and len(file.parts) == 1
    if is_bare:
        if dll_name(file.name) in loaded:
            return loaded
        places = library_order(None, event.winmode, environment)
        looked = (look(rule, folder, dll_name(file.name), environment) for rule, folder in places)
        found = next((place.found for place in looked if place.outcome == "found"), None)
        if found is None:  # Windows' own, or not there
            return loaded
        file = found
    elif event.kind == "load":
        places = library_order(file, event.winmode, environment)
    else:
        places = None
    try:
        return loader.closure(file, environment, loaded=loaded, places=places).loaded
    except DiagnosisError:  # no PE file
        return loaded


class Imports:
    """The imports of an environment's packages, each evaluated once.

    Args:
        start: the process before the first import.
        observed: the events of a run, instead of those that the sources tell of.
    """

    def __init__(self, start: State, observed: Sequence[Event] | None = None):
        self.environment = start.environment
        self._observed = observed
        self._evaluated: dict[str, Evaluator] = {}
        self._states: dict[str, list[State]] = {}
        begin = Evaluator(self.environment)
        for name in modules.startup_modules(self.environment):
            _load(begin, name)
        self.start = apply(begin.events, start)

    def before(self, module: Path) -> State:
        """Return the process in which an extension module, or a package's DLL, is loaded.

        Its packages are imported before it, and with them what they import and load. Where they
        import the module themselves, it is the process at that point.
        """
        events, states = self._story(self.package_of(module))
        for index, event in enumerate(events):
            if event.kind in ("import", "load") and event.path == module and not event.doubt:
                return states[index]
        return states[-1]

    def after(self, top: str, state: State | None = None) -> State:
        """Return the process after `import top`, in a fresh one or in that of `state`."""
        return apply(self._events(top), state) if state else self._story(top)[1][-1]

    def loads(self, top: str) -> tuple[Path, ...]:
        """Return the files that `import top` loads by their path, in order."""
        events, _ = self._story(top)
        return tuple(dict.fromkeys(
            event.path for event in events
            if event.kind == "load" and event.path and event.path.is_absolute()
        ))  # fmt: skip

    def doubts(self, module: Path, state: State) -> Doubts:
        """Return what may bring DLLs into play besides those of `state`."""
        name = self.package_of(module)
        events, _ = self._story(name)
        unsure = [event for event in events if event.doubt]
        reasons = (f"{event.where}: {event.doubt}" for event in unsure)
        evaluator = self._evaluated.get(name)
        return Doubts(
            apply(unsure, state, doubtful=True),
            tuple(dict.fromkeys(reasons)),
            any(_is_unnamed(event, name.partition(".")[0]) for event in unsure),
            tuple(evaluator.uncalled()) if evaluator else (),
        )

    def package_of(self, module: Path) -> str:
        """Return the package, "a.b", whose import comes before that of a module in it.

        Of the packages around it, only those whose source counts for the DLL search make a
        difference.
        """
        for folder in self.environment.site_folders:
            if folder not in module.parents:
                continue
            first, *rest = module.relative_to(folder).parts
            top = first.partition(".")[0]
            inner = rest[:-1] if top == first else []
            while inner and not modules.counts(folder / top, inner):
                inner.pop()
            return ".".join([top, *inner])
        return ""

    def _story(self, name: str) -> tuple[Sequence[Event], list[State]]:
        """The events of importing a package, and the process before each and after all."""
        if name not in self._states:
            events = self._events(name)
            states = [self.start]
            for event in events:
                states.append(apply([event], states[-1]))
            self._states[name] = states
        return self._events(name), self._states[name]

    def _events(self, name: str) -> Sequence[Event]:
        if self._observed is not None:
            return self._observed
        if name not in self._evaluated:
            top = name.partition(".")[0]
            evaluator = Evaluator(self.environment, {top})
            if name:
                _load(evaluator, name)
            self._evaluated[name] = evaluator
        return self._evaluated[name].events


def _is_unnamed(event: Event, top: str) -> bool:
    """Whether a package adds or loads something of which not even the name is known."""
    unknown = event.path is None and event.kind in ("add", "load")
    return unknown and event.where.partition(":")[0].partition("/")[0] in (top, f"{top}.py")


def _load(evaluator: Evaluator, name: str) -> None:
    with suppress(Raised):  # what came before it counts all the same
        evaluator.load(name)
