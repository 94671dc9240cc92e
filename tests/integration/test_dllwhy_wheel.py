"""dllwhy as people have it: its wheel alone in a clean Windows Python, which it is asked about.

Under Wine; the folder has blanks and letters that no code page of Windows has.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pe_files import make_dll
from support import ROOT
from windows_runner import PACKAGES, WindowsRunner, copy_python, install

import dllwhy

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SCRIPT = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nimport broken.module\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "dllwhy"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT / "dllwhy", source, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    assert len(list(folder.glob("*.tar.gz"))) == 1
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, laid_down, windows_runner: WindowsRunner) -> Iterator[Path]:
    """A Windows Python with dllwhy, and a package whose module needs a DLL that is nowhere."""
    folder = ROOT / "build" / "tests" / "Python für 日本"
    shutil.rmtree(folder, ignore_errors=True)
    copy_python(laid_down.build / "env", folder)
    install(folder, wheel)
    make_dll(folder / PACKAGES / "broken" / "module.cp311-win_amd64.pyd", ["other.dll"])
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    yield folder / "python.exe"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ask(windows_runner: WindowsRunner, python: Path):
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = windows_runner.run(
            [python, *arguments], cwd=python.parent, variables={"PYTHONUTF8": "1", **variables}
        )
        print(done.stdout)
        return done

    return run


def test_one_command_names_the_dll_that_is_missing_in_the_python_that_runs_it(ask):
    done = ask("-m", "dllwhy", "broken")
    assert done.returncode == 1
    assert "does not load: missing other.dll" in done.stdout


def test_a_package_that_loads_has_exit_status_0_and_data(ask, python):
    done = ask("-m", "dllwhy", "--json", "yaml")
    assert done.returncode == 0
    [answer] = json.loads(done.stdout)
    assert answer["loads"] and "日本" in answer["environment"]["folder"]


def test_the_help_and_the_version_are_there(ask):
    assert "dllwhy run -- python script.py" in ask("-m", "dllwhy", "--help").stdout
    assert ask("-m", "dllwhy", "--version").stdout == f"dllwhy {dllwhy.__version__}\n"


def test_a_program_that_a_dll_stops_is_followed_by_the_answer(ask, python):
    done = ask("-m", "dllwhy", "run", "--", str(python), "script.py")
    assert done.returncode == 1
    said = done.stdout
    order = ["DLL load failed while importing module", "does not load: missing other.dll"]
    assert "out" in said and "err" in said
    assert -1 < said.index(order[0]) < said.index(order[1])


def test_a_program_that_ends_well_keeps_its_output_and_exit_status(ask, python):
    done = ask("-m", "dllwhy", "run", "--", str(python), "-c", "print('done'); raise SystemExit(7)")
    assert (done.returncode, done.stdout) == (7, "done\n")


def test_the_hook_answers_in_the_program_itself(ask):
    done = ask("-c", "import dllwhy.hook, broken.module")
    assert done.returncode == 1
    assert "does not load: missing other.dll" in done.stdout


def test_ctypes_message_is_answered_too(ask, python):
    file = python.parent / PACKAGES / "broken" / "module.cp311-win_amd64.pyd"
    done = ask("-c", f"import ctypes, dllwhy.hook; ctypes.CDLL({str(file)!r})")
    assert "Could not find module" in done.stdout
    assert "does not load: missing other.dll" in done.stdout


def test_what_an_import_does_can_be_observed(ask, python):
    folder = python.parent / PACKAGES / "adds"
    make_dll(folder / "module.cp311-win_amd64.pyd", ["hidden.dll"])
    make_dll(folder / "elsewhere" / "hidden.dll")
    name = f"bytes.fromhex({b'elsewhere'.hex()!r}).decode()"  # more than a reader of sources sees
    text = f"import os\nos.add_dll_directory(os.path.join(os.path.dirname(__file__), {name}))\n"
    (folder / "__init__.py").write_text(text, encoding="utf-8")
    file = str(folder / "module.cp311-win_amd64.pyd")
    assert ask("-m", "dllwhy", file).returncode != 0
    assert ask("-m", "dllwhy", "--observe", "adds", file).returncode == 0


def test_a_console_that_lacks_the_letters_of_a_path_ends_no_run(ask):
    done = ask("-m", "dllwhy", "broken", PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    assert done.returncode == 1
    assert "missing other.dll" in done.stdout and "Traceback" not in done.stdout


def test_a_log_is_read(ask, python):
    log = ROOT / "tests" / "data" / "logs" / "seed-linker.log"
    shutil.copy(log, python.parent / "build log ü.txt")
    done = ask("-m", "dllwhy", "log", "build log ü.txt")
    assert "libjpeg-turbo" in done.stdout and "to do:" in done.stdout


def test_what_cannot_be_answered_is_one_line(ask):
    done = ask("-m", "dllwhy", "nowhere.pyd")
    assert (done.returncode, done.stdout.count("\n")) == (2, 1)
