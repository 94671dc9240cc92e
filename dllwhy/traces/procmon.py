"""`doit trace --procmon FILE`: what Process Monitor recorded on Windows.

    read(file)      -> events    of Python's processes on .dll and .pyd files, as a stream
    stories(events) -> stories   of each DLL: where it was looked for, and what came of it

What the simulator says of the same DLLs is `procmon_compare`'s.

How to record is in `HOW_TO_RECORD`. Rows must be in the order of time, as they are unless the list
was sorted otherwise; more columns, another order of columns, more processes and more operations do
no harm.

What is known of the format comes from Sysinternals' documentation and from published exports:
https://learn.microsoft.com/sysinternals/downloads/procmon. UTF-8 with a byte order mark (UTF-16
after Windows PowerShell rewrote it), one quoted line for each event, the columns named in the first
line. Process Monitor speaks English
on every Windows; only the times are written as the user's country does, and they are not read.

Windows maps a module before it looks for its imports, so Load Image comes first for the module and
then for its imports (Wine tells of them the other way round, see `loadtrace`); it comes too where
the import then fails because a DLL is missing. A DLL that is loaded already, a KnownDLL and an API
set leave no search.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import NamedTuple, TextIO

from dllwhy import packages
from dllwhy.decode import marked
from dllwhy.errors import DiagnosisError
from dllwhy.traces.loadtrace import key

_COLUMNS = ("Process Name", "PID", "Operation", "Path", "Result")
_LOOKS = ("CreateFile", "QueryOpen")
_LOAD = "Load Image"
# A filter driver that has no quick answer; the same question follows as CreateFile.
_NO_ANSWER = ("FAST IO DISALLOWED",)
_FOUND = "SUCCESS"

_INTERESTING = re.compile(r'\.(?:dll|pyd)"?(?:,|\r?$)', re.IGNORECASE)
_PYTHON = re.compile(r"python[\w.]*\.exe", re.IGNORECASE)
HOW_TO_RECORD = """\
With Sysinternals' Process Monitor, run as administrator: Filter > Filter..., with "Process Name is
python.exe", "Operation is CreateFile", "Operation is QueryOpen", "Operation is Load Image", "Path
ends with .dll" and "Path ends with .pyd", each "Include"; "Show File System Activity" and "Show
Process and Thread Activity" switched on (Load Image belongs to the latter). Start Python, import,
then File > Save..., Format: Comma-Separated Values (CSV).
"""
_HOW = "In Process Monitor: File > Save..., Format: Comma-Separated Values (CSV)."


class Event(NamedTuple):
    """A row of the export."""

    pid: str
    operation: str
    path: str
    result: str


@dataclass(frozen=True)
class Story:
    """What became of one DLL in one process.

    Attributes:
        name: as the program spelled it when it asked first.
        tried: the paths at which it was looked for, in order, each once, with the last answer
            there: "SUCCESS", "NAME NOT FOUND", "PATH NOT FOUND" or another.
        loaded: the path from which it was loaded; None if it never was.
    """

    name: str
    tried: tuple[tuple[str, str], ...]
    loaded: str | None

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()

    @property
    def misses(self) -> tuple[tuple[str, str], ...]:
        """The places where it was not found."""
        return tuple((path, result) for path, result in self.tried if result != _FOUND)


def read(file: Path) -> Iterator[Event]:
    """Read the events of Python's processes on .dll and .pyd files; the file may be huge.

    Raises:
        DiagnosisError: the file is not a CSV export, or lacks what is needed.
    """
    names: set[str] = set()
    loads = False
    try:
        with _opened(file) as stream:
            columns = _columns(file, stream.readline(65_536))
            order = [columns.index(name) for name in _COLUMNS]
            # Each line by itself: the details of other rows have been seen with stray quotes.
            for line in filter(_INTERESTING.search, stream):
                row = _row(line)
                if len(row) <= max(order):
                    continue
                process, *values = (row[index] for index in order)
                event = Event(*values)
                if event.operation not in (*_LOOKS, _LOAD) or not _is_module(event.path):
                    continue
                names.add(process)
                if _PYTHON.fullmatch(process):
                    loads = loads or event.operation == _LOAD
                    yield event
    except OSError as error:
        raise DiagnosisError(f"{file} cannot be read: {error.strerror}") from error
    if not any(map(_PYTHON.fullmatch, names)):
        seen = ", ".join(sorted(names)[:5]) or "none at all"
        raise DiagnosisError(
            f"{file} tells of no python.exe that looks for .dll or .pyd files (processes that do: "
            f"{seen}). Record again with the filter `Process Name is python.exe`."
        )
    if not loads:
        raise DiagnosisError(
            f"{file} has no {_LOAD} events, so it does not tell what was found. Record again with "
            'Process Monitor\'s "Show Process and Thread Activity" switched on, and `Operation is '
            f"{_LOAD}` in the filter."
        )


def _opened(file: Path) -> TextIO:
    with file.open("rb") as stream:
        encoding = marked(stream.read(4)) or "utf-8"
    return file.open(encoding=encoding, errors="replace", newline="\n")


def _row(line: str) -> list[str]:
    """The values of a line; none if it is no CSV."""
    try:
        return next(csv.reader([line.rstrip("\r\n")]), [])
    except csv.Error:
        return []


def _columns(file: Path, first: str) -> list[str]:
    first = first.strip()
    if first.startswith("PML_"):
        raise DiagnosisError(
            f"{file} is Process Monitor's own format (PML); a CSV is needed. {_HOW}"
        )
    if first.startswith("<"):
        raise DiagnosisError(f"{file} is XML; a CSV is needed. {_HOW}")
    columns = _row(first)
    lacking = [name for name in _COLUMNS if name not in columns]
    if lacking:
        raise DiagnosisError(
            f"{file} is no CSV export of Process Monitor with the columns {', '.join(_COLUMNS)}: "
            f"its first line lacks {', '.join(lacking)}. {_HOW}"
        )
    return columns


def _is_module(path: str) -> bool:
    return path[-4:].lower() in packages.BINARIES


@dataclass
class _Process:
    """What one process has done so far."""

    tried: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    done: list[Story] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)


def stories(events: Iterable[Event]) -> dict[str, list[Story]]:
    """Reduce events to the stories of each process, {pid: stories in order of their end}.

    A file that was opened and never loaded is no story if no search went with it; nor is one that
    is looked for again after it was loaded. A .pyd that is not there is none either: Windows never
    searches for one, it is Python that tries `__init__.pyd` in the folder of every package.
    """
    processes: dict[str, _Process] = defaultdict(_Process)
    for event in events:
        process = processes[event.pid]
        name = PureWindowsPath(event.path).name.lower()
        if event.operation != _LOAD:
            if event.result not in _NO_ANSWER:
                process.tried[name][event.path] = event.result
        elif key(event.path) not in process.loaded:  # comctl32 is mapped twice
            process.loaded.add(key(event.path))
            process.done.append(_story(process.tried.pop(name, {}), event.path))
    result = {}
    for pid, process in processes.items():
        loaded = {story.key for story in process.done}
        ends = [_story(tried, None) for name, tried in process.tried.items() if name not in loaded]
        looked_for = (s for s in ends if s.misses and not s.key.endswith(".pyd"))
        result[pid] = [*process.done, *looked_for]
    return result


def _story(tried: dict[str, str], loaded: str | None) -> Story:
    first = next(iter(tried), loaded) or ""
    return Story(PureWindowsPath(first).name, tuple(tried.items()), loaded)
