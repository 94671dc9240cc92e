"""store - what was built once, for every clone and Python that shares the cache.

doit store           prints it: what, what made it, size, age
doit clean store     empties it; `doit clean` alone does not
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from doit.action import PythonAction

from tasks.core.display import screen
from tasks.core.project import Project
from tasks.core.store import Entry, Store, flat

_UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60))


def _age(seconds: float) -> str:
    """A time span in its largest unit."""
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return "just now"


def amount(entries: Sequence[Entry]) -> str:
    """How much there is, as in "2 entries, 31.2 MB"."""
    number = f"{len(entries)} entr{'y' if len(entries) == 1 else 'ies'}"
    return f"{number}, {sum(entry.size for entry in entries) / 1e6:.1f} MB" if entries else "empty"


def lines(entries: Sequence[Entry], now: float) -> list[str]:
    """Each entry: name, digest, size and age, and below it what made it."""
    found = []
    for entry in entries:
        age = _age(now - entry.made)
        found.append(f"{entry.key.name} {entry.key.digest}  {entry.size / 1e6:.1f} MB  {age}")
        found += [f"    {name}: {value}" for name, value in flat(entry.key.parts).items()]
    return found


class EmptyAction(PythonAction):  # type: ignore[misc]
    """Empties the store, and says beforehand what that is (`doit clean --dry-run store`)."""

    def __init__(self, store: Store):
        super().__init__(store.empty)
        self.store = store

    def __str__(self) -> str:
        entries = self.store.entries()
        return (
            f"remove {amount(entries)} in {self.store.folder}" if entries else "nothing to remove"
        )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """store."""
    store = Store(project.store, screen.print)

    def show() -> None:
        entries = store.entries()
        for line in [*lines(entries, time.time()), f"{store.folder}: {amount(entries)}"]:
            screen.print(line)

    yield {
        "basename": "store",
        "doc": f"libraries built before, for all clones: {amount(store.entries())}; "
        "doit clean store empties it",
        "actions": [show],
        "clean": [EmptyAction(store)],
        "verbosity": 2,
        "uptodate": [False],
        "meta": {"tool": True},
    }
