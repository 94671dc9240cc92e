"""Imported by each Python that a program under `dllwhy run` starts, before its own code runs.

https://docs.python.org/3/library/site.html#module-sitecustomize. It writes down how the program
ends, in the file that DLLWHY_REPORT names, and steps aside for a sitecustomize that it hides.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent


def _watch(report: Path) -> None:
    spec = importlib.util.spec_from_file_location("_dllwhy_failure", _HERE.parent / "failure.py")
    assert spec and spec.loader
    failure = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = failure  # dataclasses look their module up
    spec.loader.exec_module(failure)

    def write(failed: Any) -> None:
        with report.open("a", encoding="utf-8") as stream:
            stream.write(failed.to_json() + "\n")

    failure.watch(write)


def _step_aside() -> None:
    own = sys.modules.pop(__name__)
    sys.path[:] = [folder for folder in sys.path if not folder or Path(folder).resolve() != _HERE]
    try:
        importlib.import_module(__name__)
    except ImportError as error:
        if error.name != __name__:
            raise
        sys.modules[__name__] = own


if "DLLWHY_REPORT" in os.environ and hasattr(sys, "addaudithook"):  # not before Python 3.8
    _watch(Path(os.environ["DLLWHY_REPORT"]))
_step_aside()
