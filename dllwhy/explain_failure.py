"""A program ended with a DLL that was not loaded: why, by what was done before in its process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from dllwhy import here
from dllwhy.api import read_environment
from dllwhy.errors import DiagnosisError
from dllwhy.explain import Explanation, explain
from dllwhy.failure import Failure
from dllwhy.flavour import environment_around, is_windows_python
from dllwhy.imports.events import Event, Kind
from dllwhy.imports.process import State, apply
from dllwhy.loader import startup
from dllwhy.search import library_order, look
from dllwhy.windows import dll_name


def explain_failure(failure: Failure) -> Explanation:
    """Explain what a program told when it ended.

    Raises:
        DiagnosisError: its Python or the file is not there (any more), or the DLL was asked for
            by a bare name and is nowhere that Windows looks.
    """
    events = [Event(cast(Kind, kind), Path(path)) for kind, path in failure.calls]
    path = tuple(Path(folder) for folder in failure.path.split(os.pathsep) if folder)
    file, prefix = Path(failure.file), Path(failure.prefix)
    folder = prefix if is_windows_python(prefix) else environment_around(file)
    if file.name == failure.file:
        file = _found(failure.file, folder, path, events)
    return explain(
        str(file), folder, path=path, system32=here.system32(), default=folder, observed=events
    )


def _found(name: str, folder: Path | None, path: Sequence[Path], events: Sequence[Event]) -> Path:
    """The DLL that ctypes finds by a bare name."""
    environment = read_environment(folder, path=path)
    environment = apply(events, State(environment, startup(environment))).environment
    places = library_order(None, None, environment)
    tried = [look(rule, where, dll_name(name), environment) for rule, where in places]
    found = next((place.found for place in tried if place.found), None)
    if found:
        return found
    folders = ", ".join(f"{place.folder or 'System32'} ({place.rule})" for place in tried)
    raise DiagnosisError(
        f"{name} was asked for by its bare name, and is in none of the folders that count: "
        f"{folders}. PATH does not count: give ctypes the whole path, or call "
        "os.add_dll_directory before."
    )
