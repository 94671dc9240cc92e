"""outdated - what a new lock would change, and which bounds hold something back.

    envs/ffcv.in --uv, from nothing--> what is newest        beside envs/zig-cp3XX.txt
    the same without its bounds        what bounds hold back

It writes nothing. Whether the newest works is told by `doit lock`, and the whole run after it.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.lock import Lock, compile_lock, locks
from tasks.tool import tool

_PINNED = re.compile(r"^(?P<name>[\w.-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)


def pinned(text: str) -> dict[str, str]:
    """The packages of a lock: name -> version."""
    return {match["name"]: match["version"] for match in _PINNED.finditer(text)}


def without_bounds(text: str) -> str:
    """A list of requirements with the names only; markers stay, they say for whom a line is."""
    from packaging.requirements import Requirement

    lines = []
    for line in text.splitlines():
        wanted = line.partition("#")[0].strip()
        if wanted:
            requirement = Requirement(wanted)
            extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
            marker = f" ; {requirement.marker}" if requirement.marker else ""
            lines.append(f"{requirement.name}{extras}{marker}")
    return "\n".join(lines) + "\n"


def changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """What differs between two locks, in words."""
    told = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before != after:
            told.append(f"{name} {before or '(new)'} -> {after or '(gone)'}")
    return told


def _newest(lock: Lock, text: str, project: Project, job: Job) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as temporary:
        source, made = Path(temporary, lock.source.name), Path(temporary, lock.file.name)
        source.write_text(text, encoding="utf-8")
        compile_lock(source, made, lock.options, project.cache, False, job)
        return pinned(made.read_text(encoding="utf-8"))


def outdated(project: Project) -> bool:
    """Print what is newer than the locks of the environment.

    Returns:
        whether they are what a new lock would be, and no bound holds anything back.
    """
    if project.offline:
        raise BuildError("what is newest is asked of the package index; run it without offline=1")
    job = Job(
        "outdated", project.log("outdated"), lambda d, t: None, lambda t: None, lambda t: None
    )
    current = True
    for lock in locks(project).values():
        if lock.source.suffix != ".in":
            continue  # a runner's bounds are pins, each with its reason
        text = lock.source.read_text(encoding="utf-8")
        newest = _newest(lock, text, project, job)
        free = _newest(lock, without_bounds(text), project, job)
        newer = changes(pinned(lock.file.read_text(encoding="utf-8")), newest)
        held = changes(newest, free)
        current = current and not newer and not held
        print(f"{project.shown(lock.file)}: {', '.join(newer) or 'nothing is newer'}")
        if held:
            print(f"    held back by bounds in {project.shown(lock.source)}: {', '.join(held)}")
    if not current:
        print('To try the newest: "doit lock", then "doit" for each Python; git has the old ones.')
    return current


def create(project: Project) -> Iterator[dict[str, Any]]:
    """outdated."""
    yield tool(
        project, "outdated", "what is newer than the locks, and what holds it back", outdated
    )
