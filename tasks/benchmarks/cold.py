"""A cold run in a copy of the clone: its time beside its critical path, and its memory.

The cache of downloads and libraries is the one that all clones share: what is measured is the
graph, not the network.
"""

import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.benchmarks import places
from tasks.benchmarks.measure import Row, rows
from tasks.bundle import copy_clone
from tasks.core import host, process, times
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.project import Project

_PAUSE = 0.1  # seconds between two looks at the memory
# Their memory is their own affair.
_COMPILERS = ("zig", "cl", "link", "clang", "gcc", "g++", "ninja", "nasm", "lld")


class Memory:
    """Watches what this process's children take, for as long as a with-block lasts.

    Attributes:
        peak: the highest sum of their resident memory, without compilers, in bytes.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        this = psutil.Process()
        while not self._over.wait(_PAUSE):
            total = 0
            for child in this.children(recursive=True):
                try:
                    if child.name().lower().removesuffix(".exe") not in _COMPILERS:
                        total += child.memory_info().rss
                except psutil.Error:  # it is over
                    continue
            self.peak = max(self.peak, total)


def critical_path(
    taken: Mapping[str, float], needs: Mapping[str, Sequence[str]]
) -> tuple[float, list[str]]:
    """The longest chain of tasks: no number of processors makes a run shorter.

    Args:
        taken: task -> seconds.
        needs: task -> the tasks that it waits for.

    Returns:
        seconds, and the tasks from first to last.
    """
    known: dict[str, tuple[float, list[str]]] = {}

    def longest(name: str) -> tuple[float, list[str]]:
        if name not in known:
            before = max((longest(need) for need in needs.get(name, ())), default=(0.0, []))
            known[name] = (before[0] + taken.get(name, 0.0), [*before[1], name])
        return known[name]

    return max((longest(name) for name in taken), default=(0.0, []))


def run(
    project: Project, settings: Sequence[str], needs: Mapping[str, Sequence[str]], job: Job
) -> tuple[list[Row], dict[str, Any]]:
    """Run the graph from nothing up to `dlls`.

    Args:
        settings: doit's arguments for the same profile, Python and cache.
        needs: task -> the tasks that it waits for.

    Raises:
        BuildError: the run failed.
    """
    folder = places.folder(project) / "cold"
    remove_tree(folder)
    copy_clone(project.root, folder)
    started = time.perf_counter()
    with Memory() as memory:
        finished = process.run(
            [sys.executable, "-m", "doit", *settings, "dlls"],
            log=job.log, cwd=folder, env=host.environment({"CI": "1"}), check=False,
        )  # fmt: skip
    wall = time.perf_counter() - started
    if finished.status:
        raise BuildError("the cold run failed", log=job.log, tail=finished.tail)
    taken = times.read(folder / project.build.relative_to(project.root))
    longest, path = critical_path(taken, needs)
    shutil.rmtree(folder, ignore_errors=True)
    what = "doit dlls from nothing, cache filled"
    found = rows(what, "s", {"critical path": [longest], "the run": [wall]}, "critical path")
    peak = round(memory.peak / 1e6)
    found += rows(f"{what}: peak memory without compilers", "MB", {"doit and all": [peak]}, "")
    return found, {"critical path": path, "sum of all tasks": round(sum(taken.values()), 1)}
