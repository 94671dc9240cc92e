"""The one exception for everything that a user can cause.

A stage raises `BuildError` with a single line that says what happened, the likely
cause and what to do next. `tasks.graph` puts the task's name in front of it and turns it
into a failed task without a traceback. Any other exception is a defect of this project
and keeps its traceback.
"""

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
    """A downloaded archive is damaged."""
