"""What the work of a task may say while it goes on, without knowing who shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.core.progress import ProgressCallback


@dataclass(frozen=True)
class Job:
    """What the work of a stage may use to say how it goes.

    Args:
        name: the task's name.
        log: the log file for the programs that it runs; emptied before the work starts.
        progress: called with (done, total).
        line: called with a line of a program's output, shown while nothing newer comes.
        warn: called with a line that people must see.
    """

    name: str
    log: Path
    progress: ProgressCallback
    line: Callable[[str], None]
    warn: Callable[[str], None]

    def note(self, text: str) -> None:
        """Write what is worth knowing later into the log, and show it while nothing newer comes."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(text + "\n")
        self.line(text.splitlines()[0])
