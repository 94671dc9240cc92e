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
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tasks.core import ending, orphans
from tasks.core.errors import BuildError, system_message

TAIL_LINES = 12
GRACE_SECONDS = 3.0

# Each with what else ends with it.
_running: dict["subprocess.Popen[bytes]", "Callable[[], object]"] = {}
_lock = threading.RLock()
_leaving = False


@dataclass(frozen=True)
class Finished:
    """A program that has ended: its exit status and its last lines."""

    status: int
    tail: tuple[str, ...]


def _ignore(line: str) -> None:
    pass


def _nothing() -> None:
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


def kill(*processes: "subprocess.Popen[bytes]") -> None:
    """End programs and what they started.

    They are asked first: Ninja has each compiler in a process group of its own, which only Ninja
    can end.
    """
    if sys.platform == "win32":
        for process in processes:
            subprocess.run(
                ["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False
            )
            process.kill()  # where taskkill is not allowed to, or cannot
    else:
        for process in processes:
            _signal(process, signal.SIGTERM)
        end = time.monotonic() + GRACE_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            _signal(process, signal.SIGKILL)


if sys.platform != "win32":

    def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def kill_all() -> None:
    """End every program that still runs."""
    with _lock:
        left = dict(_running)
    kill(*left)
    for end_rest in left.values():
        end_rest()


@ending.at_end
@atexit.register
def _leave() -> None:
    """After this no program is started, and none goes on writing."""
    global _leaving
    with _lock:
        _leaving = True
    kill_all()


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


def _start(
    arguments: Sequence[str | Path],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    end_rest: Callable[[], object],
) -> "subprocess.Popen[bytes]":
    program = Path(arguments[0]).name
    with _lock:  # whoever ends them all misses none
        if _leaving:
            raise BuildError(f"{program} was not started: the run is being ended")
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
        except FileNotFoundError as error:
            raise BuildError(
                f"{program} cannot be started ({error.strerror}); is it installed? See doit prereqs"
            ) from error
        except OSError as error:
            raise BuildError(f"{program} cannot be started: {system_message(error)}") from error
        _running[process] = end_rest
        orphans.started(process)
    return process


def run(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    check: bool = True,
    line: Callable[[str], None] = _ignore,
    end_rest: Callable[[], object] = _nothing,
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
        end_rest: called where the program is ended, for what it started outside its group.

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
        process = _start(arguments, cwd, env, end_rest)
        output = _Output(process, stream, tail, line)
        timed_out = False
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            kill(process)
            end_rest()
            status = process.wait()
        finally:
            if process.poll() is None:
                kill(process)
                end_rest()
                process.wait()
            with _lock:
                del _running[process]
            orphans.ended(process)
            output.end()
        stream.write(f"exit status {status}\n")
    if timed_out:
        raise BuildError(
            f"{program} was ended after {timeout:.0f} s without a result", log=log, tail=tuple(tail)
        )
    if check and status != 0:
        raise BuildError(f"{program} ended with exit status {status}", log=log, tail=tuple(tail))
    return Finished(status, tuple(tail))


def output_of(
    arguments: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]
) -> tuple[int, str]:
    """Run a program for its whole output (both streams); returns its exit status and that.

    It ends with this process, as all that `run` starts.

    Raises:
        BuildError: it cannot be started.
    """
    process = _start(arguments, cwd, env, _nothing)
    try:
        output, _ = process.communicate()
    finally:
        with _lock:
            del _running[process]
        orphans.ended(process)
    return process.returncode, _text(output).replace("\r\n", "\n")
