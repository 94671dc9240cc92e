"""faults - a small build, killed and fed with damaged files for as long as one likes.

    doit faults --minutes 60 [--seed N]   tests/faults/harness.py

It prints what it has done and found; the exit status is 1 where something went wrong.
"""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from doit.exceptions import TaskFailed

from tasks.core.project import Project


def create(project: Project) -> Iterator[dict[str, Any]]:
    """faults."""

    def run(minutes: str, seed: str) -> TaskFailed | None:
        command = [sys.executable, str(project.root / "tests" / "faults" / "harness.py")]
        options = ["--minutes", minutes, *(["--seed", seed] if seed else [])]
        done = subprocess.run([*command, *options], check=False)
        return TaskFailed("", report=False) if done.returncode else None

    yield {
        "basename": "faults",
        "doc": "kill a small build at random, feed it damaged files: --minutes N",
        "actions": [run],
        "params": [
            {"name": "minutes", "long": "minutes", "type": str, "default": "5",
             "help": "how long"},
            {"name": "seed", "long": "seed", "type": str, "default": "",
             "help": "a number that an earlier run has printed, for the same choices again"},
        ],
        "verbosity": 2,
        "uptodate": [False],
        "meta": {"tool": True},
    }  # fmt: skip
