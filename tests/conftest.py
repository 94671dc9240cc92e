"""What tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support import ROOT, Recorder

from tasks.core.job import Job


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what is expensive run in one process: those of a file, or of a group.

    A module may name its group itself; see tests/integration/conftest.py.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            integration = item.get_closest_marker("integration")
            item.add_marker(pytest.mark.xdist_group("graph" if integration else item.path.stem))


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
