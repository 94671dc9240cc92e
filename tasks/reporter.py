"""doit's reporter: live output, failures that say what to do, a summary at the end."""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doit.exceptions import BaseFail, InvalidTask

from tasks.core import arguments, manifest, run_lock, times
from tasks.core.display import screen
from tasks.core.errors import BuildError
from tasks.core.project import SETTINGS, Project, project

# Groups whose tasks are too many to have a row each.
FOLDED = ("fetch", "extract")


class Row:
    """A line of the summary."""

    def __init__(self, name: str, result: str, seconds: float | None, made: manifest.Made | None):
        self.name = name
        self.result = result
        self.seconds = seconds
        self.made = made


class Reporter:
    """Called by doit, from the threads that run tasks as well."""

    desc = "live output and a summary of every stage"

    def __init__(self, outstream: Any, options: Any):
        self.rows: dict[str, Row] = {}
        self.answered = False  # a question was asked, and its answer stands on the screen
        self.failed: list[tuple[Any, BaseFail]] = []
        self.errors: list[str] = []
        self.selected: list[str] = []
        self.started = time.monotonic()
        self._lock: object = None  # held until this process ends
        self._mutex = threading.Lock()

    def initialize(self, tasks: Any, selected: list[str]) -> None:
        """The run begins: one at a time in a clone."""
        self.selected = list(selected or [])
        if self.selected and all(_only_asks(tasks[name]) for name in self.selected):
            return  # a question may be asked while a build goes on
        try:
            self._lock = run_lock.acquire(project().build)
        except BuildError as error:
            raise InvalidTask(error.message) from error

    def get_status(self, task: Any) -> None:
        """doit is about to look whether a task is up to date."""

    def execute_task(self, task: Any) -> None:
        """A task begins (called from its thread)."""
        if task.actions and not _is_tool(task):
            screen.start(task.name)

    def add_success(self, task: Any) -> None:
        """A task has been executed."""
        if not task.actions or _is_tool(task):
            self.answered |= _is_tool(task)
            return
        made = _made(task)
        seconds = screen.finish(task.name, summary=made.summary if made else "")
        self._row(task, made.status if made else "done", seconds, made)

    def skip_uptodate(self, task: Any) -> None:
        """A task had nothing to do."""
        if task.actions:
            made = _made(task)
            not_run = made is not None and made.status != "done"
            self._row(task, made.status if made and not_run else "up to date", None, made)

    def skip_ignore(self, task: Any) -> None:
        """The user told doit to ignore a task."""
        self._row(task, "ignored", None, None)

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """A task has failed."""
        self.answered |= _is_tool(task)
        if _is_tool(task) and not fail.report:
            return  # the answer was no, and it has been printed
        seconds = screen.finish(task.name, failed=True)
        self.failed.append((task, fail))
        self._row(task, "failed", seconds, None)

    def _row(self, task: Any, result: str, seconds: float | None, made: Any) -> None:
        with self._mutex:
            self.rows[task.name] = Row(task.name, result, seconds, made)

    def teardown_task(self, task: Any) -> None:
        """No task has a teardown."""

    def cleanup_error(self, exception: Any) -> None:
        """No task has a teardown."""

    def runtime_error(self, message: str) -> None:
        """doit itself has something to say."""
        self.errors.append(message)

    def complete_run(self) -> None:
        """The run is over, one way or another."""
        screen.close()
        self._note_times()
        if self.answered and all(row.seconds is None for row in self.rows.values()):
            self.rows = {}  # what it needs was there already
        if self.rows and any(row.made or row.seconds for row in self.rows.values()):
            screen.print(summary_table(self.rows, project()))
        for task, fail in self.failed:
            print_failure(task.name, fail, screen.print_error if _is_tool(task) else screen.print)
        for error in self.errors:
            screen.print(error, style="red")
        if self.rows and not self.failed and not self.errors:
            self._last_words()

    def _note_times(self) -> None:
        """Keep how long what was done took, for the report."""
        took = {
            name: row.seconds
            for name, row in self.rows.items()
            if row.seconds is not None and row.result == "done"
        }
        with contextlib.suppress(OSError):  # a disk that is full has been told of by its task
            times.add(project().build, took)

    def _last_words(self) -> None:
        executed = sum(row.seconds is not None for row in self.rows.values())
        seconds = time.monotonic() - self.started
        screen.print(f"{executed} of {len(self.rows)} tasks executed in {seconds:.1f} s")
        not_run = [row for row in self.rows.values() if row.result == "not run"]
        for row in not_run:
            if row.made:
                screen.print(f"{row.name} was not run: {row.made.summary}", style="yellow")
        use = [
            row.made.details["use"]
            for row in self.rows.values()
            if row.made and "use" in row.made.details
        ]
        for command in use:
            screen.print(command, style="bold")


def _is_tool(task: Any) -> bool:
    """Whether a task answers a question, on standard output, and makes nothing."""
    return bool((task.meta or {}).get("tool"))


def _only_asks(task: Any) -> bool:
    """Whether a task answers a question, and no stage has to be done for it first."""
    return _is_tool(task) and not task.task_dep


def _made(task: Any) -> manifest.Made | None:
    path = (task.meta or {}).get("manifest")
    return manifest.read(path) if path else None


def _folded(rows: dict[str, Row]) -> list[tuple[str, list[Row]]]:
    """Rows by the line of the table that they belong to."""
    lines: dict[str, list[Row]] = {}
    for row in rows.values():
        group = row.name.partition(":")[0]
        lines.setdefault(group if group in FOLDED else row.name, []).append(row)
    return list(lines.items())


def summary_table(rows: dict[str, Row], project: Project) -> Any:
    """The table at the end of a run: stage, result, seconds, what was made and where."""
    from rich.table import Column, Table
    from rich.text import Text

    styles = {"failed": "red", "not run": "yellow", "done": "green"}
    table = Table("stage", "result", Column("s", justify="right"), "what", box=None, pad_edge=False)
    for name, members in _folded(rows):
        results = list(dict.fromkeys(row.result for row in members))
        result = next((r for r in ("failed", "not run", "done") if r in results), results[0])
        seconds = [row.seconds for row in members if row.seconds is not None]
        if len(members) == 1 and members[0].made:
            made = members[0].made
            what = made.summary
            if made.where:
                what += f"  [{project.shown(made.where)}]"
        else:
            what = f"{len(members)} artifacts" if name in FOLDED else ""
        time_ = f"{sum(seconds):.1f}" if seconds else ""
        table.add_row(
            name,
            Text(result, styles.get(result, "dim")),
            Text(time_, justify="right"),
            Text(what, overflow="fold"),
        )
    return table


def print_failure(name: str, fail: BaseFail, out: Callable[..., None] = screen.print) -> None:
    """What went wrong, the end of the log, where the log is, what to do next."""
    error: BuildError | None = getattr(fail, "build_error", None)
    if error is None:
        out(f"{name}: {fail.get_msg().strip()}", style="red")
        return
    out(_for_this_run(f"{name}: {error.message}"), style="red")
    for line in error.tail:
        out(f"    {line}", style="dim")
    if error.log:
        for line in _triage(Path(error.log)):
            out(f"    {line}", style="yellow")
        out(f"    the whole log: {project().shown(Path(error.log))}")
        out(_for_this_run(f'    when it is mended, run "doit {name}" again'))


def _for_this_run(message: str) -> str:
    return arguments.repeating_settings(message, arguments.command_line(), SETTINGS)


def search_prefixes(project: Project) -> list[Path]:
    """Where triage looks symbols and headers up: the staged libraries and the Windows Python."""
    libraries = [project.prefix(name) for name in project.profile.libraries]
    return [folder for folder in (*libraries, project.environment) if folder.is_dir()]


def _triage(log: Path) -> list[str]:
    """What a log means, in lines for people; empty where nothing is known."""
    from dllwhy.logs import triage

    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    findings = triage.triage(text, search_prefixes(project()), here=True)
    return triage.render(findings) if findings else []
