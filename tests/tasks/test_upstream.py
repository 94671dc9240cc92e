"""tasks.upstream, with real pytest processes on a small suite that passes, fails, hangs, dies."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from support import ROOT

from tasks import upstream
from tasks.core.errors import BuildError
from tasks.core.project import load
from tasks.upstream import Result

SUITE = """
import os, time
from tempfile import NamedTemporaryFile
import pytest

def test_passes():
    pass

def test_fails():
    assert 1 == 2, "one is not two"

def test_hangs():
    time.sleep(600)

def test_comes_after_the_hang():
    pass

@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass

def test_dies():
    os._exit(9)

def test_reopens_a_temporary_file_by_name():
    with NamedTemporaryFile() as handle:
        with open(handle.name, "wb") as stream:
            stream.write(b"x")
        with open(handle.name, "rb") as stream:
            assert stream.read() == b"x"
    assert not os.path.exists(handle.name)
"""

SPAWNS = """
import multiprocessing

def work():
    pass

def test_a_worker():
    worker = multiprocessing.get_context("spawn").Process(target=work)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
"""


def run_here(
    arguments: Sequence[str | Path], variables: Mapping[str, str | Path], timeout: float
) -> tuple[int | None, str]:
    """Run this Python."""
    try:
        finished = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={**os.environ, **{name: str(value) for name, value in variables.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return finished.returncode, finished.stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An sdist with a test suite."""
    tests = tmp_path / "ffcv" / "tests"
    tests.mkdir(parents=True)
    (tests / "test_suite.py").write_text(SUITE, encoding="utf-8")
    (tests / "test_nothing.py").write_text("X = 1\n", encoding="utf-8")
    return tmp_path / "ffcv"


def test_every_test_gets_its_result_although_some_hang_or_die(source: Path, tmp_path: Path) -> None:
    results = upstream.run_suite(source, tmp_path / "work", run_here, seconds=3)
    assert {test.partition("::")[2]: result.status for test, result in results.items()} == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_hangs": "hung",
        "test_comes_after_the_hang": "passed",
        "test_is_skipped": "skipped",
        "test_dies": "crashed",
        "test_reopens_a_temporary_file_by_name": "passed",
    }
    assert "one is not two" in results["test_suite.py::test_fails"].message
    assert upstream.counts(results) == "3 passed, 1 failed, 1 skipped, 1 hung, 1 crashed"


def test_a_process_that_cannot_end_itself_is_noted_as_hung(source: Path, tmp_path: Path) -> None:
    def run(
        arguments: Sequence[str | Path], variables: Mapping[str, str | Path], timeout: float
    ) -> tuple[int | None, str]:
        # the watch inside never fires, the one outside does
        return run_here(arguments, {**variables, "FFCV_UPSTREAM_SECONDS": "600"}, timeout=8)

    results = upstream.run_suite(source, tmp_path / "work", run, seconds=3, tries=1)
    assert results["test_suite.py::test_hangs"].status == "hung"
    assert "test_suite.py::test_comes_after_the_hang" not in results


def test_a_new_process_can_import_the_test_whatever_pytest_is_told_in_a_folder_above(
    source: Path, tmp_path: Path
) -> None:
    (source / "tests" / "test_suite.py").write_text(SPAWNS, encoding="utf-8")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n', encoding="utf-8"
    )
    results = upstream.run_suite(source, tmp_path / "work", run_here, seconds=60)
    assert results == {"test_suite.py::test_a_worker": Result("passed")}


def test_a_file_that_cannot_be_imported_has_failed(source: Path, tmp_path: Path) -> None:
    (source / "tests" / "test_suite.py").write_text(
        "import no_such_module\ndef test_x(): pass\n", encoding="utf-8"
    )
    results = upstream.run_suite(source, tmp_path / "work", run_here, seconds=30)
    assert results["test_suite.py"].status == "failed"
    assert "no_such_module" in results["test_suite.py"].message


def test_an_environment_without_pytest_is_an_error(source: Path, tmp_path: Path) -> None:
    def run(*_: object, **__: object) -> tuple[int | None, str]:
        return 1, "python.exe: No module named pytest\n"

    with pytest.raises(BuildError, match="No module named pytest"):
        upstream.run_suite(source, tmp_path / "work", run)


def test_a_source_without_tests_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="is it FFCV's sdist"):
        upstream.run_suite(tmp_path, tmp_path / "work", run_here)


def test_differences_name_the_test_what_happened_and_what_was_expected() -> None:
    expected = {
        "a::same": Result("passed"),
        "a::worse": Result("passed"),
        "a::better": Result("failed", "no GPU"),
        "a::gone": Result("passed"),
    }
    got = {
        "a::same": Result("passed"),
        "a::worse": Result("hung", "no end after 240 s\nmore"),
        "a::better": Result("passed"),
        "a::new": Result("skipped"),
    }
    assert upstream.compare(expected, got) == [
        "a::better: passed, expected failed",
        "a::gone: did not run, expected passed",
        "a::new: skipped, but it is not in the expectation",
        "a::worse: hung, expected passed (no end after 240 s)",
    ]
    assert upstream.compare(expected, expected) == []


def test_saved_results_can_be_an_expectation(tmp_path: Path) -> None:
    results = {"a::x": Result("passed"), "a::y": Result("failed", "wants CUDA")}
    upstream.save(tmp_path / "part.json", results)
    part = json.loads((tmp_path / "part.json").read_text(encoding="utf-8"))
    file = tmp_path / "expected.json"
    file.write_text(json.dumps({"patched": part}), encoding="utf-8")
    assert upstream.load_expected(file, "patched") == results
    with pytest.raises(BuildError, match="no expectation for the unpatched build"):
        upstream.load_expected(file, "unpatched")


def test_every_failure_that_is_expected_has_a_reason() -> None:
    file = upstream.expectation_file(load(ROOT))
    for build in ("patched", "unpatched"):
        for test, result in upstream.load_expected(file, build).items():
            assert result.status in upstream.STATUSES, test
            assert result.status == "passed" or result.message, test
