import os
import sys
from pathlib import Path

import pytest
from pe_files import make_python

from dllwhy import here
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import detect_environment


@pytest.fixture(autouse=True)
def _nothing_is_activated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return make_python(tmp_path / "python")


def test_a_virtual_environment_comes_before_the_conda_environment_around_it(
    python, tmp_path, monkeypatch
):
    conda = make_python(tmp_path / "conda")
    monkeypatch.setenv("CONDA_PREFIX", str(conda))
    assert here.default_environment() == conda
    monkeypatch.setenv("VIRTUAL_ENV", str(python))
    assert here.default_environment() == python


@pytest.mark.parametrize(("program", "own"), [("dllwhy/__main__.py", True), ("dllwhy.exe", False)])
def test_on_windows_the_python_that_runs_counts_unless_the_command_has_an_environment_of_its_own(
    python, tmp_path, monkeypatch, program, own
):
    active = make_python(tmp_path / "active")
    monkeypatch.setattr(here, "WINDOWS", True)
    monkeypatch.setattr(sys, "prefix", str(python))
    monkeypatch.setattr(sys, "argv", [program])
    assert here.default_environment() == python
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    assert here.default_environment() == (python if own else active)


@pytest.mark.skipif(sys.platform == "win32", reason="the Python that runs is one of Windows")
def test_a_virtual_environment_of_linux_is_none_of_windows(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n", encoding="utf-8")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    with pytest.raises(DiagnosisError, match="No Windows Python is active here"):
        here.default_environment()
    with pytest.raises(DiagnosisError, match="of Linux or macOS"):
        detect_environment(tmp_path)


def test_path_and_system32_are_those_of_windows_only(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.pathsep.join(["a", "", "b"]))
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    monkeypatch.setattr(here, "WINDOWS", False)
    assert (here.search_path(), here.system32()) == ((), None)
    monkeypatch.setattr(here, "WINDOWS", True)
    assert here.search_path() == (Path("a"), Path("b"))
    assert here.system32() == tmp_path / "System32"
