"""The shape that all stages share, between doit and the functions that do the work.

    stage(...) -> a doit task: file_dep = manifests of what it needs, target = its own manifest
    work(job)  -> Made         the pure part; never sees doit

The action runs `work`, writes the manifest last, and turns a `BuildError` into a failed
task without a traceback. The task is stale when its manifest's files are not what they
were, when its settings changed, or when the manifest of something it needs changed.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from doit.action import BaseAction, PythonAction
from doit.exceptions import TaskError, TaskFailed
from doit.tools import config_changed
from pydantic import BaseModel

from dllwhy.errors import DiagnosisError
from tasks.core import display, manifest
from tasks.core.errors import BuildError, system_message
from tasks.core.files import is_inside, remove, temporary_for
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project

Work = Callable[[Job], Made]


class StageAction(BaseAction):  # type: ignore[misc]
    """Runs the work of a stage.

    doit's own PythonAction swaps sys.stdout for the time of a call, which mixes up the
    output of tasks that run at the same time in threads; this one leaves it alone.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        log: Path,
        made_from: Callable[[], str],
        path: Path,
        state: Path,
    ):
        self.name = name
        self.work = work
        self.log = log
        self.made_from = made_from
        self.path = path
        self.state = state
        self.task: Any = None
        self.out: str | None = None
        self.err: str | None = None
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.name} -> {self.path.name}"

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed | TaskError | None:
        """Called by doit; returns None or the failure."""
        job = Job(
            name=self.name,
            log=self.log,
            progress=partial(display.screen.progress, self.name),
            line=partial(display.screen.line, self.name),
            warn=partial(display.screen.warn, self.name),
        )
        try:
            earlier = manifest.read(self.path)
            if earlier and self.task and self._was_made_before_a_kill():
                return None
            if earlier:
                # From here on until the work is done it vouches for nothing.
                manifest.write(self.path, replace(earlier, status=manifest.UNFINISHED))
            self.log.unlink(missing_ok=True)
            made = self.work(job)
            details = {"made_from": self.made_from(), **made.details}
            manifest.write(self.path, replace(made, details=details))
        except BuildError as error:
            return failed(error)
        except DiagnosisError as error:
            return failed(BuildError(error.message))
        except Exception as error:
            if said := system_message(error):
                return failed(BuildError(f'{said}, then run "doit {self.name}" again'))
            return TaskError("a defect of this project, not of what you did:", error)
        return None

    def is_made(self) -> bool:
        """Whether this work is done, whole and from the same inputs."""
        made = manifest.read(self.path)
        return (
            made is not None
            and made.details.get("made_from") == self.made_from()
            and manifest.damage(self.path) is None
        )

    def _was_made_before_a_kill(self) -> bool:
        """Whether a run that was killed has done this work.

        doit writes its database when a run ends; a killed run leaves manifests of which doit knows
        nothing.
        """
        return (
            self.is_made()
            and all(Path(target).exists() for target in self.task.targets)
            and not _succeeded(self.state, self.name)
        )


def _succeeded(state: Path, name: str) -> bool:
    """Whether doit's database knows of a success of this task."""
    try:
        with contextlib.closing(sqlite3.connect(state)) as database:
            asked = database.execute("select 1 from doit where task_id = ?", (name,))
            return asked.fetchone() is not None
    except sqlite3.Error:
        return True


def failed(error: BuildError) -> TaskFailed:
    """A doit failure that keeps the error for the reporter."""
    failure = TaskFailed(error.message)
    failure.build_error = error
    return failure


def made_now(task: Mapping[str, Any]) -> bool:
    """Do the work of a stage outside of the graph, if it is not done; returns whether it was.

    Args:
        task: what `stage` returned. What it needs has to be there.

    Raises:
        BuildError: it failed.
    """
    [action] = task["actions"]
    if action.is_made():
        return False
    failure = action.execute()
    if failure is not None:
        raise getattr(failure, "build_error", None) or BuildError(str(failure))
    return True


class CleanAction(PythonAction):  # type: ignore[misc]
    """Removes what a stage made, and says beforehand what that is (`doit clean --dry-run`).

    Whatever a manifest says, nothing outside of `homes` is removed: it may be damaged, or an old
    one of another clone.

    Args:
        paths: files and folders that are the stage's own.
        path: its manifest; files listed there that lie in folders of others are removed too.
        homes: the folders in which stages make what they make.
        shown: how to show a path.
    """

    def __init__(
        self, paths: Sequence[Path], path: Path, homes: Sequence[Path], shown: Callable[[Path], str]
    ):
        super().__init__(self.remove)
        self.paths = [*paths, path]
        self.path = path
        self.homes = homes
        self.shown = shown

    def _at_home(self, path: Path) -> bool:
        return any(is_inside(path, home) for home in self.homes)

    def _own(self) -> list[Path]:
        """The stage's own paths that are there, and what a killed run left beside them."""
        named = [p for path in self.paths for p in (path, temporary_for(path))]
        return [path for path in named if os.path.lexists(path) and self._at_home(path)]

    def _listed(self) -> tuple[Path, list[Path]]:
        """The manifest's root, and the files listed there that are in none of `paths`."""
        made = manifest.read(self.path)
        if made is None or made.root is None:
            return self.path.parent, []
        files = [made.root / name for name in made.files]
        owned = set(self.paths)
        others = [f for f in files if owned.isdisjoint((f, *f.parents)) and os.path.lexists(f)]
        return made.root, [file for file in others if self._at_home(file)]

    def __str__(self) -> str:
        there = [self.shown(path) for path in self._own()]
        root, files = self._listed()
        if files:
            there.append(f"{len(files)} file{'s' * (len(files) > 1)} in {self.shown(root)}")
        return "remove " + ", ".join(there) if there else "nothing to remove"

    def remove(self) -> None:
        """Remove what is there, and folders that are empty then."""
        root, files = self._listed()
        for file in files:
            remove(file)
        for folder in sorted({p for f in files for p in f.parents if root in p.parents})[::-1]:
            cache = folder / "__pycache__"  # Python's, of modules that are gone
            if cache.is_dir() and [*folder.iterdir()] == [cache]:
                remove(cache)
            with contextlib.suppress(OSError):
                folder.rmdir()
        for path in self._own():
            remove(path)


def _plain(settings: Any) -> Any:
    """Settings as JSON-able data."""
    if isinstance(settings, BaseModel):
        return settings.model_dump(mode="json")
    if isinstance(settings, Mapping):
        return {str(key): _plain(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [_plain(value) for value in settings]
    if isinstance(settings, Path):
        return str(settings)
    return settings


def _made_from(settings: Any, files: Sequence[Path]) -> str:
    """A digest of everything that went into a stage, kept in its manifest."""
    inputs = {path.name: manifest.sha256_of(path) for path in files}
    text = json.dumps([settings, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stage(
    project: Project,
    name: str,
    doc: str,
    work: Work,
    *,
    settings: Any,
    recipe: int = 1,
    needs: Sequence[str] = (),
    files: Sequence[Path] = (),
    targets: Sequence[Path] = (),
    owns: Sequence[Path] = (),
    after: Sequence[str] = (),
    home: Path | None = None,
) -> dict[str, Any]:
    """A doit task for one stage.

    Args:
        project: what is built.
        name: full task name, as in "libs:opencv".
        doc: the line in `doit list`.
        work: does it, and returns what was made.
        settings: the slice of the configuration that the work reads.
        recipe: raise it when the code changed so that old results are wrong.
        needs: tasks whose manifests are inputs.
        files: further input files.
        targets: files worth naming in `doit info`, beside the manifest.
        owns: what `doit clean` removes, beside manifest and log.
        after: tasks that must run before, without being inputs.
        home: the folder in which it makes what it makes, where that is not the build folder.
    """
    path = project.manifest(name)
    inputs = [*(project.manifest(need) for need in needs), *files]
    slice_ = _plain({"recipe": recipe, "settings": settings})

    homes = (home or project.build,)

    def intact(task: Any, values: Any) -> bool:
        made = manifest.read(path)
        elsewhere = made and made.root and not any(made.root.is_relative_to(h) for h in homes)
        return not elsewhere and manifest.damage(path) is None

    basename, _, subname = name.partition(":")
    return {
        "basename": basename,
        **({"name": subname} if subname else {}),
        "doc": doc,
        "actions": [
            StageAction(
                name,
                work,
                project.log(name),
                lambda: _made_from(slice_, inputs),
                path,
                project.state,
            )
        ],
        "file_dep": [str(file) for file in inputs],
        "targets": [str(path), *(str(target) for target in targets)],
        "uptodate": [config_changed(slice_), intact],
        "task_dep": list(after),
        "clean": [
            CleanAction([*owns, project.log(name)], path, (project.build, *homes), project.shown)
        ],
        "meta": {"manifest": path},
    }
