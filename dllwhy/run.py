"""`dllwhy run -- COMMAND`: a program as it is, and the answer when a DLL stops it.

The program has this one's standard streams. Each Python that it starts reads
inject/sitecustomize.py first, found by PYTHONPATH; what these write down comes back here. A
Python that does not read PYTHONPATH (options -I, -E and -S, a ._pth file) tells nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dllwhy import failure
from dllwhy.errors import DiagnosisError
from dllwhy.failure import Failure

_INJECT = Path(__file__).resolve().parent / "inject"


def run(command: Sequence[str]) -> tuple[int, list[Failure]]:
    """Run a program to its end.

    Args:
        command: the program, looked up on PATH, and its arguments. (Windows itself would look
            beside this python.exe before PATH.)

    Returns:
        its exit status, as a shell has it, and what its Pythons said of DLLs that stopped them.

    Raises:
        DiagnosisError: there is no such program, or it cannot be started.
    """
    program = shutil.which(command[0])
    if program is None:
        raise DiagnosisError(f"{command[0]} is no program, and none of that name is on PATH.")
    with tempfile.TemporaryDirectory(prefix="dllwhy-") as folder:
        report = Path(folder, "report")
        added = {
            "DLLWHY_REPORT": str(report),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_INJECT), os.getenv("PYTHONPATH")))),
        }
        try:
            process = subprocess.Popen([program, *command[1:]], env={**os.environ, **added})
        except OSError as error:
            raise DiagnosisError(f"{program} cannot be started: {error.strerror}.") from error
        status = _wait(process)
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    return _of_shell(status), [failure.from_json(line) for line in dict.fromkeys(lines)]


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the program got it too, and says what comes of it
            continue


def _of_shell(status: int) -> int:
    """An exit status that sys.exit can pass on: on Windows it takes signed numbers only."""
    if sys.platform == "win32":
        return status - 2**32 if status >= 2**31 else status
    return 128 - status if status < 0 else status
