"""Renaming and removing on Windows, where another program may have a file open for a moment.

A virus scanner opens what was just written, and the compiler's vctip.exe stays in its working
folder for some seconds. Until they let go Windows refuses; so it is asked again for a while.
"""

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType]

PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.2

# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_DIR_NOT_EMPTY
# https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
_IN_USE = (5, 32, 145)


def rename(source: Path, target: Path) -> Path:
    """Rename; a file replaces one that is there, a folder wants its new name to be free.

    Returns:
        `target`.

    Raises:
        OSError: it cannot be renamed, or is still in use after PATIENCE_SECONDS.
    """
    _patiently(lambda: source.replace(target))
    return target


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it; if it is not there, nothing is done.

    Raises:
        OSError: it cannot be removed, or is still in use after PATIENCE_SECONDS.
    """

    def remove() -> None:
        if os.path.lexists(folder):
            shutil.rmtree(folder, onerror=_remove_read_only)

    _patiently(remove)


def _remove_read_only(remove: Callable[..., object], path: str, error: _ExcInfo) -> None:
    """Windows does not remove a file that is read-only."""
    if remove is not os.unlink or os.access(path, os.W_OK):
        raise error[1]
    Path(path).chmod(stat.S_IWRITE)
    remove(path)


def _patiently(act: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            act()
            return
        except OSError as error:
            if getattr(error, "winerror", None) not in _IN_USE or time.monotonic() > end:
                raise
        time.sleep(_PAUSE_SECONDS)
