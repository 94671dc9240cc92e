"""The project's own code and tests in a real Windows Python, under Wine.

It is the Python that bootstrap.bat would lay down, with the same pinned packages: paths, the
registry, cmd.exe, doit's database and threads are those of Windows.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT, lay_files
from windows_runner import WindowsRunner

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]

# What says the same on every system: ruff and mypy, and what the text of a log means. Everything
# else runs here, new tests too.
LEFT_OUT = (
    "tests/integration",
    "tests/test_quality.py",
    "tests/dllwhy/test_decode.py",
    "tests/dllwhy/logs/test_owners.py",
    "tests/dllwhy/logs/test_triage.py",
    "tests/dllwhy/logs/test_triage_compilers.py",
    "tests/dllwhy/logs/test_triage_kinds.py",
)


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """The repository's files in a folder as people have them on Windows."""
    folder = ROOT / "build" / "tests" / "FFCV (x86) ü & co"
    shutil.rmtree(folder, ignore_errors=True)
    lay_files(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_projects_tests_pass_on_windows(windows_runner: WindowsRunner, checkout: Path):
    assert [name for name in LEFT_OUT if not (checkout / name).exists()] == []
    options = ["-q", "-p", "no:cacheprovider", "--timeout", "120"]
    ignored = [f"--ignore={name}" for name in LEFT_OUT]
    done = windows_runner.run(
        [windows_runner.python, "-m", "pytest", *options, *ignored], cwd=checkout, timeout=1800
    )
    print(done.stdout)
    assert done.returncode == 0
    counts = {
        word: int(number)
        for number, word in re.findall(r"(\d+) (\w+)", done.stdout.strip().splitlines()[-1])
    }
    assert counts["passed"] > 600
    assert "failed" not in counts and "error" not in counts


def test_the_msvc_profile_is_the_default_on_windows(windows_runner: WindowsRunner, checkout: Path):
    done = windows_runner.run([windows_runner.python, "-m", "doit", "list", "--all"], cwd=checkout)
    assert done.returncode == 0, done.stdout
    tasks = [line.split()[0] for line in done.stdout.splitlines() if line]
    assert {"fetch:micromamba", "toolchain", "env:python", "libs:opencv", "wheel:ffcv"} <= set(
        tasks
    )
    assert "env:wine" not in tasks


def test_doit_info_names_windows_paths(windows_runner: WindowsRunner, checkout: Path):
    arguments = ["-m", "doit", "info", "--no-status", "libs:opencv"]
    done = windows_runner.run([windows_runner.python, *arguments], cwd=checkout)
    assert done.returncode == 0, done.stdout
    assert r"build\msvc-cp311\manifests\libs-opencv.json" in done.stdout


def test_what_needs_no_network_runs_once_and_not_again(
    windows_runner: WindowsRunner, checkout: Path
):
    doit = [windows_runner.python, "-m", "doit", "prereqs"]
    first = windows_runner.run(doit, cwd=checkout)
    assert first.returncode == 0, first.stdout
    again = windows_runner.run(doit, cwd=checkout)
    assert "0 of 1 tasks executed" in again.stdout


def test_without_a_compiler_it_says_how_to_get_one(windows_runner: WindowsRunner, checkout: Path):
    done = windows_runner.run(
        [windows_runner.python, "-m", "doit", "toolchain"],
        cwd=checkout,
        variables={"FFCVWIN_ACCEPT_MSVC_LICENCE": "no"},
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "Microsoft.VisualStudio.2022.BuildTools" in " ".join(done.stdout.split())
