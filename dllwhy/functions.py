"""Functions that a DLL is asked for and does not have: WinError 127, for an ordinal 182.

The loader binds each function that an import table names when it loads the module, through
forwarders to where it is; one that is not there ends the load.
https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dllwhy import pe
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment
from dllwhy.resolution import Loaded, Resolution, forward_name
from dllwhy.search import Rule, find
from dllwhy.windows import dll_name, is_api_set

WRONG_VERSION = "use the versions of the two that were built for each other"


@dataclass(frozen=True)
class Lacking:
    """Functions that a file imports and that are not where they should be.

    Attributes:
        importer: the file whose import table names them.
        dll: the file that lacks them, maybe another than the one that is imported from.
        functions: their names; by ordinal "#12".
    """

    importer: Path
    dll: Path
    functions: tuple[str, ...]

    @property
    def error(self) -> int:
        """Windows' number for what happens at the first of them."""
        return 182 if self.functions[0].startswith("#") else 127

    @property
    def title(self) -> str:
        """The functions for people: "resize and 2 more"."""
        first = self.functions[0]
        name = f"ordinal {first[1:]}" if first.startswith("#") else first
        return name + (f" and {len(self.functions) - 1} more" if len(self.functions) > 1 else "")


def lacking(
    resolutions: Iterable[Resolution], loaded: Mapping[str, Loaded], environment: Environment
) -> Iterator[Lacking]:
    """Yield what the DLLs that are found do not export, one for each pair of files.

    Windows' own DLLs are looked at where a real System32 is given with the environment. Of the
    editions' lists only the names of the DLLs are known, not what is in them.

    Args:
        loaded: the modules in the process after the load, by `dll_name`.
    """
    seen = set()
    for resolution in resolutions:
        file = _file(resolution, environment)
        pair = resolution.importer, resolution.name.lower()
        if resolution.delay or resolution.forwards or file is None or pair in seen:
            continue
        seen.add(pair)
        wanted = pe.imported_symbols(resolution.importer).get(resolution.name.lower(), ())
        by_file: dict[Path, list[str]] = {}
        ordinals, own = pe.ordinals(file), pe.exports(file) - pe.forwarders(file).keys()
        for name in sorted(name for name in wanted if ordinals.get(name, name) not in own):
            end, there = _follow(file, name, loaded, environment)
            if there not in pe.exports(end):
                by_file.setdefault(end, []).append(there)
        for end, names in by_file.items():
            yield Lacking(resolution.importer, end, tuple(names))


def _file(resolution: Resolution, environment: Environment) -> Path | None:
    if resolution.rule in (Rule.MISSING, Rule.API_SET):
        return None
    if resolution.found is not None:
        return resolution.found if resolution.found.is_file() else None
    return _of_windows(resolution.name, environment)


def _of_windows(name: str, environment: Environment) -> Path | None:
    """A DLL of a real System32 that is given, if it can be read."""
    if environment.system32 is None or is_api_set(name):
        return None
    file = find(environment.system32, dll_name(name))
    if file is None or not file.is_file():
        return None
    try:
        return file if pe.read_pe(file).machine == environment.machine else None
    except DiagnosisError:
        return None


def _follow(
    file: Path, name: str, loaded: Mapping[str, Loaded], environment: Environment
) -> tuple[Path, str]:
    """Follow a function through forwarders to where it is, or should be."""
    seen = set()
    name = pe.ordinals(file).get(name, name)
    while (file, name) not in seen and (target := pe.forwarders(file).get(name)):
        seen.add((file, name))
        library = forward_name(target)
        module = loaded.get(dll_name(library))
        if module is None or module.path is None:
            there = _of_windows(library, environment) if module else None
        else:
            there = module.path if module.path.is_file() else None
        if there is None:
            break  # an API set, or missing: told as such
        function = target.rpartition(".")[2]
        file, name = there, pe.ordinals(there).get(function, function)
    return file, name
