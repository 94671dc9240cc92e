"""What a program that ends with "DLL load failed" knows of it: the file, and what was done before.

    watch(then)       from now on: when the program ends so, `then` gets the `Failure`
    failure.to_json() -> text -> from_json(text)

`dllwhy run` has this file read by the Python that fails, whichever that is: the standard library
alone, and nothing newer than Python 3.8 (the first one whose message is the one below).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# https://github.com/python/cpython/blob/3.12/Python/dynload_win.c: an ImportError with the module's
# name and path. The same file's text on Wine and in other languages differs after the colon.
_IMPORT = re.compile(r"DLL load failed while importing ")
# https://github.com/python/cpython/blob/3.12/Modules/_ctypes/callproc.c (load_library), and what
# torch/__init__.py adds to the message of Windows.
_CTYPES = re.compile(
    r"(?:Could not find module '(?P<ctypes>.+?)' \(or|Error loading \"(?P<torch>.+?)\" or)"
    r" one of its dependencies"
)
# https://docs.python.org/3/library/audit_events.html: the kind of call, and the argument that is
# its path.
_EVENTS = {
    "os.add_dll_directory": ("add", 0),
    "import": ("import", 1),
    "ctypes.dlopen": ("load", 0),
}


@dataclass(frozen=True)
class Failure:
    """A DLL that a program could not load, and the state of its process.

    Attributes:
        message: the exception's.
        file: what was to be loaded: a path, or for ctypes maybe a bare name.
        prefix: `sys.prefix` of the Python.
        path: its PATH when it ended.
        calls: what was done before that counts for the DLL search, in order: ("add", a folder for
            os.add_dll_directory), ("import", an extension module), ("load", a DLL for ctypes).
    """

    message: str
    file: str
    prefix: str
    path: str = ""
    calls: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """Return the failure as one line of JSON."""
        return json.dumps(asdict(self))


def from_json(text: str) -> Failure:
    """Return the failure that `Failure.to_json` wrote."""
    told: dict[str, Any] = json.loads(text)
    return Failure(**{**told, "calls": tuple((kind, path) for kind, path in told["calls"])})


def failed_file(error: BaseException | None) -> tuple[str, str] | None:
    """Return message and file of the failed load that an exception comes from; None if of none.

    Packages raise errors of their own from it, so causes and contexts are looked at too.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        text = str(error)
        if isinstance(error, ImportError) and error.path and _IMPORT.match(text):
            return text, _absolute(error.path)
        match = _CTYPES.search(text) if isinstance(error, OSError) else None
        if match:
            return text, _absolute(match["ctypes"] or match["torch"])
        error = error.__cause__ or error.__context__
    return None


def _absolute(file: str) -> str:
    """A path as it is from any folder; a bare name, which ctypes looks for, as it is."""
    return str(Path(file).absolute()) if Path(file).name != file else file


def watch(then: Callable[[Failure], None]) -> None:
    """Call `then`, after the traceback, when this program ends with a DLL that was not loaded."""
    calls: list[tuple[str, str]] = []
    before = sys.excepthook

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            given = arguments[_EVENTS[event][1]]
            if given:  # an import has a file for extension modules only
                calls.append((_EVENTS[event][0], _absolute(os.fspath(given))))

    def hook(kind: Any, error: BaseException, trace: Any) -> None:
        before(kind, error, trace)
        found = failed_file(error)
        if found:
            then(Failure(*found, sys.prefix, os.environ.get("PATH", ""), tuple(calls)))

    sys.addaudithook(audit)
    sys.excepthook = hook
