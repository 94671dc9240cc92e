"""The one exception for everything that a user can cause.

A stage raises `BuildError` with a single line that says what happened, the likely
cause and what to do next. `tasks.stage` turns it into a failed task without a traceback. What the
system says (a full disk, a folder that may not be written) is put into such a line by
`system_message`, here and nowhere else. Any other exception is a defect of this project and keeps
its traceback.
"""

import errno
import sqlite3
from pathlib import Path


class BuildError(Exception):
    """An expected failure, told in one line.

    Args:
        message: what happened, why, and the next command, as one line without the task's name.
        log: the log file that holds the whole story, if a program was run.
        tail: the last lines of that log, shown below the message.
    """

    def __init__(self, message: str, *, log: Path | None = None, tail: tuple[str, ...] = ()):
        super().__init__(message)
        self.message = message
        self.log = log
        self.tail = tail


class ConfigError(BuildError):
    """config.yaml, or a setting that overrides it, cannot be used."""


class BrokenArchiveError(BuildError):
    """A downloaded archive is damaged: `reason` says how, in a few words."""

    def __init__(self, message: str, reason: str):
        super().__init__(message)
        self.reason = reason


_ROOM = "make room on that disk"
_RIGHTS = "see that you may write there, or use a clone and a cache (FFCVWIN_CACHE) of your own"
_PROCESSES = "end other programs, or allow more processes (ulimit -u)"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "the file system, or ulimit -f, allows no larger files",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "end other programs: the system has too many open files",
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: "end other programs: there is no memory left",
    errno.ENAMETOOLONG: "move the clone to a shorter path",
    errno.EEXIST: "something else has that name: move it away",
    errno.ENOTDIR: "a file is where a folder should be: move it away",
    errno.EISDIR: "a folder is where a file should be: move it away",
    errno.ELOOP: "its links lead in a circle: remove them",
    errno.EIO: "the disk is damaged, or was taken away",
    errno.ESTALE: "the network folder is gone: mount it again",
}


def system_message(error: BaseException) -> str | None:
    """What the system says, and what to do about it, in one line; None for a defect of ours.

    Args:
        error: an OSError, an error of doit's database, or what Python raises where the system
            gives no more threads or a name is not UTF-8.
    """
    if isinstance(error, OSError) and error.errno is not None:
        path = error.filename2 or error.filename
        where = f" ({_shown(path)})" if path and not isinstance(path, int) else ""
        remedy = _REMEDIES.get(error.errno, "see that the folder can be written")
        return f"{error.strerror or error}{where}; {remedy}"
    if isinstance(error, sqlite3.Error):
        return f"doit's database cannot be used ({error}); {_ROOM}, or remove .doit.db from build/"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return f"the system gives no more threads; {_PROCESSES}"
    if isinstance(error, MemoryError):
        return f"no memory is left; {_REMEDIES[errno.ENOMEM].partition(':')[0]}"
    if isinstance(error, UnicodeEncodeError) and any(
        "\ud800" <= c <= "\udfff" for c in error.object
    ):
        return f"a name is not UTF-8 ({_shown(error.object[:200])}); give it another one"
    return None


def _shown(path: object) -> str:
    """A path, with a question mark for what is no letter."""
    text = path.decode("utf-8", "replace") if isinstance(path, bytes) else str(path)
    return text.encode("utf-8", "replace").decode("utf-8")
