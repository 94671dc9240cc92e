"""Files and folders: made whole or not at all, renamed and removed with patience.

On Windows another program may have a file open for a moment: a virus scanner opens what was just
written, and the compiler's vctip.exe stays in its working folder for some seconds. Until they let
go Windows refuses. Elsewhere a program that is being ended may still put a file into a folder that
is being removed. So both are tried again for a while.
"""

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType]

PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.2

# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_DIR_NOT_EMPTY
# https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
_IN_USE = (5, 32, 145)

# What a copied or half-made thing is called until it is whole.
TEMPORARY = ".tmp"


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


def remove(path: Path) -> None:
    """Remove a file, a link (never what it points to) or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def temporary_for(target: Path) -> Path:
    """The name that `target` has while it is being made."""
    return target.with_name(target.name + TEMPORARY)


@contextlib.contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """Gives an empty folder to fill; it takes the place of `target` if all goes well.

    Otherwise it is removed, and an older `target` stays as it was. What a killed run left of it is
    removed first.
    """
    temporary = temporary_for(target)
    remove(temporary)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        remove(target)
        rename(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_tree(temporary)
        raise


def copy_tree(
    source: Path,
    target: Path,
    *,
    ignore: Callable[[str, list[str]], set[str]] | None = None,
) -> None:
    """Copy a folder's content into `target`, which may be there; times are those of the copying.

    Raises:
        OSError: with the first file that cannot be copied. shutil goes on after an error and then
            raises a list of them, which says nothing about a disk that is full.
    """

    def copy(original: str, new: str) -> str:
        try:
            return shutil.copyfile(original, new)
        except OSError as error:
            raise _CopyError(error, new) from error

    try:
        shutil.copytree(source, target, ignore=ignore, copy_function=copy, dirs_exist_ok=True)
    except _CopyError as stopped:
        raise stopped.error from None


class _CopyError(Exception):
    """Ends shutil.copytree, which collects every OSError and goes on."""

    def __init__(self, error: OSError, path: str):
        super().__init__(str(error))
        self.error = error
        if error.filename is None:
            error.filename = path


def is_inside(path: Path, folder: Path) -> bool:
    """Whether `path` itself (not what it may link to) lies in `folder`, links in between followed.

    `folder` is not inside itself.
    """
    normal = Path(os.path.normpath(path))
    return (normal.parent.resolve() / normal.name).is_relative_to(folder.resolve()) and (
        normal.parent.resolve() / normal.name != folder.resolve()
    )


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
            code = getattr(error, "winerror", None)
            busy = code in _IN_USE or (code is None and error.errno == errno.ENOTEMPTY)
            if not busy or time.monotonic() > end:
                raise
        time.sleep(_PAUSE_SECONDS)
