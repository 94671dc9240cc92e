"""Imports that are observed: the recorder run by this Python, and what it writes read back."""

import sys
from pathlib import Path

import pytest
from installed_packages import install
from pe_files import make_python

from dllwhy.errors import DiagnosisError
from dllwhy.explain import explain
from dllwhy.flavour import detect_environment
from dllwhy.imports.events import Event
from dllwhy.observe import observe, parse


def test_extension_modules_of_a_run_are_recorded_in_order() -> None:
    observation = observe("import _ctypes, json", [sys.executable])
    assert observation.error is None
    kinds = {event.kind for event in observation.events}
    assert kinds <= {"import", "load"}


def test_the_exception_that_ends_an_import_is_told() -> None:
    observation = observe("import no_such_module", [sys.executable])
    assert observation.error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_python_that_ends_before_the_import_is_done_is_told() -> None:
    with pytest.raises(DiagnosisError, match="ended with status 3 before the import was done"):
        observe("import os; os._exit(3)", [sys.executable])


def test_a_python_that_is_not_there_is_told() -> None:
    with pytest.raises(DiagnosisError, match="does not start"):
        observe("import os", ["/no/such/python"])


def test_an_import_that_hangs_is_ended() -> None:
    with pytest.raises(DiagnosisError, match="was not done after 1 seconds"):
        observe("import time; time.sleep(60)", [sys.executable], timeout=1)


def test_a_record_that_is_cut_off_is_no_answer() -> None:
    with pytest.raises(DiagnosisError, match="it crashed"):
        parse(['{"kind": "add", "path": "Z:', ""], "import p", 5)


def test_what_was_observed_takes_the_place_of_the_sources(tmp_path: Path) -> None:
    python = make_python(tmp_path / "Python311")
    environment = detect_environment(python)
    environment.site_packages.mkdir(parents=True)
    source = "import os\nos.add_dll_directory(os.environ['P_HOME'])\n"
    files = {"p/__init__.py": source, "p/_c.pyd": "own.dll", "p/lib/own.dll": ""}
    site = install(environment, "p", files)
    assert explain("p", python).exit_status == 2
    events = [Event("add", site / "p" / "lib"), Event("import", site / "p" / "_c.pyd")]
    assert explain("p", python, observed=events).exit_status == 0
    assert explain("p", python, observed=events[1:]).exit_status == 1
