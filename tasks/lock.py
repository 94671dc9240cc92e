"""lock:NAME - from a short list of requirements to one with every version and hash.

    envs/ffcv.in     --uv--> envs/zig-cp311.txt  what the Windows environment holds
    pyproject.toml   --uv--> envs/runner.txt     what runs doit, on every OS
    envs/release.in  --uv--> envs/release.txt    what checks wheels that are given away
    envs/bench.in    --uv--> envs/bench.txt      whom FFCV is measured against

Plain requirements files are committed: they name no index. Run again to pick up a change
of the lists; versions that still fit stay as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import host, process
from tasks.core.config import PortableEnvironment
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons.portable import UV_PLATFORM, uv_environment
from tasks.stage import stage


def compile_lock(
    source: Path, lock: Path, options: list[str], cache: Path, offline: bool, job: Job
) -> Made:
    """Resolve `source` into `lock`, with hashes.

    Args:
        options: what to resolve for, in uv's words.
        offline: use nothing but uv's cache.
    """
    process.run(
        [
            host.runner_program("uv"), "pip", "compile", source.name,
            "--generate-hashes", "--quiet",
            "--no-emit-index-url", "--no-emit-find-links",
            "--custom-compile-command", "doit lock",
            *options,
            *(["--offline"] if offline else []),
            "--output-file", lock,
        ],
        log=job.log, cwd=source.parent, env=uv_environment(cache), line=job.line,
    )  # fmt: skip
    pinned = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    return Made(f"{pinned} packages pinned", where=lock)


@dataclass(frozen=True)
class Lock:
    """One lock: the list that it is made from, its file, and what to resolve for."""

    source: Path
    file: Path
    options: list[str]


def locks(project: Project) -> dict[str, Lock]:
    """The locks of a project, and of the profile's Pythons, by name."""
    envs = project.root / "envs"
    universal = ["--universal", "--python-version", "3.11"]
    found = {
        "runner": Lock(
            project.root / "pyproject.toml", envs / "runner.txt", [*universal, "--extra", "test"]
        ),
        "release": Lock(envs / "release.in", envs / "release.txt", universal),
    }
    # What a conda environment holds is resolved where it is made.
    environment = project.profile.environment
    if isinstance(environment, PortableEnvironment):
        for version, python in environment.pythons.items():
            file = project.root / python.requirements
            options = ["--python-platform", UV_PLATFORM, "--python-version", version]
            found[file.stem] = Lock(project.root / environment.requirements_in, file, options)
    return found


def create(project: Project) -> Iterator[dict[str, Any]]:
    """lock:runner, lock:release, and one lock for each Windows Python of the profile."""
    yield {
        "basename": "lock",
        "name": None,
        "doc": "resolve envs/*.in into hash-locked requirements",
    }
    for name, lock in locks(project).items():
        task = stage(
            project,
            f"lock:{name}",
            f"resolve {lock.source.name} into {lock.file.name}",
            partial(
                compile_lock, lock.source, lock.file, lock.options, project.cache, project.offline
            ),
            settings=lock.options,
        )
        yield {**task, "uptodate": [False], "targets": []}
