"""Ends what a killed run has left running; a program of its own, started by tasks.core.orphans.

It reads "+GROUP" and "-GROUP", the process groups that run and that have ended. Its input ends
with the run. A group is asked to end first, as in tasks.core.process: Ninja has each compiler in a
group of its own, which only Ninja can end.
"""

import contextlib
import os
import signal
import sys
import time

assert sys.platform != "win32"

GRACE_SECONDS = 3.0
PAUSE_SECONDS = 0.05


def end(group: int, number: int) -> bool:
    """Send a signal to a process group; returns whether it was there."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number belongs to somebody else by now
    return True


def main() -> None:
    """Wait for the end of the run, then end what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        with contextlib.suppress(ValueError):  # the last line may be cut short
            (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    left = {group for group in groups if end(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
        left = {group for group in left if end(group, 0)}
    for group in left:
        end(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
