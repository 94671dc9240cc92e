"""explain, audit, trace and triage, as they are called: their answer, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pe_files import make_dll, make_python
from procmon_csv import COPIED, copy_dlls, make_ffcv_python, recorded
from support import ROOT

from dllwhy import here
from tasks import questions
from tasks.core.errors import BuildError
from tasks.core.project import project


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Windows Python with an extension module that needs other.dll."""
    root = make_python(tmp_path / "python")
    folder = root / "Lib" / "site-packages" / "package"
    folder.mkdir(parents=True)
    make_dll(tmp_path / "staged" / "other.dll")
    make_dll(folder / "module.pyd", ["other.dll"])
    return root


def doit(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "doit", *map(str, arguments)],
        cwd=cwd, capture_output=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip


def test_a_module_that_does_not_load_gives_exit_status_1_and_the_name_of_the_dll(python):
    done = doit("explain", "--pe", "package", "--env", python)
    assert done.returncode == 1
    assert "does not load: missing other.dll" in done.stdout
    assert "executed" not in done.stdout and "stage " not in done.stdout


def test_no_line_is_cut_where_the_answer_goes_to_a_file(python):
    done = doit("explain", "--pe", "package", "--env", python, "--windows", "11")
    looked = next(line for line in done.stdout.splitlines() if "looked in" in line)
    assert looked.endswith("System32 of Windows 11")
    assert not [line for line in done.stdout.splitlines() if line.endswith(" ")]


def test_a_module_that_loads_gives_exit_status_0(python, tmp_path):
    staged = tmp_path / "staged" / "other.dll"
    staged.rename(python / "Lib" / "site-packages" / "package" / "other.dll")
    assert doit("explain", "--pe", "package", "--env", python).returncode == 0


def test_folders_on_path_are_named_as_such_and_do_not_help(python, tmp_path):
    folders = os.pathsep.join([str(tmp_path), str(tmp_path / "staged")])
    done = doit("explain", "--pe", "package", "--env", python, "--path", folders)
    assert done.returncode == 1
    assert "other.dll is on PATH, but Python does not look there" in done.stdout


def test_a_folder_that_the_program_adds_helps(python, tmp_path):
    (tmp_path / "empty").mkdir()
    folders = ("--add", tmp_path / "empty", "--add", tmp_path / "staged")
    assert doit("explain", "--pe", "package", "--env", python, *folders).returncode == 0


def test_a_package_that_is_imported_before_helps(python, tmp_path):
    folder = python / "Lib" / "site-packages" / "before"
    make_dll(folder / "before.pyd", ["other.dll"])
    (tmp_path / "staged" / "other.dll").rename(folder / "other.dll")
    asked = ("explain", "--pe", "package", "--env", python)
    assert doit(*asked).returncode == 1
    assert doit(*asked, "--after", "before").returncode == 0


def test_paths_are_those_of_the_folder_that_doit_is_called_in(python):
    done = doit(
        "-f", ROOT / "dodo.py", "explain", "--pe", "package/module.pyd", "--env", "../..",
        "--add", "../../../staged",
        cwd=python / "Lib" / "site-packages",
    )  # fmt: skip
    assert done.returncode == 0


@pytest.mark.parametrize(("edition", "found"), [("", True), ("11", False)])
def test_on_windows_its_own_system32_is_looked_into_unless_another_is_named(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edition: str, found: bool
) -> None:
    make_dll(tmp_path / "Windows" / "System32" / "other.dll")
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path / "Windows"))
    monkeypatch.setattr(here, "WINDOWS", True)
    module = str(python / "Lib" / "site-packages" / "package" / "module.pyd")
    answer = questions.explain(project(), module, "", edition, "", [], [], as_json=True)
    assert answer is found


def test_json_is_all_that_is_printed(python):
    done = doit("explain", "--json", "--pe", "package", "--env", python)
    assert done.returncode == 1
    assert "other.dll" in json.dumps(json.loads(done.stdout))


def test_a_question_that_cannot_be_answered_is_no_answer_no(python):
    done = doit("explain", "--json", "--pe", "nope.pyd", "--env", python)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and "nope.pyd cannot be read" in done.stderr


def test_a_folder_is_asked_about_with_all_that_is_in_it(python):
    asked = ("explain", "--pe", "site-packages/package", "--env", "..")
    done = doit("-f", ROOT / "dodo.py", *asked, cwd=python / "Lib")
    assert done.returncode == 1 and "missing other.dll" in done.stdout
    done = doit("explain", "--pe", python / "nowhere", "--env", python)
    assert done.returncode == 2 and "There is no file or folder" in done.stderr


def test_an_audit_lists_what_is_missing(python):
    done = doit("audit", "--json", "--env", python)
    assert done.returncode == 1
    [missing] = [found for found in json.loads(done.stdout) if found["kind"] == "missing"]
    assert missing["serious"] and "other.dll" in missing["message"]


def test_a_question_without_a_subject_is_answered_with_how_to_ask():
    for command, hint in (("explain", "--pe FILE_OR_PACKAGE"), ("trace", "--import MODULE")):
        done = doit(command)
        assert done.returncode == 2
        assert hint in done.stderr and "Traceback" not in done.stderr


def test_before_the_environment_is_built_its_command_is_named(tmp_path: Path) -> None:
    unbuilt = SimpleNamespace(environment=tmp_path / "env", shown=str)
    with pytest.raises(BuildError, match=r'no environment was built here yet.*run "doit env"'):
        questions.explain(unbuilt, "package", "", "", "", [], [], as_json=True)
    with pytest.raises(BuildError, match=r'no environment was built here yet.*run "doit env"'):
        questions.audit(unbuilt, "", "", as_json=True)


def test_a_file_outside_of_any_environment_is_judged_for_the_built_one(
    python: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = SimpleNamespace(environment=python, shown=str)
    module = make_dll(tmp_path / "outside" / "m.pyd", ["python311.dll"])
    assert questions.explain(built, str(module), "", "11", "", [], [], as_json=True)


def test_what_cannot_be_told_from_outside_is_no_answer_no(python: Path) -> None:
    source = "import os\nos.add_dll_directory(os.environ['PACKAGE_DLLS'])\n"
    folder = python / "Lib" / "site-packages" / "package"
    (folder / "__init__.py").write_text(source, encoding="utf-8")
    done = doit("explain", "--pe", "package", "--env", python)
    assert done.returncode == 2
    assert "because package/__init__.py:2: the folder depends on" in done.stdout
    assert "cannot be told from here" in done.stderr


@pytest.fixture
def video(python: Path) -> Path:
    """A module that needs a DLL that some editions of Windows lack."""
    return make_dll(python / "DLLs" / "video.pyd", ["MFPlat.DLL"])


@pytest.mark.parametrize(("name", "status"), [("10", 0), ("Server", 1)])
def test_the_windows_that_is_assumed_can_be_named(video: Path, name: str, status: int) -> None:
    done = doit("explain", "--pe", video, "--windows", name)
    assert done.returncode == status
    assert f"on a clean Windows {name}" in done.stdout


def test_an_audit_is_for_the_windows_that_is_named(video: Path, python: Path) -> None:
    for name, missing in (("11", False), ("N", True)):
        done = doit("audit", "--json", "--env", python, "--windows", name)
        assert ("MFPlat.DLL" in done.stdout) is missing


@pytest.mark.parametrize("tool", ["explain", "audit"])
def test_an_unknown_windows_is_one_line_with_the_known_ones(
    tool: str, video: Path, python: Path
) -> None:
    subject = ["--pe", str(video)] if tool == "explain" else []
    done = doit(tool, *subject, "--env", python, "--windows", "12")
    assert done.returncode == 2
    assert "No Windows edition '12': use one of 10, 11, N, server." in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_names_every_windows_that_is_known():
    from dllwhy import windows

    shown = doit("help", "explain").stdout
    text = " ".join(shown[shown.index("--windows") :].split())
    assert all(f" {name}" in text for name in windows.editions())


def test_a_recording_of_process_monitor_is_set_beside_the_model(tmp_path):
    python = make_ffcv_python(tmp_path / "python")
    copy_dlls(python, *COPIED)
    file = recorded("copied", tmp_path)
    done = doit("trace", "--procmon", file, "--env", python, "--windows", "11")
    assert done.returncode == 1
    assert "MSVCR100.dll: never found, as the model says" in done.stdout
    copy_dlls(python, "MSVCR100.dll")
    done = doit("trace", "--json", "--procmon", recorded("all", tmp_path), "--env", python)
    assert done.returncode == 0
    assert {one["agrees"] for one in json.loads(done.stdout)} == {True, None}


def test_a_recording_in_another_format_is_one_line(tmp_path, python):
    file = tmp_path / "Logfile.PML"
    file.write_bytes(b"PML_\x09\0\0\0")
    done = doit("trace", "--procmon", file, "--env", python)
    assert done.returncode == 2
    assert "File > Save" in done.stderr and "Traceback" not in done.stderr


def test_an_import_is_traced_in_the_python_that_was_built_here_only(python):
    done = doit("trace", "--import", "ffcv", "--env", python)
    assert done.returncode == 2 and "--env goes with --procmon" in done.stderr


LOG = ROOT / "tests" / "data" / "logs" / "cmake-nasm-missing.log"


def test_a_log_with_a_known_cause_gives_cause_remedy_and_exit_status_0():
    done = doit("triage", "--log", LOG)
    assert done.returncode == 0
    assert "nasm" in done.stdout and "to do:" in done.stdout


def test_a_log_can_come_from_standard_input():
    done = subprocess.run(
        [sys.executable, "-m", "doit", "triage", "--json", "--log", "-"],
        cwd=ROOT, input=LOG.read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)[0]["category"] == "setup.py and pip"


def test_a_log_that_windows_powershell_wrote_is_read(tmp_path):
    log = tmp_path / "build.log"
    log.write_text(LOG.read_text(encoding="utf-8"), encoding="utf-16")
    done = doit("triage", "--log", log)
    assert done.returncode == 0 and "nasm" in done.stdout


def test_a_failure_that_is_not_understood_has_exit_status_1(tmp_path):
    log = tmp_path / "build.log"
    log.write_text("error: the demo device was not found\n", encoding="utf-8")
    done = doit("triage", "--log", log)
    assert done.returncode == 1 and "the demo device was not found" in done.stdout


def test_a_log_without_a_failure_says_so(tmp_path):
    log = tmp_path / "build.log"
    log.write_text("Successfully built demo\n", encoding="utf-8")
    done = doit("triage", "--log", log)
    assert done.returncode == 0 and "no failure is seen" in done.stdout


def test_a_file_that_is_no_log_is_one_line(tmp_path):
    log = tmp_path / "build.log"
    log.write_bytes(b"PK\x03\x04")
    done = doit("triage", "--log", log)
    assert done.returncode == 2 and "a ZIP archive: unpack it" in done.stderr


def test_a_log_that_is_not_there_is_one_line():
    done = doit("triage", "--log", "no.log")
    assert done.returncode == 2
    assert "no.log cannot be read" in done.stderr and "Traceback" not in done.stderr
