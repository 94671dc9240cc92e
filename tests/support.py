"""What tests import from each other (conftest.py is not for importing)."""

import ctypes
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import platformdirs

from tasks.compilers import zig
from tasks.core.job import Job
from tasks.pythons import windows_python

ROOT = Path(__file__).resolve().parents[1]


def under_wine() -> bool:
    """Whether this Python runs on Wine's Windows."""
    return sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")


def path_for_windows(path: Path) -> str:
    """A path as a Windows program sees it on this machine."""
    return windows_python.HERE.path(path)


def cache() -> Path:
    """The cache that the project uses: zig's runtimes are compiled there already."""
    default = platformdirs.user_cache_dir("ffcv-windows", False)
    return Path(os.environ.get("FFCVWIN_CACHE", default))


def zig_program() -> Path:
    """The zig that the project uses, whose runtimes are compiled already."""
    return zig.shared(zig.zig_program(), cache() / "zig", metadata.version("ziglang"))


def zig_environment() -> dict[str, str]:
    """zig's environment, with the project's own cache."""
    folder = str(cache() / "zig")
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}


def lay_files(folder: Path) -> None:
    """Copy this repository's files to a folder; what is the same there stays as it is."""
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, files):
        source, copy = ROOT / name, folder / name
        if source.is_file() and not _same(source, copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


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
