"""The questions, as functions for programs; `import dllwhy` has them by these names.

Where nothing else is said they are about this machine: the Python that asks, its PATH, its
Windows. Elsewhere than on Windows, PATH is empty and Windows a freshly installed Windows 11.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dllwhy import collector, here
from dllwhy.audit import Finding, audit
from dllwhy.errors import DiagnosisError
from dllwhy.explain import Explanation, explain, is_path
from dllwhy.flavour import Environment, detect_environment, environment_around
from dllwhy.imports.events import Event
from dllwhy.windows import find_edition

if TYPE_CHECKING:
    from dllwhy.logs import triage


@dataclass(frozen=True)
class Audit:
    """What is wrong in an environment, the serious findings first."""

    environment: Environment
    findings: tuple[Finding, ...]

    @property
    def exit_status(self) -> int:
        """1 if a finding is serious, otherwise 0."""
        return 1 if any(finding.serious for finding in self.findings) else 0


def explain_load(
    target: str | Path,
    env: Path | None = None,
    *,
    windows: str = "",
    path: Sequence[Path] | None = None,
    added: Iterable[Path] = (),
    after: Iterable[str] = (),
    default: Path | None = None,
    observe: str | None = None,
) -> Explanation:
    """Explain why a file, or the modules of an installed package, load or do not.

    Args:
        target: a .pyd, .dll or .exe file, a folder that holds some, or the name of an installed
            package.
        env: folder of the Windows Python; by default the one around the file, or else `default`.
            A file has a Python of python.org assumed for it where there is none.
        windows: a freshly installed "10", "11", "N" or "server"; by default this machine's.
        path: the folders of PATH; by default on Windows this machine's.
        added: folders that the program gives to os.add_dll_directory, in that order.
        after: packages that are imported before.
        default: by default `here.active_environment()`.
        observe: a module to import in that Python, on Windows: what this does counts then, instead
            of what the sources of the packages tell.

    Raises:
        DiagnosisError: there is no such file, package, environment or Windows, or the import
            cannot be observed.
    """
    around = environment_around(Path(target)) if is_path(str(target)) else None
    folder = env or around or default or here.active_environment()
    observed = _observed(observe, folder or here.default_environment()) if observe else None
    with collector.held():
        return explain(
            str(target),
            folder,
            observed=observed,
            path=here.search_path() if path is None else tuple(path),
            added=tuple(added),
            after=tuple(after),
            windows=find_edition(windows or "11"),
            system32=None if windows else here.system32(),
        )


def _observed(module: str, folder: Path) -> Sequence[Event]:
    """What the import of a module does in the Python of a folder."""
    if not here.WINDOWS:
        raise DiagnosisError("An import can be observed on Windows only: it runs that Python.")
    from dllwhy.observe import observe

    environment = detect_environment(folder.absolute())
    programs = environment.prefix / "Scripts" if environment.is_venv else environment.root
    return observe(f"import {module}", [programs / "python.exe"]).events


def read_environment(
    env: Path | None = None, *, windows: str = "", path: Sequence[Path] | None = None
) -> Environment:
    """Read which Python a folder holds; the arguments are those of `explain_load`.

    Raises:
        DiagnosisError: `env` holds no Windows Python, or there is no such Windows.
    """
    return detect_environment(
        (env or here.default_environment()).absolute(),
        path=here.search_path() if path is None else tuple(path),
        windows=find_edition(windows or "11"),
        system32=None if windows else here.system32(),
    )


def audit_environment(env: Path | None = None, *, windows: str = "") -> Audit:
    """Look at every DLL of an environment; the arguments are those of `explain_load`.

    Raises:
        DiagnosisError: `env` holds no Windows Python, or there is no such Windows.
    """
    environment = read_environment(env, windows=windows)
    with collector.held():
        return Audit(environment, tuple(audit(environment)))


def read_log(file: str) -> str:
    """Return the text of a log, whatever its encoding.

    Args:
        file: its path, or "-" for standard input.

    Raises:
        DiagnosisError: it cannot be read, is empty, or is no text.
    """
    if file == "-" and (sys.stdin is None or sys.stdin.closed):
        raise DiagnosisError("There is no standard input: give the log as a file.")
    if Path(file).is_dir():
        raise DiagnosisError(f"{file} is a folder: give the log file in it.")
    from dllwhy.logs import text

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return text.read(data)
    except OSError as error:
        raise DiagnosisError(f"{file} cannot be read: {error.strerror}.") from error
    except DiagnosisError as error:
        raise DiagnosisError(f"{file}: {error.message}.") from error


def triage_log(log: str, prefixes: Sequence[Path] = ()) -> list[triage.Finding]:
    """Find the causes of a failure in the text of a log; see `dllwhy.logs.triage.triage`."""
    from dllwhy.logs import triage

    return triage.triage(log, prefixes)
