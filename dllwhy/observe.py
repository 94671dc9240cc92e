"""What an import really does for its DLLs: run once, in the Python in question, and recorded.

    observe("import torch", [python.exe]) -> Observation

On Windows the command is that Python; elsewhere it runs it under Wine ([wine, python.exe]). The
recorder (`recorder.py`) is a script of the standard library alone, and sees what Python tells:
os.add_dll_directory and its end, DLLs that ctypes loads, extension modules, PATH. What C code does
by itself (SetDllDirectory, LoadLibrary) it does not see.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dllwhy.errors import DiagnosisError
from dllwhy.imports.events import KINDS, Event
from dllwhy.imports.values import for_host, for_windows

RECORDER = Path(__file__).with_name("recorder.py")


@dataclass(frozen=True)
class Observation:
    """A run of an import.

    Attributes:
        events: what counts for DLLs, in order; `explain(..., observed=)` takes them.
        error: None, or the exception that ended the import: "ImportError: DLL load failed ...".
    """

    events: tuple[Event, ...]
    error: str | None


def observe(
    statement: str,
    command: Sequence[str | Path],
    *,
    variables: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> Observation:
    """Run `statement` and record what it does.

    Args:
        statement: Python source, "import torch".
        command: what starts the Python in question, python.exe or Wine with it.
        variables: the whole environment of the process; None for that of this one.
        timeout: seconds.

    Raises:
        DiagnosisError: that Python does not start, ends before it is done, or takes too long.
    """
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary, "events.jsonl")
        is_for_windows = str(command[-1]).lower().endswith(".exe")
        spelled = for_windows if is_for_windows else str
        program = [*map(str, command), spelled(RECORDER), spelled(output), statement]
        try:
            # Pipes for all three streams, or a Windows Python under Wine dies at once.
            done = subprocess.run(
                program, env=variables, input=b"", capture_output=True, timeout=timeout, check=False
            )
        except OSError as error:
            raise DiagnosisError(f"{program[0]} does not start: {error.strerror}.") from error
        except subprocess.TimeoutExpired as error:
            raise DiagnosisError(
                f"`{statement}` was not done after {timeout:.0f} seconds; it was ended."
            ) from error
        text = output.read_text(encoding="utf-8") if output.is_file() else ""
    return parse(text.splitlines(), statement, done.returncode)


def parse(lines: Iterable[str], statement: str, status: int) -> Observation:
    """Read what the recorder wrote.

    Raises:
        DiagnosisError: the import did not come to an end.
    """
    events: list[Event] = []
    winmode = None
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # cut off in the middle
            break
        kind, path = record["kind"], record["path"]
        if kind == "end":
            return Observation(tuple(events), record["error"])
        if kind == "winmode":  # of the load that follows
            winmode = record["winmode"]
        elif kind in KINDS:
            file = for_host(path) or Path(path)
            mode = winmode if kind == "load" else None
            events.append(Event(kind, file, record["where"], winmode=mode))
            winmode = None
    raise DiagnosisError(
        f"the Python that ran `{statement}` ended with status {status} before the import was done: "
        "it crashed, or it is not Python 3.8 or newer."
    )
