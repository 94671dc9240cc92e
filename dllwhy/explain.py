"""`doit explain`: which file every import of a module resolves to, and what to do if it does not.

explain(target, env) -> Explanation      a file, or an installed package
tree(explanation)    -> a tree for people (rich)
as_data(explanation) -> the same for programs
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from dllwhy import loader, packages, pe, windows
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment, detect_environment, environment_around
from dllwhy.loader import Closure, Resolution, Rule
from dllwhy.search import DAMAGED, look


@dataclass(frozen=True)
class Explanation:
    """What loading a module, or the modules of a package, comes to.

    Attributes:
        target: what was asked for.
        closures: one for each module, as if it were the first in its process after `after`.
        elsewhere: missing DLLs that lie somewhere in the environment, where the loader does not
            look: {name: files}.
    """

    target: str
    environment: Environment
    closures: tuple[Closure, ...]
    elsewhere: Mapping[str, tuple[Path, ...]]

    @property
    def exit_status(self) -> int:
        """0 if every module loads, otherwise 1."""
        return 0 if all(closure.loads for closure in self.closures) else 1


def explain(target: str, env: Path | None = None, *, base: Path | None = None,
            path: tuple[Path, ...] = (), added: tuple[Path, ...] = (), after: tuple[str, ...] = (),
            windows: str = "11", system32: Path | None = None) -> Explanation:  # fmt: skip
    """Explain how a file, or the modules of an installed package, find their DLLs.

    Args:
        target: a .pyd or .dll file, or the name of a package that is installed in `env`.
        env: the environment's folder; by default the one around the file.
        base, path, windows, system32: see `detect_environment`.
        added: folders given to os.add_dll_directory besides those that the packages' own
            sources tell of, in the order of the calls.
        after: packages that are imported before. All their modules count as loaded.

    Raises:
        DiagnosisError: there is no such file, package or environment.
    """
    file = Path(target)
    is_file = file.suffix.lower() in (*packages.BINARIES, ".exe") or file.is_file()
    if is_file:
        pe.read_pe(file)  # tells if it is not there
        file = file.absolute()
    folder = env or (environment_around(file) if is_file else None)
    if folder is None:
        raise DiagnosisError(
            f"No Windows Python environment is around {target}: name one with --env FOLDER "
            "(where its python.exe is)."
        )
    environment = detect_environment(
        folder.absolute(), base=base, path=path, windows=windows, system32=system32
    )
    if is_file:
        modules: tuple[Path, ...] = (file,)
        directories = directories_for(file, environment)
    else:
        package = packages.find_package(target, environment)
        modules, directories = package.modules, package.dll_directories
    loaded = loader.startup(environment)
    for name in after:
        package = packages.find_package(name, environment)
        environment = _with_added(package.dll_directories, environment)
        for module in package.modules:
            loaded = dict(loader.closure(module, environment, loaded=loaded).loaded)
    environment = _with_added((*reversed(added), *directories), environment)
    closures = tuple(loader.closure(module, environment, loaded=loaded) for module in modules)
    missing = {windows_name(r) for closure in closures for r in closure.missing}
    elsewhere = {name: files for name in sorted(missing) if (files := _lying(name, environment))}
    return Explanation(target, environment, closures, elsewhere)


def _with_added(folders: tuple[Path, ...], environment: Environment) -> Environment:
    searched = dict.fromkeys((*folders, *environment.added_directories))
    return replace(environment, added_directories=tuple(searched))


def windows_name(resolution: Resolution) -> str:
    """Return the name under which the loader files the DLL of a resolution."""
    return windows.dll_name(resolution.name)


def directories_for(file: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the folders that an installed file's package adds; none for a file elsewhere."""
    tops = packages.top_names(file, environment)
    return packages.dll_directories(tops, environment) if tops else ()


def _lying(name: str, environment: Environment) -> tuple[Path, ...]:
    folders = (environment.prefix, *environment.site_folders[1:])
    found = (path for folder in folders for path in _binaries(folder).get(name, ()))
    places = ((p, look(Rule.ADDED, p.parent, name, environment)) for p in found)
    return tuple(path for path, place in places if place.outcome == "found")


@cache
def _binaries(folder: Path) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for path in packages.binaries(folder):
        found[path.name.lower()] = (*found.get(path.name.lower(), ()), path)
    return found


def advice(resolution: Resolution, explanation: Explanation) -> tuple[str, ...]:
    """Return what is known about a missing DLL: near misses, who brings it, what to do."""
    environment = explanation.environment
    lines = []
    if resolution.problem:
        lines.append(shown(resolution.problem, environment))
    for path in explanation.elsewhere.get(windows_name(resolution), ())[:2]:
        if not resolution.problem or str(path) not in resolution.problem:
            remedy = "on PATH" if environment.searches_path else "after os.add_dll_directory"
            lines.append(
                f"{shown(path, environment)} has that name, but its folder is not searched: it "
                f"counts if its package is imported first, or {remedy}"
            )
    assemblies = pe.assemblies(resolution.importer)
    if assemblies:
        lines.append(f"{resolution.importer.name}'s manifest asks for {', '.join(assemblies)}")
    provider = _provider(resolution, environment)
    if any(place.outcome == DAMAGED for place in resolution.tried):
        lines.append("To do: install its package again, or copy the DLL anew.")
    elif provider:
        lines += [f"It is {provider.what}.", f"To do: {provider.remedy}."]
    else:
        lines.append(
            "To do: find the package that it was built with, and copy the DLL beside the module, "
            "or pack the wheel with delvewheel."
        )
    return tuple(lines)


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
        "modules": [
            {
                "file": str(closure.module),
                "loads": closure.loads,
                "problem": closure.problem,
                "files": [str(path) for path in closure.files],
                "missing": [r.name for r in closure.missing],
                "imports": [_row(r, explanation) for r in closure.resolutions],
            }
            for closure in explanation.closures
        ],
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


def shown(path: Path | str, environment: Environment) -> str:
    """Return a path, or a text with paths, without the environment's folder in front."""
    text = str(path)
    for folder in (*environment.site_folders, environment.prefix):
        text = text.replace(str(folder) + os.sep, "")
    return "the environment's folder" if text == str(environment.prefix) else text
