"""The command, as it is called: its answer, one line where there is none, its exit status."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pe_files import make_dll, make_python
from procmon_csv import recorded
from support import ROOT

import dllwhy
from dllwhy import cli

SITE = Path("Lib", "site-packages")
LOG = ROOT / "tests" / "data" / "logs" / "cmake-nasm-missing.log"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Windows Python with a package that needs other.dll, in a path with blanks and letters."""
    root = make_python(tmp_path / "Python für 日本")
    make_dll(root / SITE / "package" / "module.pyd", ["other.dll"])
    make_dll(root / SITE / "whole" / "module.pyd")
    return root


@pytest.fixture(autouse=True)
def _nothing_is_activated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def dllwhy_command(
    *arguments: str | Path, data: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dllwhy", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **variables}, input=data, capture_output=True, check=False,
    )  # fmt: skip


def test_no_verb_is_needed_for_the_commonest_question(python, capsys):
    assert cli.main(["package", "--env", str(python)]) == 1
    assert "does not load: missing other.dll" in capsys.readouterr().out


def test_several_targets_have_the_worst_exit_status_and_all_answers(python, capsys):
    assert cli.main(["whole", "package", "--env", str(python)]) == 1
    told = capsys.readouterr().out
    assert "whole, in " in told and "package, in " in told


def test_what_cannot_be_answered_does_not_keep_the_rest_from_an_answer(python, capsys):
    assert cli.main(["nowhere", "whole", "--json", "--env", str(python)]) == 2
    said = capsys.readouterr()
    assert [answer["target"] for answer in json.loads(said.out)] == ["whole"]
    assert said.err.startswith("dllwhy: nowhere is not installed") and said.err.count("\n") == 1


def test_a_file_tells_its_environment_by_itself(python, capsys):
    assert cli.main([str(python / SITE / "whole" / "module.pyd")]) == 0


def test_the_active_environment_is_meant_where_none_is_named(python, monkeypatch, capsys):
    monkeypatch.setenv("VIRTUAL_ENV", str(python))
    assert cli.main(["whole"]) == 0


def test_a_file_outside_any_environment_is_judged_for_the_active_one(
    python, tmp_path, monkeypatch, capsys
):
    file = make_dll(tmp_path / "elsewhere" / "module.pyd", ["python311.dll"])
    assert cli.main([str(file)]) == 0
    assert "assumed python.org Python 3.11" in capsys.readouterr().out
    monkeypatch.setenv("CONDA_PREFIX", str(python))
    assert cli.main([str(file)]) == 0
    assert "assumed" not in capsys.readouterr().out


def test_folders_and_packages_that_come_before_count(python, tmp_path, capsys):
    make_dll(tmp_path / "staged" / "other.dll")
    asked = ["package", "--env", str(python)]
    assert cli.main([*asked, "--add", str(tmp_path / "staged")]) == 0
    assert cli.main([*asked, "--path", str(tmp_path / "staged")]) == 1
    assert "is on PATH, but Python does not look there" in capsys.readouterr().out
    make_dll(python / SITE / "before" / "module.pyd", ["other.dll"])
    make_dll(python / SITE / "before" / "other.dll")
    assert cli.main([*asked, "--after", "before"]) == 0


def test_the_windows_that_is_assumed_can_be_named(python, capsys):
    video = make_dll(python / "DLLs" / "video.pyd", ["MFPlat.DLL"])
    assert cli.main([str(video), "--windows", "10"]) == 0
    assert cli.main([str(video), "--windows", "n"]) == 1
    assert cli.main([str(video), "--windows", "12"]) == 2


def test_an_audit_lists_what_is_missing(python, capsys):
    assert cli.main(["audit", "--json", "--env", str(python)]) == 1
    [missing] = [one for one in json.loads(capsys.readouterr().out) if one["kind"] == "missing"]
    assert "other.dll" in missing["message"]


def test_a_log_is_read_from_a_file_and_from_standard_input():
    for done in (
        dllwhy_command("log", LOG),
        dllwhy_command("log", "-", data=LOG.read_bytes()),
        dllwhy_command("log", "-", data=LOG.read_text(encoding="utf-8").encode("utf-16")),
    ):
        assert done.returncode == 0
        assert b"nasm" in done.stdout and b"to do:" in done.stdout


@pytest.mark.parametrize(
    ("log", "status"), [("Successfully built a.whl\n", 3), ("a.c(1): error C9999: a new one\n", 1)]
)
def test_a_log_without_a_known_cause_has_an_exit_status_of_its_own(log, status):
    assert dllwhy_command("log", "-", data=log.encode()).returncode == status


def test_a_recording_is_set_beside_the_model(python, tmp_path, capsys):
    status = cli.main(["trace", str(recorded("nothing", tmp_path)), "--env", str(python)])
    assert status == 2  # it tells of another Python
    assert "The export tells of another Python" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [[], ["audit"], ["log"], ["run"], ["trace"]])
def test_the_help_of_each_verb_says_how_it_is_called(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*verb, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {' '.join(['dllwhy', *verb])} ")


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"dllwhy {dllwhy.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "PACKAGE_OR_FILE"),
        (["package", "--bad"], "--bad"),
        (["package", "--env", "nowhere"], "nowhere is not a Python environment for Windows"),
        (["nowhere.pyd", "--env", "PYTHON"], "nowhere.pyd cannot be read"),
        (["tests", "--env", "PYTHON"], "tests is"),
        (["package", "--env", "PYTHON", "--observe", "package"], "on Windows only"),
        (["log"], "FILE"),
        (["log", "nowhere.log"], "nowhere.log cannot be read"),
        (["log", "tests"], "tests is a folder"),
        (["log", sys.executable], "no text"),
        (["trace", "nowhere.csv", "--env", "PYTHON"], "nowhere.csv"),
        (["trace", "tests", "--env", "PYTHON"], "tests"),
        (["run"], "dllwhy run -- python script.py"),
        (["run", "--", "no-such-program"], "no-such-program is no program"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else None,
)
def test_what_is_in_the_way_is_one_line(arguments, said, python, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    given = [str(python) if argument == "PYTHON" else argument for argument in arguments]
    assert cli.main(given) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("dllwhy: ") and said in captured.err


def test_closed_standard_input_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(["log", "-"]) == 2
    assert "There is no standard input" in capsys.readouterr().err


def test_an_interrupt_is_one_line(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli._VERBS, "audit", interrupted)
    assert cli.main(["audit"]) == 2
    assert capsys.readouterr().err == "dllwhy: interrupted.\n"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_traceback(python, options):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "dllwhy", "package", "--env", python, *options],
        cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.stderr == b""


@pytest.mark.parametrize("page", ["cp1252", "cp437", "ascii"])
def test_a_console_that_lacks_letters_gets_question_marks(python, page):
    done = dllwhy_command("package", "--env", python, PYTHONIOENCODING=page, PYTHONUTF8="0")
    assert done.returncode == 1 and done.stderr == b""
    assert b"missing other.dll" in done.stdout


def test_colours_are_for_terminals_that_want_them(python, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def told(stream: io.StringIO) -> str:
        monkeypatch.setattr(sys, "stdout", stream)
        cli.main(["package", "--env", str(python)])
        return stream.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in told(Terminal())
    assert "\x1b[" not in told(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in told(Terminal())


def test_the_help_imports_nothing_that_takes_long():
    code = (
        "import sys; from dllwhy import cli\n"
        "try: cli.main(['--help'])\n"
        "finally: print([m for m in ('lief', 'rich', 'yaml', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]"
