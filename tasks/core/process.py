"""The one way to run a program."""

import atexit
import contextlib
import locale
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tasks.core.errors import BuildError

TAIL_LINES = 12
GRACE_SECONDS = 3.0

_running: set["subprocess.Popen[bytes]"] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class Finished:
    """A program that has ended: its exit status and its last lines."""

    status: int
    tail: tuple[str, ...]


def _ignore(line: str) -> None:
    pass


def _text(line: bytes) -> str:
    """A line of output: UTF-8, or else in the code page that Windows' consoles have."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        page = "oem" if sys.platform == "win32" else locale.getencoding()
        return line.decode(page, errors="replace")


def command_line(arguments: Sequence[str | Path]) -> str:
    """A command as a person would type it."""
    words = [str(argument) for argument in arguments]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a program and what it started.

    It is asked first: Ninja has each compiler in a process group of its own, which only Ninja
    can end.
    """
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False
        )
        process.kill()  # where taskkill is not allowed to, or cannot
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            os.killpg(process.pid, signal.SIGKILL)


@atexit.register
def kill_all() -> None:
    """End every program that still runs: after Ctrl-C none may go on writing."""
    with _lock:
        left = list(_running)
    for process in left:
        kill(process)


class _Output:
    """Reads what a program prints, in a thread of its own, into log and tail.

    The end of its output is not waited for: a program that it has left behind, such as the
    compiler's vctip.exe or mspdbsrv.exe, holds the pipe open for as long as it runs.
    """

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        stream: TextIO,
        tail: deque[str],
        line: Callable[[str], None],
    ):
        self.process, self.stream, self.tail, self.line = process, stream, tail, line
        self.lock = threading.Lock()
        self.ended = False
        assert process.stdin is not None
        process.stdin.close()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for raw in output:
                text = _text(raw).rstrip()
                with self.lock:
                    if self.ended:
                        return
                    self.stream.write(text + "\n")
                    if text:
                        self.tail.append(text)
                        self.line(text)

    def end(self) -> None:
        """Take what comes until the end of output, or for a moment."""
        self.thread.join(GRACE_SECONDS)
        with self.lock:
            self.ended = True


def run(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    check: bool = True,
    line: Callable[[str], None] = _ignore,
) -> Finished:
    """Run a program, its output (both streams) appended to a log.

    Args:
        arguments: program and arguments; never a shell string.
        log: the log file; the command stands before its output.
        cwd: the working folder.
        env: the whole environment; None is this process's own.
        timeout: seconds; after them the program and its children are killed.
        check: whether an exit status other than 0 is an error.
        line: called with every line of output.

    Returns:
        Exit status and last lines.

    Raises:
        BuildError: the program is missing, failed (with `check`) or took too long.
    """
    program = Path(arguments[0]).name
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with log.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(f"$ {command_line(arguments)}\n")
        stream.flush()
        try:
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches us first, and kill() reaches its children.
                start_new_session=os.name != "nt",
            )
        except OSError as error:
            raise BuildError(
                f"{program} cannot be started ({error.strerror}); is it installed? See doit prereqs"
            ) from error
        with _lock:
            _running.add(process)
        output = _Output(process, stream, tail, line)
        timed_out = False
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            kill(process)
            status = process.wait()
        finally:
            if process.poll() is None:
                kill(process)
                process.wait()
            with _lock:
                _running.discard(process)
            output.end()
        stream.write(f"exit status {status}\n")
    if timed_out:
        raise BuildError(
            f"{program} was ended after {timeout:.0f} s without a result", log=log, tail=tuple(tail)
        )
    if check and status != 0:
        raise BuildError(f"{program} ended with exit status {status}", log=log, tail=tuple(tail))
    return Finished(status, tuple(tail))
