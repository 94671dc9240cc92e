"""Runs an import and writes what it does for its DLLs as lines of JSON; run by `observe`.

This file is run by the Python that is asked about, with nothing but its standard library:

    python recorder.py OUTPUT STATEMENT

Its hooks only watch (https://docs.python.org/3/library/audit_events.html), but for what
os.add_dll_directory returns: that an object of it is closed is no audit event.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable


def main(output: str, statement: str) -> int:
    """Run `statement`; the events go to the file `output`, the last one being how it ended."""
    log = open(output, "a", encoding="utf-8")  # noqa: SIM115, PTH123 - open until the process ends

    def tell(kind: str, path: str | None, **more: Any) -> None:
        frame: Any = sys._getframe(2)
        while frame and frame.f_code.co_filename in HIDDEN:
            frame = frame.f_back
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""
        log.write(json.dumps({"kind": kind, "path": path, "where": where, **more}) + "\n")
        log.flush()

    def hook(event: str, args: Any) -> None:
        if event == "import" and args[1]:  # the file of an extension module
            tell("import", os.fspath(args[1]))
        elif event == "ctypes.dlopen" and args[0]:
            tell("load", os.fspath(args[0]))

    watch_folders(tell)
    watch_winmode(tell)
    watch_path(tell)
    sys.addaudithook(hook)
    try:
        exec(statement, {"__name__": "__main__"})
    except BaseException as error:
        tell("end", None, error=f"{type(error).__name__}: {error}")
        return 1
    tell("end", None, error=None)
    return 0


HIDDEN = (__file__, os.__file__, "<frozen importlib._bootstrap>",
          "<frozen importlib._bootstrap_external>")  # fmt: skip


def watch_folders(tell: Callable[..., None]) -> None:
    """Tell of folders that are added, and of those that are taken back."""
    add = getattr(os, "add_dll_directory", None)
    if add is None:
        return

    def add_dll_directory(path: Any) -> Any:
        cookie = add(path)
        folder = os.fspath(path)
        tell("add", folder)
        remove = cookie._remove_dll_directory

        def removed(handle: Any) -> None:
            tell("close", folder)
            remove(handle)

        cookie._remove_dll_directory = removed
        return cookie

    setattr(os, "add_dll_directory", add_dll_directory)  # noqa: B010 - Windows' only


def watch_winmode(tell: Callable[..., None]) -> None:
    """Tell of the flags that ctypes is given, which its audit event has not."""
    import ctypes

    start = ctypes.CDLL.__init__

    def init(self: Any, name: Any, mode: int = ctypes.DEFAULT_MODE, handle: Any = None,
             use_errno: bool = False, use_last_error: bool = False,
             winmode: int | None = None) -> None:  # fmt: skip
        if name and handle is None and winmode is not None:
            tell("winmode", os.fspath(name), winmode=winmode)
        start(self, name, mode, handle, use_errno, use_last_error, winmode)

    setattr(ctypes.CDLL, "__init__", init)  # noqa: B010 - a method, for a type checker


def watch_path(tell: Callable[..., None]) -> None:
    """Tell of folders that are put into PATH."""
    kind = type(os.environ)
    put = kind.__setitem__

    def set_item(self: Any, key: Any, value: Any) -> None:
        before = os.environ.get("PATH", "").split(os.pathsep)
        put(self, key, value)
        if str(key).upper() == "PATH":
            for folder in reversed([f for f in value.split(os.pathsep) if f not in before]):
                tell("path", folder)

    setattr(kind, "__setitem__", set_item)  # noqa: B010


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
