"""Ruff and mypy are part of the tests."""

import subprocess
import sys

import pytest
from support import ROOT


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["mypy", "--platform", "win32"],
    ],
    ids=lambda command: " ".join(command),
)
def test_nothing_to_complain(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
