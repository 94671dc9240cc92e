"""Ruff, mypy and the table of who may import whom are part of the tests."""

import subprocess
import sys

import pytest
from importlinter.cli import lint_imports
from support import ROOT

COMMANDS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    # Of its own, or each of the two would throw away what the other one knows.
    ("mypy", "--platform", "win32", "--cache-dir", ".mypy_cache/win32"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_to_complain(command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_go_the_way_that_the_design_says(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out
