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

Not modelled: side-by-side assemblies that a manifest asks for, which come before all of this from
C:\\Windows\\WinSxS or, private ones, from beside the module. A DLL of theirs (msvcr90.dll) is told
as missing, with the assembly in the advice. Nor what DllMain and running code load.
"""

import filecmp
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from dllwhy import windows
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment, assumed_dlls, detect_environment
from dllwhy.pe import forwarders, imported_symbols, read_pe
from dllwhy.search import DAMAGED, Place, Places, Rule, find, look, search_order, standard_order
from dllwhy.windows import dll_name

__all__ = [
    "Closure",
    "Environment",
    "Loaded",
    "Place",
    "Resolution",
    "Rule",
    "closure",
    "detect_environment",
    "needed_from",
    "startup",
]


@dataclass(frozen=True)
class Loaded:
    """A module in the process: its file (None: Windows' own) and who asked for it."""

    path: Path | None
    importer: str


@dataclass(frozen=True)
class Resolution:
    """What became of one import.

    Attributes:
        name: as the importer spells it.
        importer: the file whose import table names it.
        found: the file that is used; None for Windows' own DLLs, and where it is missing.
        tried: the folders in the order in which the loader looked.
        problem: None, or why this does not work, or works otherwise than the files suggest.
        delay: loaded at the first call, not at import.
        forwards: a function that `importer` only forwards to this DLL, where that is why it is
            loaded; None for an import.
    """

    name: str
    importer: Path
    rule: Rule
    found: Path | None = None
    tried: tuple[Place, ...] = ()
    problem: str | None = None
    delay: bool = False
    forwards: str | None = field(default=None, compare=False)


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
    """

    module: Path
    environment: Environment
    resolutions: tuple[Resolution, ...]
    loaded: Mapping[str, Loaded] = field(repr=False)
    problem: str | None = None

    @property
    def missing(self) -> tuple[Resolution, ...]:
        """The imports for which nothing usable was found; delay-loaded ones do not count."""
        return tuple(r for r in self.resolutions if r.rule is Rule.MISSING and not r.delay)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that this load brings in besides the module and Windows' own, each once."""
        return _brought_in(r for r in self.resolutions if not r.delay)

    @property
    def loads(self) -> bool:
        """Whether Windows can load the module."""
        return self.problem is None and not self.missing


def closure(
    module: Path, environment: Environment, *, loaded: Mapping[str, Loaded] | None = None
) -> Closure:
    """Load `module` as Python's import, or ctypes given its full path, does.

    Args:
        loaded: the modules that are in the process before; by default those that python.exe
            has at start-up. To load several modules in one process, give the `loaded` of the
            closure before.

    Raises:
        DiagnosisError: `module` is no PE file. A DLL that it needs and that is none counts as
            missing.
    """
    before = startup(environment) if loaded is None else loaded
    state = dict(before)
    places = search_order(module.parent, environment)
    machine = read_pe(module).machine
    problem = None
    resolutions: tuple[Resolution, ...] = ()
    if machine != environment.machine:
        problem = f"it is built for {machine}, but this Python for {environment.machine}"
    else:
        state.setdefault(dll_name(module.name), Loaded(module, "import"))
        # Several importers may follow the same forwarder to a DLL that is missing.
        resolutions = tuple(dict.fromkeys(_load(module, places, state, environment)))
        later = standard_order(environment)
        for importer in (module, *_brought_in(resolutions)):
            resolutions += tuple(_delayed(importer, later, state, environment))
    result = Closure(module, environment, resolutions, state, problem)
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
    places = standard_order(environment)
    for name in ("python.exe", environment.python_dll, "python3.dll"):
        file = find(root, name)
        if file:
            state.setdefault(dll_name(name), Loaded(file, "python.exe"))
            for _ in _load(file, places, state, environment):
                pass
    return state


def needed_from(
    module: Path,
    search: Sequence[Path],
    environment: Environment,
    *,
    destination: Path | None = None,
) -> list[Path]:
    """Return the files that must be copied for `module` to load: the transitive closure.

    What the environment provides by itself is not copied. The answer is the same before and
    after the copying: what lies in `destination` already is taken only where `search` lacks it.

    Args:
        search: the staged folders to take DLLs from, in order.
        destination: the folder to copy to; by default the module's own.

    Returns:
        Files in `search`, in load order, each once; delay-loaded ones are included where they
        are to be had.

    Raises:
        DiagnosisError: an import is neither in the environment nor in `search`.
    """
    own = {module.parent, destination or module.parent}
    order = search_order(module.parent, environment)
    places = (
        *(place for place in order if place[1] not in own),
        *((Rule.STAGED, folder) for folder in search),
        *((Rule.MODULE_FOLDER, folder) for folder in own),
    )
    state = startup(environment)
    resolutions = list(_load(module, places, state, environment))
    importers = [module, *_brought_in(resolutions)]
    for importer in importers:  # grows meanwhile
        for delayed in _delayed(importer, places, state, environment):
            resolutions.append(delayed)
            if delayed.rule is Rule.STAGED and delayed.found:
                state[dll_name(delayed.name)] = Loaded(delayed.found, importer.name)
                more = list(_load(delayed.found, places, state, environment))
                resolutions += more
                importers += [delayed.found, *_brought_in(more)]
    missing = [r for r in resolutions if r.rule is Rule.MISSING and not r.delay]
    if missing:
        raise DiagnosisError(_explain_needed(missing, search, environment))
    staged = (r.found for r in resolutions if r.rule is Rule.STAGED and r.found)
    return list(dict.fromkeys(staged))


def _explain_needed(
    missing: Sequence[Resolution], search: Sequence[Path], environment: Environment
) -> str:
    first = missing[0]
    provider = windows.provider(first.name, environment.windows, environment.machine)
    others = sorted({dll_name(r.name) for r in missing[1:]} - {dll_name(first.name)})
    return (
        f"{first.name}, which {first.importer.name} needs, is neither in the Python environment "
        f"{environment.root} nor in {', '.join(map(str, search)) or 'any staged folder'}"
        + (f" ({first.problem})" if first.problem else "")
        + (f"; missing too: {', '.join(others)}" if others else "")
        + (f". It is {provider.what}: {provider.remedy}." if provider else ".")
    )


def _load(
    importer: Path, places: Places, state: dict[str, Loaded], environment: Environment
) -> Iterator[Resolution]:
    """Resolve the imports of `importer`, depth first, and add what they bring in to `state`."""
    for name in read_pe(importer).imports:
        resolution = _resolve(name, importer, places, state, environment)
        yield resolution
        yield from _load_found(resolution, places, state, environment)
        if resolution.found and _forwarders(resolution.found):
            wanted = imported_symbols(importer)[name.lower()]
            yield from _forwarded(resolution.found, wanted, places, state, environment)


def _load_found(
    resolution: Resolution, places: Places, state: dict[str, Loaded], environment: Environment
) -> Iterator[Resolution]:
    if resolution.rule in (Rule.MISSING, Rule.LOADED, Rule.API_SET):
        return
    state[dll_name(resolution.name)] = Loaded(resolution.found, resolution.importer.name)
    if resolution.found:
        yield from _load(resolution.found, places, state, environment)


def _forwarded(
    file: Path,
    wanted: Iterable[str],
    places: Places,
    state: dict[str, Loaded],
    environment: Environment,
) -> Iterator[Resolution]:
    """Follow those of the functions `wanted` from `file` that point into other DLLs.

    The DLL's name goes to the last dot and gets ".dll" where it has no dot of its own: both
    "ntdll.f" and "mkl_rt.2.dll.f" are seen (Wine's find_forwarded_export does the same). DLLs that
    are loaded already are not told: nothing comes of them.
    """
    queue = [(file, function) for function in sorted(wanted)]
    seen = set(queue)
    for exporter, function in queue:  # grows meanwhile
        target = _forwarders(exporter).get(function)
        if target is None:
            continue
        library, _, there = target.rpartition(".")
        name = library if "." in library else f"{library}.dll"
        found = _resolve(name, exporter, places, state, environment)
        if found.rule is not Rule.LOADED:
            yield replace(found, forwards=function)
        yield from _load_found(found, places, state, environment)
        if found.found and (found.found, there) not in seen:
            seen.add((found.found, there))
            queue.append((found.found, there))


def _forwarders(file: Path) -> Mapping[str, str]:
    # A venv's base that is out of reach is only assumed to have its files.
    return forwarders(file) if file.is_file() else {}


def _delayed(
    importer: Path, places: Places, state: Mapping[str, Loaded], environment: Environment
) -> Iterator[Resolution]:
    """Resolve the delay-loaded imports of `importer`, which change nothing at import time."""
    for name in read_pe(importer).delay_imports:
        yield _resolve(name, importer, places, state, environment, delay=True)


def _brought_in(resolutions: Iterable[Resolution]) -> tuple[Path, ...]:
    found = (r.found for r in resolutions if r.rule is not Rule.LOADED)
    return tuple(dict.fromkeys(file for file in found if file))


def _resolve(
    name: str,
    importer: Path,
    places: Places,
    state: Mapping[str, Loaded],
    environment: Environment,
    *,
    delay: bool = False,
) -> Resolution:
    if windows.is_api_set(name):
        return Resolution(name, importer, Rule.API_SET, delay=delay)
    key = dll_name(name)
    if present := state.get(key):
        problem = _clash(key, present, places, environment)
        return Resolution(name, importer, Rule.LOADED, present.path, (), problem, delay)
    if windows.is_known_dll(key):
        return Resolution(name, importer, Rule.KNOWN, delay=delay)
    tried = []
    for rule, folder in places:
        place = look(rule, folder, key, environment)
        tried.append(place)
        if place.outcome == "found":
            return Resolution(name, importer, rule, place.found, tuple(tried), None, delay)
        if place.outcome == DAMAGED:
            break
    problem = _near_miss(key, tried, environment)
    return Resolution(name, importer, Rule.MISSING, None, tuple(tried), problem, delay)


def _near_miss(key: str, tried: Sequence[Place], environment: Environment) -> str | None:
    """Say if a DLL that is missing is nearly there."""
    for place in tried:
        if place.found:
            return f"{place.found} is there, but {place.outcome}"
    searched = {place.folder for place in tried}
    unsearched = [folder for folder in environment.path if folder not in searched]
    on_path = [look(Rule.PATH, folder, key, environment) for folder in unsearched]
    near = [place for place in on_path if place.found]
    if not near:
        return None
    # One that would do tells more than one for another machine that comes before it.
    best = min(near, key=lambda place: place.outcome != "found")
    what = "" if best.outcome == "found" else f"; besides, {best.outcome}"
    return f"{best.found} is on PATH, but Python does not look there{what}"


def _clash(key: str, present: Loaded, places: Places, environment: Environment) -> str | None:
    """Say if the folders would have given another file than the one that is loaded."""
    if present.path is None or not present.path.is_file():
        return None
    for rule, folder in places:
        place = look(rule, folder, key, environment)
        if place.outcome != "found":
            continue
        if place.found is None or place.found == present.path or _same(place.found, present.path):
            return None
        return (
            f"{place.found} is there, but a different file of that name was loaded earlier by "
            f"{present.importer}: {present.path}"
        )
    return None


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)
