"""What tests share."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import setuptools  # noqa: F401 - it refuses to come after Python's own distutils
import yaml
from support import ROOT, Recorder
from xdist.scheduler import LoadScopeScheduling

from tasks.core.job import Job

# What needs no more than a Windows Python, or has a clone of its own: it leaves that of the graph
# alone.
WINDOWS = (
    "test_bootstrap_bat.py",
    "test_conda_under_wine.py",
    "test_dllwhy_wheel.py",
    "test_msvc_portable.py",
    "test_tutorial_on_windows.py",
    "test_under_wine.py",
)
# What reads the products of the full run, and leaves the clone alone as well.
PRODUCTS = ("test_msvc_graph.py", "test_zig_on_windows.py")
# The longest begins first; what waits for the full run comes last.
ORDER = ("graph", "windows", "one file", "products")


def _group(file: str) -> str:
    if not file.startswith("tests/integration/"):
        return "one file"
    if file.endswith(WINDOWS):
        return "windows"
    return "products" if file.endswith(PRODUCTS) else "graph"


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Which tests stay in one process, where there are several (`pytest -n auto`)."""
    config.option.loadscopereorder = False
    return _ByGroup(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The order of the groups, where there are several processes."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: ORDER.index(_group(item.nodeid.split("::")[0])))


class _ByGroup(LoadScopeScheduling):
    """Tests that share what is expensive run in one process, one after the other.

    xdist's own way, the marker xdist_group, does nothing with pytest 9.2: xdist 3.8 sets an
    attribute of a test that is gone there.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        group = _group(file)
        if group != "one file":
            return group
        # Ruff and mypy share nothing.
        return nodeid if file == "tests/test_quality.py" else file


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_counts() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


@pytest.fixture
def job(recorder: Recorder) -> Job:
    return recorder.job


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project's own configuration in a folder of its own."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(ROOT / "config.yaml", folder)
    for name in ("patches", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture
def edit_config(clone: Path) -> Callable[[Callable[[dict], None]], Path]:
    """Changes the copied configuration with a function, and returns its path."""

    def edit(change: Callable[[dict], None]) -> Path:
        path = clone / "config.yaml"
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(data)
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return path

    return edit
