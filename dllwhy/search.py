"""Where Windows looks for a DLL that is asked for by its bare name, and what it finds there."""

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

DAMAGED = "it is no Windows DLL (no PE headers): a download error page, or a cut-off copy"
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
        outcome: "found", "not there", "it is built for x86 (32-bit)", or `DAMAGED`.
    """

    rule: Rule
    folder: Path | None
    found: Path | None
    outcome: str


def search_order(module_folder: Path, environment: Environment) -> Places:
    """The folders for the imports of a module that is loaded by its path (steps 4 to 7)."""
    system = (Rule.SYSTEM, environment.system32)
    if environment.searches_path:
        path = ((Rule.PATH, folder) for folder in environment.path)
        return ((Rule.MODULE_FOLDER, module_folder), system, *path)
    return (
        (Rule.MODULE_FOLDER, module_folder),
        (Rule.PYTHON_FOLDER, environment.root),
        *((Rule.ADDED, folder) for folder in environment.added_directories),
        system,
    )


def standard_order(environment: Environment) -> Places:
    """The folders for what python.exe needs to start, and for a delay-loaded DLL.

    For the second the helper calls plain LoadLibrary.
    https://learn.microsoft.com/cpp/build/reference/understanding-the-helper-function
    C:\\Windows and the current folder, which come before PATH, are left out.
    """
    return (
        (Rule.PYTHON_FOLDER, environment.root),
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
    if rule is Rule.SYSTEM:
        return Place(rule, folder, None, "found")
    try:
        machine = read_pe(found).machine
    except DiagnosisError:
        return Place(rule, folder, found, DAMAGED)
    if machine != environment.machine:
        return Place(rule, folder, found, f"it is built for {machine}{_BITS.get(machine, '')}")
    return Place(rule, folder, found, "found")


def find(folder: Path, name: str) -> Path | None:
    """Return the file `name` in `folder`, whatever the case of its letters, as Windows does."""
    try:
        changed = folder.stat().st_mtime_ns
        # A folder that changed just now may change again within the same tick of its clock.
        settled = time.time_ns() - changed > _TICK_NS
        real = (_settled_listing(folder, changed) if settled else _listing(folder)).get(
            name.lower()
        )
    except OSError:  # no such folder, or none that may be read
        return None
    return folder / real if real else None


def _listing(folder: Path) -> dict[str, str]:
    return {path.name.lower(): path.name for path in folder.iterdir()}


@cache
def _settled_listing(folder: Path, mtime_ns: int) -> dict[str, str]:
    return _listing(folder)
