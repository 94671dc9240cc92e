"""A small clone that has been built, and copies of it to be spoiled."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_server import Server, serve

sys.path.insert(0, str(Path(__file__).parent))
from small_clone import TASKS, SmallClone


@pytest.fixture(scope="session")
def archives() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, archives: Server) -> SmallClone:
    """Built, and not to be altered."""
    made = SmallClone(tmp_path_factory.mktemp("small") / "clone", archives)
    done = made.doit(*TASKS)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture
def copy(built: SmallClone, tmp_path: Path) -> Callable[[str], SmallClone]:
    """Copies the built clone, as `cp -a` does; the cache is shared."""

    def copied(name: str = "copy") -> SmallClone:
        made = object.__new__(SmallClone)
        made.__dict__ = {**built.__dict__, "folder": tmp_path / name}
        shutil.copytree(built.folder, made.folder, symlinks=True)
        return made

    return copied
