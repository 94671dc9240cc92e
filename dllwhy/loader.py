"""The loader simulator: which file each import of an extension module resolves to on Windows.

CPython >= 3.8 loads a .pyd with LoadLibraryExW and the flags LOAD_LIBRARY_SEARCH_DEFAULT_DIRS |
LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR (Python/dynload_win.c). For each import, by bare name, Windows
then asks in this order:

    1. is it an API set?          the schema in Windows answers; files do not matter
    2. is it loaded already?      a module of that name, from whatever folder
    3. is it a KnownDLL?          System32's, whatever lies elsewhere
    4. the folder of the .pyd     the one being loaded, also for the imports of its imports
    5. the folder of python.exe   in a venv the base installation's
    6. os.add_dll_directory       the order among them is unspecified; in fact the last is first
    7. System32
       and never PATH, the current folder, or C:\\Windows

An export of a DLL may only point into another one (a forwarder: "other.function"). That one is
looked for in the same way when an import is bound to such an export; it need not stand in any
import table.

Sources: Microsoft, "Dynamic-link library search order"; LoadLibraryExW, SetDefaultDllDirectories.
A file for another machine is passed over and the search goes on (LdrpMapDllSearchPath); at one
that is no DLL at all it ends.

Side-by-side assemblies that a manifest asks for come between 1 and 2 (`dllwhy.assemblies`).

Not modelled: what DllMain and running code load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from dllwhy.flavour import Environment, assumed_dlls, detect_environment
from dllwhy.functions import Lacking, lacking
from dllwhy.pe import read_pe
from dllwhy.resolution import Loaded, Resolution, Search, brought_in, delayed, load
from dllwhy.search import Place, Places, Rule, find, search_order, standard_order
from dllwhy.windows import dll_name, module_name

__all__ = [
    "Closure",
    "Environment",
    "Lacking",
    "Loaded",
    "Place",
    "Resolution",
    "Rule",
    "closure",
    "detect_environment",
    "startup",
]


@dataclass(frozen=True)
class Closure:
    """Everything that loading one module brings in.

    Attributes:
        module: the extension module, or any other DLL that is loaded by its path.
        resolutions: one for each import of each file, depth first as the loader goes; after
            them the delay-loaded ones, as they would be found once all that is loaded.
        loaded: the modules in the process afterwards, by `dll_name`; the same as before where
            the load fails, for Windows then unloads what it had loaded.
        problem: why the module itself cannot be loaded (built for another machine), or None.
        lacking: functions that are imported from DLLs which do not have them.
    """

    module: Path
    environment: Environment
    resolutions: tuple[Resolution, ...]
    loaded: Mapping[str, Loaded] = field(repr=False)
    problem: str | None = None
    lacking: tuple[Lacking, ...] = ()

    @property
    def missing(self) -> tuple[Resolution, ...]:
        """The imports for which nothing usable was found; delay-loaded ones do not count."""
        return tuple(r for r in self.resolutions if r.rule is Rule.MISSING and not r.delay)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that this load brings in besides the module and Windows' own, each once."""
        return brought_in(r for r in self.resolutions if not r.delay)

    @property
    def loads(self) -> bool:
        """Whether Windows can load the module."""
        return self.problem is None and not self.missing and not self.lacking


def closure(
    module: Path,
    environment: Environment,
    *,
    loaded: Mapping[str, Loaded] | None = None,
    places: Places | None = None,
) -> Closure:
    """Load `module` as Python's import, or ctypes given its full path, does.

    Args:
        loaded: the modules that are in the process before; by default those that python.exe
            has at start-up. To load several modules in one process, give the `loaded` of the
            closure before.
        places: where its DLLs are looked for, if not as for an import: see `library_order`.

    Raises:
        DiagnosisError: `module` is no PE file. A DLL that it needs and that is none counts as
            missing.
    """
    before = startup(environment) if loaded is None else loaded
    state = dict(before)
    search = Search(places or search_order(module.parent, environment), environment)
    machine = read_pe(module).machine
    problem = None
    resolutions: tuple[Resolution, ...] = ()
    if machine != environment.machine:
        problem = f"it is built for {machine}, but this Python for {environment.machine}"
    else:
        state.setdefault(module_name(module), Loaded(module, "import"))
        # Several importers may follow the same forwarder to a DLL that is missing.
        resolutions = tuple(dict.fromkeys(load(module, search, state)))
        later = Search(standard_order(environment), environment)
        for importer in (module, *brought_in(resolutions)):
            resolutions += tuple(delayed(importer, later, state))
    lack = tuple(lacking(resolutions, state, environment))
    result = Closure(module, environment, resolutions, state, problem, lack)
    return result if result.loads else replace(result, loaded=before)


def startup(environment: Environment) -> dict[str, Loaded]:
    """Return the modules that are in the process when the first extension module is imported.

    These are python.exe's and pythonXY.dll's imports, and python3.dll, which pythonXY.dll loads
    by its path before it loads the first extension module (`_Py_CheckPython3`). A process starts
    with the standard search, in which PATH counts, whatever this Python asks for later.
    https://learn.microsoft.com/windows/win32/dlls/dynamic-link-library-search-order
    """
    return dict(_startup(environment))


@cache
def _startup(environment: Environment) -> Mapping[str, Loaded]:
    root = environment.root
    state = {name: Loaded(root / name, "python.exe") for name in assumed_dlls(environment)}
    search = Search(standard_order(environment), environment)
    for name in ("python.exe", environment.python_dll, "python3.dll"):
        file = find(root, name)
        if file:
            state.setdefault(dll_name(name), Loaded(file, "python.exe"))
            for _ in load(file, search, state):
                pass
    return state
