"""Where Windows looks for a DLL that is asked for by its bare name, and what it finds there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from dllwhy import windows
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment
from dllwhy.pe import read_pe

NO_DLL = "it is no Windows DLL (no PE headers): a download error page, or a cut-off copy"
_BITS = {"x86": " (32-bit)", "x64": " (64-bit)"}
_TICK_NS = 2_000_000_000  # FAT keeps times to two seconds


class Rule(str, Enum):
    """By which rule the loader found a DLL; the values are for people."""

    API_SET = "API set"
    LOADED = "already loaded"
    KNOWN = "KnownDLL"
    MODULE_FOLDER = "folder of the extension module"
    PYTHON_FOLDER = "folder of python.exe"
    ADDED = "add_dll_directory"
    SET = "SetDllDirectory"
    ASSEMBLY = "side-by-side assembly"
    PATH = "PATH"
    SYSTEM = "System32"
    STAGED = "staged"
    MISSING = "missing"

    def __str__(self) -> str:
        return self.value


# Folders in search order, each with the rule by which it is searched; None stands for System32 as
# the list of an edition gives it.
Places = Sequence[tuple[Rule, Path | None]]


@dataclass(frozen=True)
class Place:
    """A place that was tried: a folder, the rule by which it counts, and what was there.

    Attributes:
        folder: None for System32 as an edition's list stands for it.
        found: the file, or None.
        outcome: "found", "not there", "it is built for x86 (32-bit)", or what else is wrong.
        ends: the file is damaged, and the search ends with it.
    """

    rule: Rule
    folder: Path | None
    found: Path | None
    outcome: str
    ends: bool = False


def search_order(module_folder: Path, environment: Environment) -> Places:
    """The folders for the imports of a module that is loaded by its path (steps 4 to 7)."""
    system = (Rule.SYSTEM, environment.system32)
    if environment.searches_path:
        path = ((Rule.PATH, folder) for folder in environment.path)
        return ((Rule.MODULE_FOLDER, module_folder), system, *path)
    return ((Rule.MODULE_FOLDER, module_folder), *_default_order(environment))


def _default_order(environment: Environment) -> Places:
    """LOAD_LIBRARY_SEARCH_DEFAULT_DIRS: a folder given to SetDllDirectory counts as an added one.

    https://learn.microsoft.com/windows/win32/api/libloaderapi/nf-libloaderapi-setdefaultdlldirectories
    """
    own = environment.dll_directory
    return (
        (Rule.PYTHON_FOLDER, environment.root),
        *((Rule.ADDED, folder) for folder in environment.added_directories),
        *(((Rule.SET, own),) if own else ()),
        (Rule.SYSTEM, environment.system32),
    )


def library_order(file: Path | None, winmode: int | None, environment: Environment) -> Places:
    """The folders for what a DLL needs that running code loads.

    Args:
        file: the DLL, given by its path; None where it is asked for by its bare name.
        winmode: the flags of LoadLibraryEx; None for those of ctypes, which has
            LOAD_LIBRARY_SEARCH_DEFAULT_DIRS (0x1000), with ..._DLL_LOAD_DIR (0x100) for a path.
            https://docs.python.org/3/library/ctypes.html#ctypes.CDLL
    """
    folder = ((Rule.MODULE_FOLDER, file.parent),) if file else ()
    if winmode is None:
        winmode = 0x1100 if file else 0x1000
    if environment.searches_path or winmode & 0x8:  # LOAD_WITH_ALTERED_SEARCH_PATH
        return (*folder, *standard_order(environment)[0 if not file else 1 :])
    if winmode & 0x1000:
        return (*(folder if winmode & 0x100 else ()), *_default_order(environment))
    return standard_order(environment)


def standard_order(environment: Environment) -> Places:
    """The folders for what python.exe needs to start, and for a delay-loaded DLL.

    For the second the helper calls plain LoadLibrary.
    https://learn.microsoft.com/cpp/build/reference/understanding-the-helper-function
    C:\\Windows and the current folder, which come before PATH, are left out.
    """
    own = environment.dll_directory
    return (
        (Rule.PYTHON_FOLDER, environment.root),
        *(((Rule.SET, own),) if own else ()),
        (Rule.SYSTEM, environment.system32),
        *((Rule.PATH, folder) for folder in environment.path),
    )


def look(rule: Rule, folder: Path | None, key: str, environment: Environment) -> Place:
    """Look for the DLL `key` in one folder, or in the list that stands for System32."""
    if folder is None:
        present = key in windows.system_dlls(environment.machine, environment.windows)
        return Place(rule, None, None, "found" if present else "not there")
    found = find(folder, key)
    if found is None:
        return Place(rule, folder, None, "not there")
    if not found.is_file():
        return Place(rule, folder, found, "it is a folder" if found.is_dir() else "it is no file")
    if rule is Rule.SYSTEM:
        return Place(rule, folder, None, "found")
    try:
        machine = read_pe(found).machine
    except DiagnosisError as error:
        reason = error.message.partition(" is damaged: ")[2].rstrip(".")
        return Place(rule, folder, found, f"it is damaged: {reason}" if reason else NO_DLL, True)
    if machine != environment.machine:
        return Place(rule, folder, found, f"it is built for {machine}{_BITS.get(machine, '')}")
    return Place(rule, folder, found, "found")


def find(folder: Path, name: str) -> Path | None:
    """Return what is called `name` in `folder`, whatever the case of its letters.

    Windows takes no notice of dots and spaces at the end of a name.
    https://learn.microsoft.com/windows/win32/fileio/naming-a-file
    """
    real = listing(folder).get(name.lower().rstrip(". "))
    return folder / real if real else None


def listing(folder: Path) -> dict[str, str]:
    """Return the names in a folder by their lower case; none of a folder that is not there."""
    try:
        changed = folder.stat().st_mtime_ns
        # A folder that changed just now may change again within the same tick of its clock.
        settled = time.time_ns() - changed > _TICK_NS
        return _settled_listing(folder, changed) if settled else _listing(folder)
    except OSError:  # no such folder, or none that may be read
        return {}


def _listing(folder: Path) -> dict[str, str]:
    return {path.name.lower(): path.name for path in folder.iterdir()}


@cache
def _settled_listing(folder: Path, mtime_ns: int) -> dict[str, str]:
    return _listing(folder)
