"""What FFCV's own tests need on Windows, and where there is no internet; copied as conftest.py.

- They reopen a NamedTemporaryFile by its name. Windows does not allow that while it is open:
  they get a path to a file that does not exist yet.
- They download CIFAR-10: they get random images and labels of the same shape.
- A hang has to end, and what happened before it must not be lost: every result is written at
  once, as a line of JSON, to the file that FFCV_UPSTREAM_RESULTS names. A test that takes
  longer than FFCV_UPSTREAM_SECONDS is noted as "hung", and the process ends.
- Tests named in FFCV_UPSTREAM_DONE (separated by |) are left out: they were run before.
"""

import json
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

RESULTS = Path(os.environ["FFCV_UPSTREAM_RESULTS"])
SECONDS = float(os.environ["FFCV_UPSTREAM_SECONDS"])
DONE = set(filter(None, os.environ.get("FFCV_UPSTREAM_DONE", "").split("|")))


class NamedPath:
    """Stands in for tempfile.NamedTemporaryFile: a name, and no open file."""

    def __init__(self, *_: object, **__: object) -> None:
        self.folder = tempfile.mkdtemp(prefix="ffcv-upstream-")
        self.name = str(Path(self.folder, "file"))

    def __enter__(self) -> "NamedPath":
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        # Some tests leave in the middle of an epoch: then the file is in use, rightly.
        shutil.rmtree(self.folder, ignore_errors=True)


class FakeCIFAR10:
    """Stands in for torchvision's CIFAR10: 32x32 RGB images and labels, always the same."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __len__(self) -> int:
        return 50_000

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import numpy as np
        from PIL import Image

        random = np.random.default_rng(int(index))
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        return Image.fromarray(pixels), int(random.integers(10))


try:
    import torchvision.datasets
except ImportError:
    pass  # the tests that need it will say so
else:
    torchvision.datasets.CIFAR10 = FakeCIFAR10


def note(test: str, status: str, message: str = "") -> None:
    """Write a result down at once."""
    with RESULTS.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"test": test, "status": status, "message": message}) + "\n")


def name_of(nodeid: str) -> str:
    """FILE::TEST, whatever folder pytest was started in."""
    return nodeid.replace("\\", "/").rpartition("/")[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if name_of(item.nodeid) not in DONE]
    for item in items:
        note(name_of(item.nodeid), "collected")
        # In the tests only: torch needs the real one.
        module = getattr(item, "module", None)
        if hasattr(module, "NamedTemporaryFile"):
            vars(module)["NamedTemporaryFile"] = NamedPath


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        text = str(report.longrepr)
        errors = [line[2:].strip() for line in text.splitlines() if line.startswith("E ")]
        note(name_of(report.nodeid), "failed", "; ".join(errors) or text[-1000:])


def give_up(test: str) -> None:
    """End this process and its workers: the test hangs."""
    note(test, "hung", f"no end after {SECONDS:.0f} s")
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(3)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    watch = threading.Timer(SECONDS, give_up, [name_of(item.nodeid)])
    watch.daemon = True
    watch.start()
    note(name_of(item.nodeid), "started")
    yield
    watch.cancel()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or not report.passed:
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash else ""
        note(name_of(report.nodeid), report.outcome, message[:1000])
