"""explain, audit and trace, as they are called: their answer, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pe_files import make_dll, make_python
from support import ROOT


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Windows Python with an extension module that needs other.dll."""
    root = make_python(tmp_path / "python")
    folder = root / "Lib" / "site-packages" / "package"
    folder.mkdir(parents=True)
    make_dll(tmp_path / "staged" / "other.dll")
    make_dll(folder / "module.pyd", ["other.dll"])
    return root


def doit(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doit", *map(str, arguments)],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_a_module_that_does_not_load_gives_exit_status_1_and_the_name_of_the_dll(python):
    done = doit("explain", "--pe", "package", "--env", python)
    assert done.returncode == 1
    assert "does not load: missing other.dll" in done.stdout
    assert "executed" not in done.stdout and "stage " not in done.stdout


def test_a_module_that_loads_gives_exit_status_0(python, tmp_path):
    staged = tmp_path / "staged" / "other.dll"
    staged.rename(python / "Lib" / "site-packages" / "package" / "other.dll")
    assert doit("explain", "--pe", "package", "--env", python).returncode == 0


def test_json_is_all_that_is_printed(python):
    done = doit("explain", "--json", "--pe", "package", "--env", python)
    assert done.returncode == 1
    assert "other.dll" in json.dumps(json.loads(done.stdout))


def test_an_audit_lists_what_is_missing(python):
    done = doit("audit", "--json", "--env", python)
    assert done.returncode == 1
    [missing] = [found for found in json.loads(done.stdout) if found["kind"] == "missing"]
    assert missing["serious"] and "other.dll" in missing["message"]


def test_a_question_without_a_subject_is_answered_with_how_to_ask():
    for command, hint in (("explain", "--pe FILE_OR_PACKAGE"), ("trace", "--import MODULE")):
        done = doit(command)
        assert done.returncode == 1
        assert hint in done.stdout and "Traceback" not in done.stdout + done.stderr


LOG = ROOT / "tests" / "data" / "logs" / "cmake-nasm-missing.log"


def test_a_log_with_a_known_cause_gives_cause_remedy_and_exit_status_1():
    done = doit("triage", "--log", LOG)
    assert done.returncode == 1
    assert "nasm" in done.stdout and "to do:" in done.stdout


def test_a_log_can_come_from_standard_input():
    done = subprocess.run(
        [sys.executable, "-m", "doit", "triage", "--json", "--log", "-"],
        cwd=ROOT, input=LOG.read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)[0]["category"] == "setup.py and pip"


def test_a_log_that_is_not_there_is_one_line():
    done = doit("triage", "--log", "no.log")
    assert done.returncode == 1
    assert "no.log cannot be read" in done.stdout and "Traceback" not in done.stdout + done.stderr
