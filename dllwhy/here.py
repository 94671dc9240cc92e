"""What a question is about where nothing is said: this machine's Python, PATH and Windows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dllwhy.errors import DiagnosisError
from dllwhy.flavour import is_windows_python

WINDOWS = sys.platform == "win32"
NONE_ACTIVE = (
    "No Windows Python is active here: name one with --env FOLDER (the folder that holds "
    "python.exe, or a virtual environment's)."
)
_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")  # the innermost first


def default_environment() -> Path:
    """Return the folder of the Windows Python that is meant where none is named.

    Raises:
        DiagnosisError: there is none (`active_environment`).
    """
    if folder := active_environment():
        return folder
    raise DiagnosisError(NONE_ACTIVE)


def active_environment() -> Path | None:
    """Return the folder of the Windows Python that runs this, or is active.

    It is the Python that runs this; but the active environment (VIRTUAL_ENV, CONDA_PREFIX) comes
    before it for the command `dllwhy`, which pipx and uvx put into an environment of its own.
    There is none on Linux with no Windows environment activated.
    """
    folders = [Path(os.environ[name]) for name in _ACTIVE if os.environ.get(name)]
    if WINDOWS:
        is_command = Path(sys.argv[0]).stem.lower() == "dllwhy"
        folders.insert(len(folders) if is_command else 0, Path(sys.prefix))
    return next((folder for folder in folders if is_windows_python(folder)), None)


def search_path() -> tuple[Path, ...]:
    """Return the folders of PATH on Windows; none elsewhere, where it says nothing of Windows."""
    folders = os.environ.get("PATH", "").split(os.pathsep) if WINDOWS else []
    return tuple(Path(folder) for folder in folders if folder)


def system32() -> Path | None:
    """Return this machine's System32; None elsewhere than on Windows."""
    return Path(os.environ["SYSTEMROOT"], "System32") if WINDOWS else None
