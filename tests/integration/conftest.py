"""The real graph, run once in a clone whose path has a space and a letter beyond ASCII.

The clone is build/tests/FFCV für Windows; it stays, so that a second run of the tests finds
most of it made.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support import ROOT, Recorder
from windows_runner import WindowsRunner, make_runner

FULL_RUN_SECONDS = 4000


@dataclass(frozen=True)
class Run:
    """A run of doit that has ended."""

    status: int
    output: str

    @property
    def executed(self) -> list[str]:
        """The tasks that were executed, in order."""
        return re.findall(r"^(?:ok  |FAIL)  (\S+) ", self.output, re.MULTILINE)

    @property
    def last_line(self) -> str:
        return self.output.strip().splitlines()[-1]


class Clone:
    """A copy of this repository's files, and doit in it."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def build(self) -> Path:
        return self.folder / "build" / "zig-cp311"

    @property
    def package(self) -> Path:
        return self.build / "env" / "Lib" / "site-packages" / "ffcv"

    def doit(self, *arguments: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "doit", *arguments],
            cwd=self.folder, env={**os.environ, "CI": "1"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            timeout=FULL_RUN_SECONDS, check=False,
        )  # fmt: skip
        print(done.stdout)
        return Run(done.returncode, done.stdout)

    def stale(self, *tasks: str) -> set[str]:
        """Those of the tasks that the next run would execute."""
        listed = self.doit("list", "--status", "--all", *tasks).output
        return {line.split()[1] for line in listed.splitlines() if line.startswith("R ")}

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run code in the Windows Python, by the command that a user would type."""
        return subprocess.run(
            [self.build / "python", "-c", code], stdin=subprocess.DEVNULL, capture_output=True,
            encoding="utf-8", timeout=300, check=False,
        )  # fmt: skip

    def change_config(self, change) -> None:
        path = self.folder / "config.yaml"
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(data)
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")

    def restore(self) -> None:
        """Undo changes to the repository's files."""
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, files):
            source, copy = ROOT / name, self.folder / name
            if source.is_file() and not _same(source, copy):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


@pytest.fixture(scope="session")
def clone() -> Iterator[Clone]:
    if os.name == "nt":
        pytest.skip("runs the zig profile under Wine; on Windows, run bootstrap.bat")
    if shutil.which("wine") is None:
        pytest.skip("wine was not found; on Debian or Ubuntu: sudo apt-get install wine wine64")
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs a git checkout")
    made = Clone(ROOT / "build" / "tests" / "FFCV für Windows")
    made.folder.mkdir(parents=True, exist_ok=True)
    made.restore()
    yield made
    made.restore()


@pytest.fixture(scope="session")
def first_run(clone: Clone) -> Run:
    """The full run that every other test here stands on."""
    run = clone.doit()
    if run.status != 0 and re.search(r"name cannot be resolved|cannot be reached", run.output):
        pytest.skip("the package registry cannot be reached")
    return run


@pytest.fixture
def built(clone: Clone, first_run: Run) -> Iterator[Clone]:
    """The clone after the full run; changes of a test are undone, but not built again."""
    assert first_run.status == 0, first_run.output
    yield clone
    clone.restore()


@pytest.fixture(scope="session")
def windows_runner(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> WindowsRunner:
    """A Windows Python with the runner's packages, under Wine."""
    made = clone.doit("env:python")
    assert made.status == 0, made.output
    job = Recorder(tmp_path_factory.mktemp("runner")).job
    return make_runner(clone.build / "env", ROOT / "build" / "tests" / "Windows runner", job)
