"""A copy of the repository in a folder of its own, and doit in it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from support import lay_files

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
        lay_files(self.folder)


class MsvcClone(Clone):
    """A clone that is built with Microsoft's compiler, called through Wine."""

    PROFILE = "msvc-portable"
    TASKS = ("libs", "source", "env:python")  # what the tests stand on

    @property
    def build(self) -> Path:
        return self.folder / "build" / f"{self.PROFILE}-cp311"

    @property
    def tools(self) -> Path:
        """Microsoft's Build Tools, as they were unpacked."""
        return self.build / "extracted" / "msvc-buildtools"

    def doit(self, *arguments: str) -> Run:
        return super().doit(f"profile={self.PROFILE}", *arguments)

    def toolchain(self) -> dict:
        text = (self.build / "toolchain" / "toolchain.json").read_text(encoding="utf-8")
        return json.loads(text)

    def call(self, program: str, *arguments: str, cwd: Path) -> str:
        """Call a program of the toolchain, in the environment of a build; what it says."""
        toolchain = self.toolchain()
        done = subprocess.run(
            [toolchain["programs"][program], *arguments], cwd=cwd, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            env={**os.environ, **toolchain["environment"]},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout
