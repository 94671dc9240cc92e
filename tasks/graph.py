"""The whole graph in the order of the work, and doit's settings for it."""

import os
from collections.abc import Iterator
from typing import Any

from doit.exceptions import InvalidDodoFile

from tasks import (
    activate,
    bench,
    build,
    bundle,
    commands,
    dist,
    dlls,
    environment,
    extract,
    faults,
    fetch,
    install,
    inventory,
    libs,
    lock,
    new_recipe,
    outdated,
    prereqs,
    proof,
    questions,
    report,
    reproduce,
    source,
    store,
    toolchain,
    upstream,
    verify,
    wheel,
)
from tasks.core.display import prepare_output
from tasks.core.errors import BuildError
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
    dist,
    proof,
    reproduce,
    build,
    new_recipe,
    inventory,
    questions,
    store,
    lock,
    outdated,
    bundle,
    faults,
)

# In the order in which doit starts what is ready: the compiler and what it builds take longest, and
# the network and Wine have time beside them.
DEFAULT_TASKS = [
    "prereqs", "toolchain", "libs", "env", "fetch", "extract", "source", "wheel", "install",
    "dlls", "verify:closure", "verify:import", "verify:roundtrip",
]  # fmt: skip


def tasks_of(project: Project) -> Iterator[dict[str, Any]]:
    """All tasks of a project, in the order in which `doit list` shows them."""
    tasks = [task for module in STAGES for task in module.create(project)]
    yield from [*tasks, *report.create(project, tasks), *bench.create(project, tasks)]


def task_graph() -> Iterator[dict[str, Any]]:
    """All tasks of this clone; doit finds this function by its name."""
    yield from tasks_of(project())


def doit_config() -> dict[str, Any]:
    """DOIT_CONFIG: https://pydoit.org/configuration.html"""
    prepare_output()
    commands.guard(project())
    try:
        state = commands.state_file(project())
    except BuildError as error:
        raise InvalidDodoFile(error.message) from error
    return {
        "default_tasks": DEFAULT_TASKS,
        "backend": "sqlite3",
        "dep_file": state,
        "reporter": Reporter,
        "par_type": "thread",
        # More than there are processors: downloads and installations wait most of the time.
        "num_process": max(4, min(8, os.cpu_count() or 4)),
        "cleanforget": True,
        "sort": "definition",
        "verbosity": 0,
    }
