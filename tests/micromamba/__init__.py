"""micromamba.exe, in these tests: its command line on py-rattler, which really solves and links.

program.py beside this one is the program. It takes channels from where MAMBA_CHANNEL_ALIAS says, as
Micromamba does: a server or a folder of this machine, with packages that conda_packages.py makes.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import path_for_windows
from visual_studio import make_program

SOURCE = Path(__file__).with_name("program.py")


def _need_rattler() -> None:
    reason = "py-rattler, which solves and links, is not installed; envs/runner.txt names it"
    pytest.importorskip("rattler", reason=reason)


def make_here(folder: Path) -> Path:
    """The program for the system that the tests run on; returns it."""
    _need_rattler()
    return make_program(folder / "micromamba.exe", SOURCE.read_text(encoding="utf-8"))


def make_exe(python: Path, pip: Path) -> bytes:
    """The program as one .exe file for Windows, as Micromamba is one.

    It is made as pip makes the programs of a package: a launcher, the Python that it starts, and
    a zip that this runs (https://github.com/pypa/distlib/blob/master/distlib/scripts.py).

    Args:
        python: a Windows Python that has py-rattler.
        pip: the site-packages of one that has pip, which brings the launcher.
    """
    _need_rattler()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.write(SOURCE, "__main__.py")
    launcher = pip / "pip" / "_vendor" / "distlib" / "t64.exe"
    return launcher.read_bytes() + f'#!"{path_for_windows(python)}"\n'.encode() + stream.getvalue()


@dataclass(frozen=True)
class Micromamba:
    """How the program was called.

    Args:
        calls_file: where it writes that down.
    """

    calls_file: Path

    @property
    def variables(self) -> dict[str, str]:
        """What its environment must hold."""
        return {"MICROMAMBA_CALLS": path_for_windows(self.calls_file)}

    def calls(self) -> list[dict[str, Any]]:
        """How it was called: `arguments` and `environment`."""
        if not self.calls_file.exists():
            return []
        return [*map(json.loads, self.calls_file.read_text(encoding="utf-8").splitlines())]

    def commands(self) -> list[str]:
        """The first word of each call."""
        return [call["arguments"][0] for call in self.calls()]
