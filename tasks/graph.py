"""The whole graph in the order of the work, and doit's settings for it."""

import os
from collections.abc import Iterator
from typing import Any

from tasks import (
    activate,
    dlls,
    environment,
    extract,
    fetch,
    install,
    libs,
    lock,
    prereqs,
    questions,
    source,
    store,
    toolchain,
    upstream,
    verify,
    wheel,
)
from tasks.core.display import show_what_can_be_shown
from tasks.core.project import Project, project
from tasks.reporter import Reporter

STAGES = (
    prereqs,
    fetch,
    extract,
    toolchain,
    environment,
    libs,
    source,
    wheel,
    activate,
    install,
    dlls,
    verify,
    upstream,
    questions,
    store,
    lock,
)

# In the order in which doit starts what is ready: the compiler and what it builds take longest, and
# the network and Wine have time beside them.
DEFAULT_TASKS = [
    "prereqs", "toolchain", "libs", "env", "fetch", "extract", "source", "wheel", "install",
    "dlls", "verify:closure", "verify:import", "verify:roundtrip",
]  # fmt: skip


def tasks_of(project: Project) -> Iterator[dict[str, Any]]:
    """All tasks of a project, in the order in which `doit list` shows them."""
    for module in STAGES:
        yield from module.create(project)


def task_graph() -> Iterator[dict[str, Any]]:
    """All tasks of this clone; doit finds this function by its name."""
    yield from tasks_of(project())


def doit_config() -> dict[str, Any]:
    """DOIT_CONFIG: https://pydoit.org/configuration.html"""
    show_what_can_be_shown()
    project().build.mkdir(parents=True, exist_ok=True)
    return {
        "default_tasks": DEFAULT_TASKS,
        "backend": "sqlite3",
        "dep_file": str(project().state),
        "reporter": Reporter,
        "par_type": "thread",
        # More than there are processors: downloads and installations wait most of the time.
        "num_process": max(4, min(8, os.cpu_count() or 4)),
        "cleanforget": True,
        "sort": "definition",
        "verbosity": 0,
    }
