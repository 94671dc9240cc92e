"""One at a time in a clone: whoever changes a build folder holds its lock.

A run, `clean` and `forget` take it; questions, `list` and `info` do not need it.
"""

import os
from pathlib import Path

from tasks.core import orphans
from tasks.core.errors import BuildError, system_message

NAME = ".lock"


def acquire(build: Path) -> object:
    """Take the lock of a build folder, which is made if it is missing.

    Returns:
        what holds the lock for as long as it is kept.

    Raises:
        BuildError: somebody else has it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(build / NAME)
    try:
        build.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        orphans.watch(build)
    except Timeout:
        raise BuildError(
            "another doit is at work in this clone; wait for it to end, then run doit again"
        ) from None
    except OSError as error:
        if (build / NAME).is_dir():
            raise BuildError(f"{build / NAME} is a folder; remove it") from error
        raise BuildError(f"nothing can be built here: {system_message(error)}") from error
    return lock


def is_held(build: Path) -> bool:
    """Whether a run is at work in this clone."""
    from filelock import FileLock, Timeout

    if not (build / NAME).is_file():
        return False
    try:
        with FileLock(build / NAME).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def writable(build: Path) -> bool:
    """Whether the build folder is there, or can be made, and may be written."""
    try:
        build.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(build, os.W_OK)
