"""`dllwhy run`: the program as it is, and the answer when a DLL stops it.

Only Windows says "DLL load failed"; here a program raises that error itself, as CPython does
there, and tests/integration/test_dllwhy_wheel.py has real ones.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pe_files import make_dll, make_python
from support import ROOT

FAILS = """\
import sys
print("out"); print("err", file=sys.stderr)
sys.prefix = {prefix!r}
raise ImportError("DLL load failed while importing module: no", name="module", path={file!r})
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A program that ends as one of a Windows Python whose module needs other.dll."""
    python = make_python(tmp_path / "Python für alle")
    file = make_dll(python / "Lib" / "site-packages" / "package" / "module.pyd", ["other.dll"])
    script = tmp_path / "script.py"
    script.write_text(FAILS.format(prefix=str(python), file=str(file)), encoding="utf-8")
    return script


def run(*command: str | Path, data: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dllwhy", "run", "--", *map(str, command)],
        cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1", **variables}, input=data,
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_the_answer_follows_the_traceback_on_standard_error(script):
    done = run(sys.executable, script)
    assert done.returncode == 1
    assert done.stdout == "out\n"
    lines = done.stderr.splitlines()
    assert lines[:2] == ["err", "Traceback (most recent call last):"]
    failed = lines.index("ImportError: DLL load failed while importing module: no")
    assert "does not load: missing other.dll" in "\n".join(lines[failed:])


def test_what_the_program_did_before_counts(script):
    staged = make_dll(script.parent / "staged" / "other.dll").parent
    call = f"sys.audit('os.add_dll_directory', {str(staged)!r})\n"  # as os.add_dll_directory does
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("raise", call + "raise"), encoding="utf-8")
    said = run(sys.executable, script).stderr
    assert "missing other.dll" not in said and "its DLLs are all found" in said


def test_a_dll_that_ctypes_finds_nowhere_is_told_with_the_folders(script):
    message = "Could not find module 'no.dll' (or one of its dependencies). Try using the full path"
    text = script.read_text(encoding="utf-8").partition("raise")[0]
    script.write_text(text + f"raise FileNotFoundError({message!r})", encoding="utf-8")
    done = run(sys.executable, script)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("dllwhy: no.dll was asked for by its bare name")


def test_where_all_is_there_it_says_that_code_is_to_blame(script):
    module = next(script.parent.rglob("module.pyd"))
    make_dll(module.parent / "other.dll")
    done = run(sys.executable, script)
    assert "its DLLs are all found" in done.stderr and "dllwhy trace --help" in done.stderr


def test_a_program_keeps_its_streams_and_its_exit_status():
    code = "import sys; print(sys.stdin.read().upper()); sys.exit(7)"
    done = run(sys.executable, "-c", code, data="in")
    assert (done.returncode, done.stdout, done.stderr) == (7, "IN\n", "")


def test_options_behind_the_dashes_are_the_programs():
    assert run(sys.executable, "-c", "print(1)", "--json", "--help").stdout == "1\n"


def test_an_error_of_another_kind_gets_no_answer():
    done = run(sys.executable, "-c", "import no_such_module")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError")


def test_a_program_sees_no_change_in_its_path_and_has_its_own_sitecustomize(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.mine = True", encoding="utf-8")
    code = "import sys; print(sys.mine, sys.path)"
    alone = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert run(sys.executable, "-c", code, PYTHONPATH=str(tmp_path)).stdout == alone.stdout


def test_a_program_that_another_one_starts_is_watched_too(script):
    code = f"import subprocess, sys; subprocess.run([sys.executable, {str(script)!r}])"
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0
    assert "does not load: missing other.dll" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that end a program")
def test_a_program_that_a_signal_ends_has_the_exit_status_of_a_shell():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert run(sys.executable, "-c", code).returncode == 128 + signal.SIGTERM


def test_the_hook_answers_in_the_program_itself(script):
    code = f"import runpy, dllwhy.hook; runpy.run_path({str(script)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "does not load: missing other.dll" in done.stderr
