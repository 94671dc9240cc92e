"""What tests import from each other (conftest.py is not for importing)."""

import ctypes
import sys
from pathlib import Path

from tasks.core.job import Job
from tasks.pythons import windows_python

ROOT = Path(__file__).resolve().parents[1]


def under_wine() -> bool:
    """Whether this Python runs on Wine's Windows."""
    return sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")


def path_for_windows(path: Path) -> str:
    """A path as a Windows program sees it on this machine."""
    return windows_python.HERE.path(path)


class Recorder:
    """A job that remembers what was said."""

    def __init__(self, folder: Path):
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.job = Job(
            name="test:job",
            log=folder / "logs" / "test.log",
            progress=lambda done, total: None,
            line=self.lines.append,
            warn=self.warnings.append,
        )
