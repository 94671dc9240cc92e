"""What people see while the work goes on: one screen for all tasks, whatever thread they run in.

On a terminal, a live list of the running tasks with bars, times and the latest line of
output. Elsewhere (CI, a file, a dumb terminal) plain lines, with a sign of life now and
then. NO_COLOR is respected (https://no-color.org), by rich.
"""

import atexit
import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from tasks.core import ending

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

SIGN_OF_LIFE_SECONDS = 30.0
BYTES_FROM = 100_000  # a total from here on is a number of bytes


class _Outlet(io.FileIO):
    """Standard output or error: where nobody takes it any more, the run ends, in one line."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            ending.leave("", _STATUS_OF_SIGPIPE)  # as other programs in a pipe do: doit list | head
        except OSError as error:
            ending.leave(f"ERROR: what is printed cannot be written: {error.strerror}", 1)


# The status with which shells show the end by SIGPIPE.
_STATUS_OF_SIGPIPE = 141


def _reopened(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:  # closed by the caller, as in `doit >&-`
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if not isinstance(stream, io.TextIOWrapper) or (os.name == "nt" and stream.isatty()):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(number, "wb", closefd=False)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
    )


def prepare_output() -> None:
    """Make standard output and error such that printing never ends in a traceback.

    A character that they cannot take is printed as "?": redirected output is in the code page of
    Windows, and programs print what that lacks.
    https://docs.python.org/3/library/sys.html#sys.stdout
    """
    sys.stdout = _reopened(sys.stdout, 1)
    sys.stderr = _reopened(sys.stderr, 2)
    for stream in (sys.stdout, sys.stderr):
        atexit.register(stream.flush)  # while everything still works
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@dataclass
class _Running:
    started: float
    last_sign: float
    bar: Any = None


class Screen:
    """Shows running tasks. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running: dict[str, _Running] = {}
        self._console: Console | None = None
        self._live: Progress | None = None

    @property
    def console(self) -> "Console":
        """The console that everything goes to, made when it is first needed."""
        if self._console is None:
            from rich.console import Console

            # Plain output is for files and CI: no wrapping at 80 columns.
            plain = not sys.stdout.isatty()
            self._console = Console(
                file=sys.stdout,
                highlight=False,
                emoji=False,
                soft_wrap=plain,
                width=120 if plain else None,
            )
        return self._console

    @property
    def interactive(self) -> bool:
        """Whether lines can be drawn over."""
        return self.console.is_terminal and not self.console.is_dumb_terminal and not _ci()

    def print(self, text: Any, style: str | None = None) -> None:
        """Print something above the running tasks."""
        with self._lock:
            self.console.print(text, style=style, markup=False)

    def print_error(self, text: Any, style: str | None = None) -> None:
        """Print something to standard error, where standard output is for answers."""
        from rich.console import Console

        console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
        console.print(text, style=style, markup=False)

    def start(self, name: str) -> None:
        """A task begins."""
        with self._lock:
            now = time.monotonic()
            running = _Running(now, now)
            self._running[name] = running
            if self.interactive:
                running.bar = self._progress().add_task(name, total=None, line="")
            else:
                self.print(f"      {name} ...")

    @contextmanager
    def at_work(self, name: str) -> Iterator[None]:
        """Show work that tells of itself: on a terminal its latest line is drawn over."""
        if self.interactive:
            self.start(name)
        try:
            yield
        finally:
            self._end(name)

    def _progress(self) -> "Progress":
        if self._live is None:
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
            from rich.progress import TimeElapsedColumn as Elapsed
            from rich.table import Column

            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                TextColumn(
                    "{task.fields[line]}",
                    style="dim",
                    markup=False,
                    table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
                ),
                Elapsed(),
                console=self.console,
                transient=True,
                expand=True,
            )
            self._live.start()
        return self._live

    def _update(self, name: str, text: str, done: int | None, total: int | None) -> None:
        with self._lock:
            running = self._running.get(name)
            if running is None:
                return
            if running.bar is not None and self._live is not None:
                self._live.update(running.bar, completed=done, total=total, line=text)
                return
            now = time.monotonic()
            if now - running.last_sign >= SIGN_OF_LIFE_SECONDS:
                running.last_sign = now
                self.print(f"      {name} {now - running.started:.0f} s: {text}")

    def progress(self, name: str, done: int, total: int | None) -> None:
        """A task has done `done` of `total` (bytes or pieces)."""
        if total and total >= BYTES_FROM:
            text = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
        elif total:
            text = f"{done} of {total}"
        else:
            text = f"{done / 1e6:.1f} MB" if done >= BYTES_FROM else str(done)
        self._update(name, text, done, total)

    def line(self, name: str, text: str) -> None:
        """The latest line of output of a task; "[12/217] ..." as of Ninja moves its bar."""
        text = text.rstrip().rpartition("\r")[2]  # what a bar has drawn last
        done = total = None
        if text.startswith("[") and "/" in text[:12]:
            numbers = text[1 : text.find("]")].split("/")
            if len(numbers) == 2 and all(number.isdigit() for number in numbers):
                done, total = int(numbers[0]), int(numbers[1])
        self._update(name, text, done, total)

    def warn(self, name: str, text: str) -> None:
        """A line that must be seen."""
        self.print(f"WARN  {name}: {text}", style="yellow")

    def finish(self, name: str, failed: bool = False, summary: str = "") -> float:
        """A task has ended; returns its duration in seconds."""
        with self._lock:
            if name not in self._running:
                return 0.0
            seconds = self._end(name)
            label, style = ("FAIL", "red") if failed else ("ok  ", "green")
            from rich.text import Text

            self.print(
                Text.assemble((label, style), f"  {name} ", (f"{seconds:.1f} s ", "dim"), summary)
            )
            return seconds

    def _end(self, name: str) -> float:
        """Show a task no more; returns how long it was shown, in seconds."""
        with self._lock:
            running = self._running.pop(name, None)
            if running is None:
                return 0.0
            if running.bar is not None and self._live is not None:
                self._live.remove_task(running.bar)
            if not self._running:
                self.close()
            return time.monotonic() - running.started

    def close(self) -> None:
        """Stop drawing."""
        with self._lock:
            if self._live is not None:
                self._live.stop()
                self._live = None


def _ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


screen = Screen()
ending.at_end(screen.close)
