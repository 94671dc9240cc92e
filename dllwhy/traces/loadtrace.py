"""What the loader really did: traces of a running Python, and how they compare with `loader`.

    program(statement)      Python source that runs a statement and tells of every request
    parse(text)             Wine's +loaddll lines and those requests -> events, in order
    compare(events, env)    the simulator run over the same requests -> one Comparison per file

Wine's loader tells of a module after the modules that it imports, so what lies between a request
and the requested module's own line was loaded for its import tables; what comes later was asked
for by running code (LoadLibrary).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Literal

from dllwhy import loader, pe, windows
from dllwhy.flavour import Environment
from dllwhy.loader import Loaded
from dllwhy.search import find

# What to set WINEDEBUG to: +pid tells processes apart.
WINEDEBUG = "+pid,+loaddll"

_MARK = "loadtrace:"
# https://docs.python.org/3/library/audit_events.html. "import" has a file for extension modules
# only. os.write is not buffered, so that the order of lines is that of events.
_PRELUDE = f"""
import json, os, sys
def _tell(kind, value):
    os.write(2, ({_MARK!r} + json.dumps([kind, os.fspath(value)]) + "\\n").encode())
def _hook(event, args):
    if event == "import" and args[1]:
        _tell("import", args[1])
    elif event == "ctypes.dlopen" and args[0]:
        _tell("ctypes", args[0])
    elif event == "os.add_dll_directory":
        _tell("add", args[0])
sys.addaudithook(_hook)
import site
site.main()
"""

_LINE = re.compile(
    r"(?P<pid>[0-9a-f]+):[0-9a-f]+:trace:loaddll:\w+ (?P<what>Loaded|Unloaded)(?: module)? "
    r'L"(?P<path>(?:[^"\\]|\\.)*)".*?(?:: (?P<origin>native|builtin))?$'
)

Kind = Literal["import", "ctypes", "add", "load", "unload"]


@dataclass(frozen=True)
class Event:
    """One line of a trace.

    Attributes:
        kind: a request ("import" of an extension module, "ctypes" loading a DLL, "add" for
            os.add_dll_directory) or what the loader did ("load", "unload").
        path: as Windows spells it; of a ctypes request maybe a bare name.
        builtin: the module is Wine's own.
    """

    kind: Kind
    path: str
    builtin: bool = False


@dataclass(frozen=True)
class Comparison:
    """A file that the simulator predicted, or that was loaded, for one request.

    Attributes:
        request: the name of the extension module, or of the DLL that ctypes loads.
        name: the DLL, or the request's own file, in lower case.
        predicted: the file that the simulator names, as `key` spells it; None for none.
        real: the file that was loaded, as `key` spells it; None for none.
        note: why they differ, where the trace tells: Wine took its own DLL of that name.
    """

    request: str
    name: str
    predicted: str | None
    real: str | None
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether both name the same file."""
        return self.predicted == self.real


def program(statement: str) -> str:
    """Return Python source that runs `statement` and writes its requests to standard error.

    Run it with `python -S -c SOURCE`: it calls `site.main()` itself, so that requests by .pth
    files (pywin32's adds a folder) are told of too.
    """
    return f"{_PRELUDE}\n{statement}\n"


def key(path: str | Path) -> str:
    """Return a spelling of `path` that is the same in Wine's view and in this system's.

    Lower case, slashes, and no drive Z:, which is Wine's name for the whole file system.
    """
    return re.sub(r"^z:", "", str(path).replace("\\", "/").lower())


def parse(text: str, *, process: str = "python.exe") -> list[Event]:
    """Read standard error of a program run under Wine with `WINEDEBUG`.

    Args:
        process: the name of the executable whose events are wanted (other processes of the
            prefix write into the same stream); the first of that name.

    Returns:
        The events in order; none if no such process was loaded.
    """
    events: list[Event] = []
    pid = None
    for line in text.splitlines():
        mark = line.find(_MARK)
        if mark >= 0:
            if (request := _request(line[mark + len(_MARK) :])) is not None:
                events.append(request)
            continue
        match = _LINE.search(line)
        if not match:
            continue
        path = _unescape(match["path"])
        if pid is None and PureWindowsPath(path).name.lower() == process.lower():
            pid = match["pid"]
        if match["pid"] == pid:
            kind: Kind = "load" if match["what"] == "Loaded" else "unload"
            events.append(Event(kind, path, match["origin"] == "builtin"))
    return events


def compare(events: Iterable[Event], environment: Environment) -> list[Comparison]:
    """Predict each request of a trace with the simulator and put it beside what was loaded.

    Folders given to os.add_dll_directory count from there on, and so do modules that running
    code loaded. A request for what is loaded already gives no line, nor does one for a DLL of
    Wine's own. Requests by running code (LoadLibrary) leave no mark of their own: the last
    module of a run of loads is taken for the requested one, and simulated as if ctypes had
    asked for it.
    """
    comparisons: list[Comparison] = []
    state: Mapping[str, Loaded] = loader.startup(environment)
    builtin: set[str] = set()
    for request, loads in _requests(events):
        builtin |= {_name(load.path) for load in loads if load.builtin}
        # pythonXY.dll loads python3.dll just before its first extension module: see startup().
        loads = [load for load in loads if _name(load.path) != "python3.dll"]
        if request.kind == "add":
            added = (_host(request.path), *environment.added_directories)
            environment = replace(environment, added_directories=added)
        by_loader, by_code = _split(request, loads)
        module = _host(by_loader[-1].path if by_loader else request.path)
        if request.kind != "add" and not _present(module, state) and module.is_file():
            predicted, state = _predict(module, environment, state)
            comparisons += _beside(predicted, by_loader, module.name, builtin)
        for run in _runs(by_code, environment, state):
            module = _host(run[-1].path)
            predicted, state = _predict(module, environment, state)
            comparisons += _beside(predicted, run, f"LoadLibrary: {module.name}", builtin)
    return comparisons


def borrowed(events: Iterable[Event]) -> list[tuple[str, str]]:
    """DLLs of Wine's own that modules are linked to and got, and that a clean Windows has not.

    Such a module loads here and not there.

    Returns:
        (file name of the module, name of the DLL), in the order in which they were loaded.
    """
    events = [event for event in events if event.kind == "load"]
    clean = windows.system_dlls("x64", "11")
    lent = {_name(event.path) for event in events if event.builtin} - clean
    found = []
    for file in (_host(event.path) for event in events if not event.builtin):
        if lent and file.is_file():
            read = pe.read_pe(file)
            names = [windows.dll_name(name) for name in (*read.imports, *read.delay_imports)]
            found += [(file.name, name) for name in names if name in lent]
    return found


def _predict(
    module: Path, environment: Environment, state: Mapping[str, Loaded]
) -> tuple[set[str], Mapping[str, Loaded]]:
    closure = loader.closure(module, environment, loaded=state)
    files = (module, *closure.files) if closure.loads else ()
    return {key(file) for file in files}, closure.loaded


def _runs(
    loads: Sequence[Event], environment: Environment, state: Mapping[str, Loaded]
) -> list[list[Event]]:
    """Part what running code loaded into one run per request, each ending in the one asked for."""
    runs: list[list[Event]] = []
    rest = [load for load in loads if not load.builtin]
    while rest:
        predicted, _ = _predict(_host(rest[-1].path), environment, state)
        predicted.add(key(rest[-1].path))
        runs.insert(0, [load for load in rest if key(load.path) in predicted])
        rest = [load for load in rest if key(load.path) not in predicted]
    return runs


def _beside(
    predicted: set[str], loads: Iterable[Event], request: str, builtin: set[str]
) -> Iterator[Comparison]:
    real = {key(load.path) for load in loads if not load.builtin}
    for file in sorted(predicted | real):
        name = _name(file)
        differs = (file in predicted) != (file in real)
        yield Comparison(
            request=request,
            name=name,
            predicted=file if file in predicted else None,
            real=file if file in real else None,
            note="Wine took its own" if differs and name in builtin else "",
        )


def _requests(events: Iterable[Event]) -> Iterator[tuple[Event, list[Event]]]:
    """Group a trace: each request with the loads up to the next one.

    Modules that go again, as after a load that failed, are left out.
    """
    request: Event | None = None
    loads: list[Event] = []
    for event in events:
        if event.kind in ("import", "ctypes", "add"):
            if request:
                yield request, loads
            request, loads = event, []
        elif event.kind == "load":
            loads.append(event)
        else:
            loads = [load for load in loads if load.path != event.path]
    if request:
        yield request, loads


def _split(request: Event, loads: list[Event]) -> tuple[list[Event], list[Event]]:
    """Part the loads for a request's import tables, its own last, from those by running code.

    All are the latter if its own file is not among them: it was loaded before, or it failed.
    """
    if request.kind != "add":
        bare = PureWindowsPath(request.path).name == request.path
        wanted = windows.dll_name(request.path) if bare else key(request.path)
        for index, load in enumerate(loads, 1):
            if (_name(load.path) if bare else key(load.path)) == wanted:
                return loads[:index], loads[index:]
    return [], loads


def _present(module: Path, state: Mapping[str, Loaded]) -> bool:
    loaded = state.get(windows.module_name(module))
    return loaded is not None and loaded.path is not None and key(loaded.path) == key(module)


def _name(path: str) -> str:
    return PureWindowsPath(path).name.lower()


def _host(path: str) -> Path:
    """Return the file or folder that a Windows path means on this system, with its real case."""
    if Path(path).exists():
        return Path(path)
    result = Path("/")
    for part in PureWindowsPath(path).parts[1:]:
        result = find(result, part) or result / part
    return result


def _request(text: str) -> Event | None:
    try:
        kind, path = json.loads(text)
    except ValueError:  # two processes wrote at the same time
        return None
    return Event(kind, path)


def _unescape(text: str) -> str:
    """Undo Wine's debugstr_w: a backslash is doubled, other than ASCII is four hex digits."""
    return re.sub(
        r"\\([0-9a-f]{4}|.)",
        lambda match: chr(int(match[1], 16)) if len(match[1]) == 4 else match[1],
        text,
    )
