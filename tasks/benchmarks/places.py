"""Where what is measured runs: the Windows Python, and a Python of the host with the same packages.

envs/bench.txt -> build/.../bench/rivals   simplejpeg and SPDL, for the Windows Python
               -> build/.../bench/native/venv   the same beside the packages of the environment
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import verify
from tasks.core import host, manifest, process
from tasks.core.config import PortableEnvironment
from tasks.core.errors import BuildError
from tasks.core.files import made_whole, remove_tree
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.proof import constraints
from tasks.pythons import portable, windows_python, wine

LOCK = "envs/bench.txt"
# Everybody has one thread, unless it is the number of threads that is compared: OpenCV 4.6,
# modules/core/src/parallel.cpp; OpenMP and MKL in torch.
ONE_THREAD = {"OPENCV_FOR_THREADS_NUM": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TIMEOUT = 3600


@dataclass(frozen=True)
class Place:
    """A Python in which something is measured.

    Args:
        name: as in "Windows Python under Wine".
        run: called with a script of tasks/checks and its settings; returns the JSON object that it
            printed. Paths in the settings are shown as it sees them.
    """

    name: str
    run: Callable[[str, Mapping[str, Any]], dict[str, Any]]


def folder(project: Project) -> Path:
    """Where everything of the benchmarks is."""
    return project.build / "bench"


def _outcome(script: str, lines: Sequence[str], status: int, job: Job) -> dict[str, Any]:
    outcome = windows_python.last_json(lines)
    if outcome is None or status:
        last = next((line for line in reversed(lines) if line.strip()), f"exit status {status}")
        raise BuildError(f"{script}: {last}", log=job.log, tail=tuple(lines[-3:]))
    return outcome


def _shown(value: Any, show: Callable[[Path], str]) -> Any:
    """Settings, with paths as text."""
    if isinstance(value, Path):
        return show(value)
    if isinstance(value, Mapping):
        return {name: _shown(each, show) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(each, show) for each in value]
    return value


def windows(project: Project, job: Job) -> Place:
    """The Windows Python of this build, with the rivals beside it.

    Raises:
        BuildError: it is not there, or cannot be started here.
    """
    if not (project.environment / "python.exe").is_file():
        raise BuildError('the Windows environment has not been built yet; run "doit" first')
    if not windows_python.HERE.available():
        raise BuildError(f"no Windows program can be started here; {wine.INSTALL_HINT}")
    rivals = folder(project) / "rivals"
    _install_once(
        rivals,
        project.root / LOCK,
        lambda to: portable.install_for_windows(
            ["--no-deps", "--require-hashes", "--requirements", project.root / LOCK],
            to,
            project.target,
            project.cache,
            project.offline,
            job,
        ),
    )
    show = windows_python.HERE.path

    def run(script: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        finished, lines = windows_python.run(
            project,
            [verify.CHECKS / script, json.dumps(_shown(settings, show))],
            job, timeout=TIMEOUT, cwd=folder(project),
            variables={**ONE_THREAD, "PYTHONPATH": show(rivals)},
        )  # fmt: skip
        return _outcome(script, lines, finished.status, job)

    under = " under Wine" if windows_python.HERE.needs_wine else ""
    return Place(f"Windows{under}", run)


def _install_once(target: Path, lock: Path, install: Callable[[Path], None]) -> None:
    """Fill a folder, unless it holds what the lock says."""
    stamp, wanted = target / "lock.sha256", manifest.sha256_of(lock)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    remove_tree(target)
    with made_whole(target) as unfinished:
        unfinished.mkdir(parents=True, exist_ok=True)
        install(unfinished)
        (unfinished / "lock.sha256").write_text(wanted, encoding="utf-8")


def native(project: Project, packages: Sequence[str], job: Job, venv: str = "venv") -> Place:
    """A Python of the host, with the versions that the Windows environment has.

    Args:
        packages: names; what they need comes with them.
        venv: the name of its virtual environment.

    Raises:
        BuildError: there is no lock for the Python that runs doit.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = project.config.profiles["zig"].environment
    assert isinstance(environment, PortableEnvironment)
    locked = environment.pythons.get(version)
    if locked is None:
        raise BuildError(f"there is no list of packages for Python {version}, which runs doit")
    pins = constraints(project.root / locked.requirements)
    root = folder(project) / "native" / venv
    stamp = root / "packages.json"
    wanted = [*sorted(packages), manifest.sha256_of(project.root / LOCK), *pins]
    if not stamp.is_file() or json.loads(stamp.read_text(encoding="utf-8")) != wanted:
        shutil.rmtree(root, ignore_errors=True)
        held = folder(project) / "native" / "constraints.txt"
        held.parent.mkdir(parents=True, exist_ok=True)
        held.write_text("\n".join(pins) + "\n", encoding="utf-8")
        uv = host.runner_program("uv")
        offline = ["--offline"] if project.offline else []
        install: list[str | Path] = [
            uv,
            "pip",
            "install",
            *offline,
            "--python",
            root / "bin" / "python",
        ]
        commands: list[list[str | Path]] = [
            [uv, "venv", "--python", sys.executable, root],
            [*install, "--constraint", held, *packages],
            [*install, "--require-hashes", "--no-deps", "--requirements", project.root / LOCK],
        ]
        for command in commands:
            process.run(
                command, log=job.log, cwd=held.parent,
                env=portable.uv_environment(project.cache), line=job.line,
            )  # fmt: skip
        manifest.write_json(stamp, wanted)
    site = folder(project) / "native" / "site"

    def run(script: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        lines: list[str] = []

        def keep(line: str) -> None:
            lines.append(line)
            job.line(line)

        finished = process.run(
            [root / "bin" / "python", verify.CHECKS / script, json.dumps(_shown(settings, str))],
            log=job.log, cwd=folder(project), timeout=TIMEOUT, check=False, line=keep,
            env=host.environment({**ONE_THREAD, "PYTHONPATH": str(site), "PYTHONUTF8": "1"}),
        )  # fmt: skip
        return _outcome(script, lines, finished.status, job)

    return Place("Linux", run)
