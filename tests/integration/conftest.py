"""The real graph, run once in a clone whose path has a space and a letter beyond ASCII.

The clone is build/tests/FFCV für Windows; it stays, so that a second run of the tests finds
most of it made.

Two processes share the work (tests/conftest.py). One has what alters the clone; the other what
needs no more than a Windows Python, or than what the full run made. Of what both would alter, each
has its own: the Windows runner and its Wine prefix.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from clone import Clone, MsvcClone, Run
from filelock import FileLock
from support import ROOT, Recorder
from windows_runner import WindowsRunner, make_runner

from tasks.core import config_file, project
from tasks.pythons import wine

UNREACHABLE = re.compile(r"name cannot be resolved|cannot be reached")


@pytest.fixture(scope="session")
def laid_down(testrun_uid: str) -> Clone:
    """The clone with its Windows Python, by the process that comes first; do not alter it."""
    if os.name == "nt":
        pytest.skip("runs the zig profile under Wine; on Windows, run bootstrap.bat")
    if shutil.which("wine") is None:
        pytest.skip("wine was not found; on Debian or Ubuntu: sudo apt-get install wine wine64")
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs a git checkout")
    made = Clone(ROOT / "build" / "tests" / "FFCV für Windows")
    made.folder.mkdir(parents=True, exist_ok=True)
    stamp = made.folder.with_name("laid-down.txt")
    with FileLock(stamp.with_suffix(".lock")):
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != testrun_uid:
            made.restore()
            run = made.doit("env:python", "extract:ucrtbase")
            _check_reachable(run)
            assert run.status == 0, run.output
            stamp.write_text(testrun_uid, encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def clone(laid_down: Clone) -> Iterator[Clone]:
    """The clone, for tests that may alter it: in the process that has the graph."""
    yield laid_down
    laid_down.restore()


@pytest.fixture(scope="session")
def full_run(laid_down: Clone, testrun_uid: str) -> Run:
    """The full run, by the process that comes first; the other waits for it."""
    record = laid_down.folder.with_name("full-run.json")
    with FileLock(record.with_suffix(".lock")):
        if record.is_file():
            known = json.loads(record.read_text(encoding="utf-8"))
            if known["testrun"] == testrun_uid:
                return Run(known["status"], known["output"])
        run = laid_down.doit()
        if run.status == 0:
            _keep_products(laid_down)
        known = {"testrun": testrun_uid, "status": run.status, "output": run.output}
        record.write_text(json.dumps(known), encoding="utf-8")
    return run


def _products(laid_down: Clone) -> Path:
    return laid_down.folder.with_name("products")


def _keep_products(laid_down: Clone) -> None:
    """What the full run made, as it is now: hard links, which take no room and little time."""
    folder = _products(laid_down)
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("env", "libs", "source"):
        shutil.copytree(laid_down.build / name, folder / name, copy_function=os.link)


@pytest.fixture(scope="session")
def products(laid_down: Clone, full_run: Run) -> Path:
    """env/, libs/ and source/ as the full run made them, for tests that only read them."""
    _check_reachable(full_run)
    assert full_run.status == 0, full_run.output
    return _products(laid_down)


def _check_reachable(run: Run) -> None:
    if run.status != 0 and UNREACHABLE.search(run.output):
        pytest.skip("the package registry cannot be reached")


@pytest.fixture(scope="session")
def first_run(clone: Clone, full_run: Run) -> Iterator[Run]:
    """The full run that every test of the clone stands on."""
    _check_reachable(full_run)
    program, settings = wine.find(), config_file.load(ROOT / "config.yaml").wine
    assert program is not None
    environment = wine.environment(settings, clone.build / "wine")
    wine.keep_server(program, environment)
    yield full_run
    wine.stop(program, environment)


@pytest.fixture(scope="session")
def msvc(testrun_uid: str) -> MsvcClone:
    """A clone with Microsoft's compiler, and what it has made of OpenCV and libjpeg-turbo.

    By the process that comes first, as `laid_down`. OpenCV takes minutes where the store lacks it.
    """
    if os.name == "nt":
        pytest.skip("calls the compiler through Wine")
    if shutil.which("wine") is None:
        pytest.skip("wine was not found; on Debian or Ubuntu: sudo apt-get install wine wine64")
    if not project.load(ROOT).accept_msvc_licence:
        pytest.skip(
            "Microsoft's compiler is used by those who accept its licence: "
            'FFCVWIN_ACCEPT_MSVC_LICENCE=yes (README, "Microsoft\'s compiler")'
        )
    made = MsvcClone(ROOT / "build" / "tests" / "FFCV mit Microsofts Übersetzer")
    made.folder.mkdir(parents=True, exist_ok=True)
    stamp = made.folder.with_name("msvc.txt")
    with FileLock(stamp.with_suffix(".lock")):
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != testrun_uid:
            made.restore()
            run = made.doit(*made.TASKS)
            _check_reachable(run)
            assert run.status == 0, run.output
            stamp.write_text(testrun_uid, encoding="utf-8")
    return made


@pytest.fixture
def built(clone: Clone, first_run: Run) -> Iterator[Clone]:
    """The clone after the full run; changes of a test are undone, but not built again."""
    assert first_run.status == 0, first_run.output
    yield clone
    clone.restore()


@pytest.fixture(scope="session")
def windows_runner(
    laid_down: Clone, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WindowsRunner]:
    """A Windows Python with the runner's packages, under Wine; one for each process."""
    job = Recorder(tmp_path_factory.mktemp("runner")).job
    dlls = laid_down.build / "extracted" / "ucrtbase"
    folder = ROOT / "build" / "tests" / f"Windows runner {worker_id}"
    made = make_runner(laid_down.build / "env", dlls, folder, job)
    made.keep_server()
    yield made
    made.stop()
