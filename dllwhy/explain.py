"""`doit explain`: which file every import of a module resolves to, and what to do if it does not.

explain(target, env) -> Explanation      a file, or an installed package
tree(explanation)    -> a tree for people (rich)
as_data(explanation) -> the same for programs
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dllwhy import here, loader, packages, unpacked, windows
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment, detect_environment, environment_around
from dllwhy.imports.events import Event
from dllwhy.imports.process import Imports, State
from dllwhy.judge import Verdict, judge
from dllwhy.loader import Closure, Resolution, Rule
from dllwhy.search import library_order, look


@dataclass(frozen=True)
class Explanation:
    """What loading a module, or the modules of a package, comes to.

    Attributes:
        target: what was asked for.
        environment: with the folders that the packages add.
        verdicts: one for each module, as if it were the first of its package in the process.
        elsewhere: missing DLLs that lie somewhere in the environment, where the loader does not
            look: {name: files}.
        notes: what else there is to know, a line each.
    """

    target: str
    environment: Environment
    verdicts: tuple[Verdict, ...]
    elsewhere: Mapping[str, tuple[Path, ...]]
    notes: tuple[str, ...] = ()

    @property
    def closures(self) -> tuple[Closure, ...]:
        """What the verdicts are about."""
        return tuple(verdict.closure for verdict in self.verdicts)

    @property
    def exit_status(self) -> int:
        """0 if every module loads, 1 if one does not, 2 if it cannot be told of one."""
        if all(closure.loads for closure in self.closures):
            return 0
        return 1 if any(v.fails for v in self.verdicts) else 2


def explain(target: str, env: Path | None = None, *, base: Path | None = None,
            path: tuple[Path, ...] = (), added: tuple[Path, ...] = (), after: tuple[str, ...] = (),
            windows: str = "11", system32: Path | None = None, default: Path | None = None,
            observed: Sequence[Event] | None = None) -> Explanation:  # fmt: skip
    """Explain how a file, or the modules of an installed package, find their DLLs.

    Args:
        target: a .pyd or .dll file, a folder that holds some (an unpacked wheel's), or the name of
            a package that is installed in `env`.
        env: the environment's folder; by default the one around the file.
        base, path, windows, system32: see `detect_environment`.
        added: folders given to os.add_dll_directory besides those that the packages' own
            sources tell of, in the order of the calls.
        after: packages that are imported before. All their modules count as loaded.
        default: the environment for a file that lies in none; without it, a Python of python.org
            is assumed (`unpacked.assumed_python`).
        observed: what a run of the import did (`dllwhy.observe`), instead of what the sources
            tell of.

    Raises:
        DiagnosisError: there is no such file, package or environment.
    """
    file = Path(target).absolute() if is_path(target) else None
    folder = env or (environment_around(file) if file else None) or default
    if folder:
        environment = detect_environment(
            folder.absolute(), base=base, path=path, windows=windows, system32=system32
        )
    elif file:
        environment = unpacked.assumed_python(
            packages.in_place(target, file, None).modules,
            path=path, windows=windows, system32=system32,
        )  # fmt: skip
    else:
        raise DiagnosisError(packages.no_target(target) or here.NONE_ACTIVE)
    if file:
        environment = _with_its_folder(file, environment)
        package = packages.in_place(target, file, environment)
    else:
        package = packages.find_package(target, environment)
    environment = _with_added(tuple(reversed(added)), environment)
    start = _after(after, State(environment, loader.startup(environment)))
    imports = Imports(start, observed)
    verdicts = [judge(module, imports, package) for module in package.modules]
    if not package.modules:
        verdicts = [_of_another_python(module, imports.start) for module in package.passed_over]
    searched = dict.fromkeys(
        folder for v in verdicts for folder in v.closure.environment.added_directories
    )
    environment = _with_added(tuple(searched), environment)
    missing = {windows_name(r) for v in verdicts for r in v.closure.missing}
    elsewhere = {name: files for name in sorted(missing) if (files := _lying(name, environment))}
    unsettled = [v.with_elsewhere(set(elsewhere)) for v in verdicts]
    notes = _notes(package) if folder else (*_notes(package), _ASSUMED)
    return Explanation(target, environment, tuple(unsettled), elsewhere, notes)


_ASSUMED = "no Python for Windows is around it; to ask about one of yours: --env FOLDER"


def is_path(target: str, base: Path = Path()) -> bool:
    """Whether a target is a file or a folder, seen from `base`, and not the name of a package."""
    path = base / target
    is_binary = path.suffix.lower() in (*packages.BINARIES, ".exe")
    return is_binary or path.is_file() or (path.is_dir() and not packages.is_name(target))


def _with_its_folder(file: Path, environment: Environment) -> Environment:
    """The environment when it imports from where a file lies, as if that was in sys.path."""
    folder = unpacked.import_folder(file)
    if folder is None or folder in environment.site_folders:
        return environment
    return replace(environment, python_path=(folder,))


def _after(names: Sequence[str], state: State) -> State:
    """The process after packages were imported, with all their modules."""
    for name in names:
        package = packages.find_package(name, state.environment)
        imports = Imports(state)
        state = imports.start
        for top in sorted(package.tops):
            state = imports.after(top, state)
        for module in package.modules:
            places = None
            if module.suffix.lower() == ".dll":
                places = library_order(module, None, state.environment)
            loaded = loader.closure(
                module, state.environment, loaded=state.loaded, places=places
            ).loaded
            state = State(state.environment, loaded)
    return state


def _of_another_python(module: Path, state: State) -> Verdict:
    environment = state.environment
    takes = f".cp{environment.abi}-...pyd and .pyd"
    problem = f"its name is that of a module for another Python; this one takes {takes}"
    return Verdict(Closure(module, environment, (), state.loaded, problem))


def _notes(package: packages.Package) -> tuple[str, ...]:
    notes = [package.note] if package.note else []
    if package.modules and package.passed_over:
        names = ", ".join(file.name for file in package.passed_over[:3])
        more = f" and {len(package.passed_over) - 3} more" * (len(package.passed_over) > 3)
        notes.append(f"passed over, as this Python does: {names}{more}, for another Python")
    return tuple(notes)


def _with_added(folders: tuple[Path, ...], environment: Environment) -> Environment:
    searched = dict.fromkeys((*folders, *environment.added_directories))
    return replace(environment, added_directories=tuple(searched))


def windows_name(resolution: Resolution) -> str:
    """Return the name under which the loader files the DLL of a resolution."""
    return windows.dll_name(resolution.name)


def _lying(name: str, environment: Environment) -> tuple[Path, ...]:
    found = packages.lying(name, environment)
    places = ((p, look(Rule.ADDED, p.parent, name, environment)) for p in found)
    return tuple(path for path, place in places if place.outcome == "found")


def advice(resolution: Resolution, explanation: Explanation) -> tuple[str, ...]:
    """Return what is known about a missing DLL: near misses, who brings it, what to do."""
    environment = explanation.environment
    lines = []
    if resolution.problem:
        lines.append(shown(resolution.problem, environment))
    for path in explanation.elsewhere.get(windows_name(resolution), ())[:2]:
        if not resolution.problem or str(path) not in resolution.problem:
            why = _why_not(path, resolution, environment)
            lines.append(f"{shown(path, environment)} has that name, but {why}")
    provider = _provider(resolution, environment)
    if any(place.ends for place in resolution.tried):
        lines.append("To do: install its package again, or copy the DLL anew.")
    elif provider:
        lines += [f"It is {provider.what}.", f"To do: {provider.remedy}."]
    else:
        lines.append(
            "To do: find the package that it was built with, and copy the DLL beside the module, "
            "or pack the wheel with delvewheel."
        )
    return tuple(lines)


def _why_not(path: Path, resolution: Resolution, environment: Environment) -> str:
    """Why a file of the right name is not used."""
    if any(place.ends for place in resolution.tried) and path.parent in {
        environment.root, resolution.importer.parent, *environment.added_directories
    }:  # fmt: skip
        return "it is not reached: the search ends at the damaged file"
    remedy = "on PATH" if environment.searches_path else "after os.add_dll_directory"
    return f"its folder is not searched: it counts if its package is imported first, or {remedy}"


def _provider(resolution: Resolution, environment: Environment) -> windows.Provider | None:
    return windows.provider(resolution.name, environment.windows, environment.machine)


def as_data(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as data for JSON."""
    environment = explanation.environment
    return {
        "target": explanation.target,
        "environment": {
            "folder": str(environment.prefix),
            "python": str(environment.root),
            "title": environment.title,
            "windows": str(environment.system32 or windows.editions()[environment.windows]),
            "added_directories": [str(path) for path in environment.added_directories],
            "path": [str(path) for path in environment.path],
        },
        "loads": explanation.exit_status == 0,
        "notes": list(explanation.notes),
        "modules": [_module(verdict, explanation) for verdict in explanation.verdicts],
    }


def _module(verdict: Verdict, explanation: Explanation) -> dict[str, Any]:
    closure = verdict.closure
    return {
        "file": str(closure.module),
        "loads": None if verdict.untold else closure.loads,
        "untold": list(verdict.untold),
        "notes": list(verdict.notes),
        "problem": closure.problem,
        "files": [str(path) for path in closure.files],
        "missing": [r.name for r in closure.missing],
        "lacking": [
            {
                "importer": str(lack.importer),
                "dll": str(lack.dll),
                "functions": list(lack.functions),
                "error": lack.error,
            }
            for lack in closure.lacking
        ],
        "imports": [_row(r, explanation) for r in closure.resolutions],
    }


def _row(resolution: Resolution, explanation: Explanation) -> dict[str, Any]:
    missing = resolution.rule is Rule.MISSING
    provider = _provider(resolution, explanation.environment)
    return {
        "name": resolution.name,
        "importer": str(resolution.importer),
        "rule": resolution.rule.value,
        "found": str(resolution.found) if resolution.found else None,
        "delay": resolution.delay,
        "forwards": resolution.forwards,
        "problem": resolution.problem,
        "tried": [
            {
                "rule": place.rule.value,
                "folder": str(place.folder) if place.folder else None,
                "outcome": place.outcome,
            }
            for place in resolution.tried
        ],
        "elsewhere": [
            str(path) for path in explanation.elsewhere.get(windows_name(resolution), ()) if missing
        ],
        "provider": provider.what if missing and provider else None,
        "remedy": provider.remedy if missing and provider else None,
    }


# Windows' Python says "lib" of the folder "Lib".
_CASE = re.IGNORECASE if os.name == "nt" else re.RegexFlag(0)


def shown(path: Path | str, environment: Environment) -> str:
    """Return a path, or a text with paths, without the environment's folder in front."""
    text = str(path)
    for folder in (*environment.site_folders, environment.prefix):
        text = re.sub(re.escape(str(folder) + os.sep), "", text, flags=_CASE)
    return "the environment's folder" if text == str(environment.prefix) else text
