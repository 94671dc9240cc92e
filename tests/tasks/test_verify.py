"""Checks say what they did, and nothing that they did not do."""

from pathlib import Path

import pytest
from support import Recorder

from dllwhy.errors import DiagnosisError
from tasks import verify
from tasks.core import project
from tasks.pythons import windows_python, wine
from tasks.reporter import Row, summary_table


@pytest.fixture
def no_wine(monkeypatch):
    if not windows_python.HERE.needs_wine:
        pytest.skip("on Windows nothing else is needed")
    monkeypatch.setattr(wine, "find", lambda: None)


@pytest.mark.parametrize(
    "check", [verify.check_imports, verify.check_roundtrip, verify.check_defects]
)
def test_without_wine_a_check_is_not_run_and_says_how_to_get_it(no_wine, clone, job, check):
    made = check(project.load(clone), job)
    assert made.status == "not run"
    assert "wine not found" in made.summary and "apt-get install wine" in made.summary


def test_without_wine_there_is_no_empty_windows_either(no_wine, clone, job):
    made = windows_python.make_wine(project.load(clone), None, Path("zig"), job)
    assert made.status == "not run"


def test_the_summary_says_not_run(no_wine, clone, job, capsys):
    from rich.console import Console

    loaded = project.load(clone)
    made = verify.check_imports(loaded, job)
    rows = {"verify:import": Row("verify:import", made.status, 0.0, made)}
    Console(width=200).print(summary_table(rows, loaded))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "verify:import" in line]
    assert "not run" in line and "wine not found" in line and "done" not in line


def test_a_missing_environment_is_one_line(clone, tmp_path):
    with pytest.raises(DiagnosisError):
        verify.check_closure(project.load(clone), Recorder(tmp_path).job)
