"""Runs in the Windows Python: imports modules, and says how it went as one line of JSON.

Usage: python imports.py MODULE|FILE.pyd...; a file is a library of site-packages, which is loaded.
"""

import ctypes
import importlib
import json
import sys
import sysconfig
import time
import traceback
from collections.abc import Iterator
from pathlib import Path


def _told(error: BaseException) -> Iterator[str]:
    """An error, and the failed imports behind it: Cython hides that numpy is missing."""
    yield f"{type(error).__name__}: {error}"
    behind = error.__cause__ or error.__context__
    while behind is not None:
        if isinstance(behind, ImportError):
            yield f"{type(behind).__name__}: {behind}"
        behind = behind.__cause__ or behind.__context__


def main() -> int:
    """Import every module named in the arguments; 0 if all could be."""
    results = []
    for name in sys.argv[1:]:
        print(f"import {name}", flush=True)
        started = time.perf_counter()
        result: dict[str, object] = {"module": name, "status": "passed"}
        try:
            if name.endswith(".pyd"):
                ctypes.CDLL(str(Path(sysconfig.get_path("purelib"), name)))
            else:
                module = importlib.import_module(name)
                result["file"] = getattr(module, "__file__", None)
        except BaseException as error:
            traceback.print_exc()
            result["status"] = "failed"
            result["error"] = "; ".join(_told(error))
        result["seconds"] = round(time.perf_counter() - started, 2)
        results.append(result)
    outcome = {"python": sys.version, "platform": sys.platform, "imports": results}
    print(json.dumps(outcome), flush=True)
    return 0 if all(result["status"] == "passed" for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
