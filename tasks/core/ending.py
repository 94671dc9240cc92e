"""Leaving at once, and cleanly: Ctrl-C, SIGTERM, a closed terminal, output that goes nowhere.

    install()   first thing in dodo.py: what ends a program is answered from there on
    at_end()    what must happen before: programs are ended, the screen is given back
    leave()     one line, and out: from any thread, whatever the others do

State is files that are whole or not there, so that nothing needs to be tidied up: a run can be
left at any moment like one that is killed. An exception instead would have to pass through other
people's code, from wherever it hits, and shows up as a traceback where it cannot.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

INTERRUPTED = "Interrupted. Nothing half-made is kept; run the same command again to go on."
PATIENCE_SECONDS = 2.0

# The usual status of a program that a signal has ended (POSIX shells, and so CI).
_STATUS_OF_SIGNAL = 128

_acts: list[Callable[[], object]] = []
_leaving = threading.Lock()
_writing = threading.RLock()


def at_end(act: Callable[[], object]) -> Callable[[], object]:
    """Have `act` called before a run is left; a decorator. The last one that came is first."""
    _acts.insert(0, act)
    return act


@contextlib.contextmanager
def held_off() -> Iterator[None]:
    """Lets what is written in here be finished first, if the run is left just now."""
    with _writing:
        yield


def leave(line: str, status: int, number: int | None = None) -> NoReturn:
    """Leave at once.

    Args:
        line: what to say on standard error; "" for nothing.
        status: the exit status.
        number: the signal that asks for it: on POSIX the process then ends by it, as its caller
            expects.
    """
    if not _leaving.acquire(blocking=False):
        threading.Event().wait()  # another thread is at it
    if line:
        with contextlib.suppress(OSError):
            os.write(2, f"\r{line}\n".encode())
    for act in [] if sys.is_finalizing() else _acts:  # then atexit has done it
        # In a thread of its own, because the lock that it wants may be held where we stand.
        thread = threading.Thread(target=_quietly, args=(act,), daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads
            thread.start()
            thread.join(PATIENCE_SECONDS + 3)
    _writing.acquire(timeout=PATIENCE_SECONDS)
    if number is not None and os.name != "nt":
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
    os._exit(status)


def _quietly(act: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        act()


def _answer(number: int, frame: FrameType | None) -> None:
    if not _leaving.locked():
        leave(INTERRUPTED, _STATUS_OF_SIGNAL + number, number)


def install() -> None:
    """Answer what asks this process to end, from now on."""
    if sys.platform == "win32":
        _install_on_windows()
    else:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup, and shells that start a program in the background, have them ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _answer)
        # bootstrap.sh holds them back until here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    def _on_console_event(event: int) -> bool:
        leave(INTERRUPTED, _STATUS_OF_SIGNAL + signal.SIGINT)

    # Kept for as long as Windows may call it.
    _handler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)(_on_console_event)

    def _install_on_windows() -> None:
        """Windows calls the handler in a thread of its own, whatever the main thread waits for.

        For Ctrl-C, Ctrl-Break, the console's closing, and the end of the session:
        https://learn.microsoft.com/windows/console/setconsolectrlhandler
        """
        ctypes.windll.kernel32.SetConsoleCtrlHandler(_handler, True)
