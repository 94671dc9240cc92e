"""The calls that count for the DLL search, and a few that name modules, for `evaluate`.

`call` and `method` return NotImplemented for what is no such call.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from dllwhy import windows
from dllwhy.imports import known
from dllwhy.imports.values import (
    Class,
    Frame,
    Function,
    Handle,
    Module,
    Name,
    Raised,
    Stack,
    Unknown,
    doubt,
    for_host,
    for_windows,
    truth,
)
from dllwhy.search import find

if TYPE_CHECKING:
    from dllwhy.imports.evaluate import Evaluator

KERNEL32 = "ctypes.windll.kernel32"
LIBRARY = Name("ctypes.library")
_LOADERS = {
    f"ctypes.{kind}{way}"
    for kind, way in (
        ("CDLL", ""), ("WinDLL", ""), ("OleDLL", ""), ("PyDLL", ""), ("cdll", ".LoadLibrary"),
        ("windll", ".LoadLibrary"), ("oledll", ".LoadLibrary"), ("pydll", ".LoadLibrary"),
    )
}  # fmt: skip


def call(
    dotted: str, args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    """Call something of the standard library that has an effect, or needs the evaluator."""
    if dotted in ("os.add_dll_directory", "nt._add_dll_directory", f"{KERNEL32}.AddDllDirectory"):
        return _add(_argument(args, keywords, "path"), frame, line, to)
    if dotted in _LOADERS:
        winmode = keywords.get("winmode", args[5] if len(args) > 5 else None)
        return load_library(_argument(args, keywords, "name"), winmode, frame, line, to)
    if dotted.startswith(KERNEL32 + "."):
        return _kernel32(dotted.rpartition(".")[2], args, frame, line, to)
    handler = _CALLS.get(dotted)
    return handler(args, keywords, frame, line, to) if handler else NotImplemented


def method(owner: Any, name: str, args: list[Any], frame: Frame, line: int, to: Evaluator) -> Any:
    """Call a method that has an effect."""
    if isinstance(owner, Handle) and name == "close":
        return to.close(owner, frame, line)
    if isinstance(owner, Stack):
        if name in ("enter_context", "push") and args:
            owner.handles.append(args[0])
            return args[0]
        return None
    # cffi's: c/misc_win32.h gives LoadLibraryEx the flags of ctypes.
    if name == "dlopen" and args and isinstance(owner, (Unknown, Name)):
        return load_library(args[0], None, frame, line, to)
    if owner == Name("os.environ") and name in ("get", "setdefault", "__getitem__") and args:
        return variable(args[0], to)
    return NotImplemented


def _argument(args: list[Any], keywords: dict[str, Any], name: str) -> Any:
    return args[0] if args else keywords.get(name, Unknown(f"an argument {name}"))


def _add(path: Any, frame: Frame, line: int, to: Evaluator) -> Any:
    if why := doubt(path):
        to.tell("add", None, frame, line, f"the folder depends on {why}")
        return Unknown(why)
    folder = for_host(path) if isinstance(path, (str, PureWindowsPath)) else None
    if folder is None or not folder.is_dir():
        # "The path must be absolute"; a folder that is not there is WinError 2.
        raise Raised("FileNotFoundError" if folder else "OSError")
    to.tell("add", folder, frame, line)
    return Handle(folder)


def load_library(name: Any, winmode: Any, frame: Frame, line: int, to: Evaluator) -> Any:
    """Load a DLL as ctypes does; one that is not there raises as in the program.

    Raises:
        Raised: FileNotFoundError, an OSError.
    """
    if name is None:
        return LIBRARY
    if why := doubt(name, winmode):
        to.tell("load", None, frame, line, f"the DLL depends on {why}")
        return LIBRARY
    if not isinstance(name, (str, PureWindowsPath)):
        return LIBRARY
    text = str(name)
    if windows.dll_name(text) == "kernel32.dll":
        return Name(KERNEL32)
    mode = winmode if isinstance(winmode, int) else None
    if not any(separator in text for separator in "/\\"):
        if not _is_reached(windows.dll_name(text), mode, to):
            raise Raised("FileNotFoundError")
        to.tell("load", Path(text), frame, line, winmode=mode)
        return LIBRARY
    file = for_host(text)
    if file is None:
        to.tell("load", None, frame, line, f"{text} is relative to the current folder")
        return LIBRARY
    if not file.is_file():
        file = file.with_name(windows.dll_name(file.name))
    if not file.is_file():
        raise Raised("FileNotFoundError")
    to.tell("load", file, frame, line, winmode=mode)
    return LIBRARY


def _is_reached(name: str, winmode: int | None, to: Evaluator) -> bool:
    """Whether a DLL that is asked for by its bare name is in a folder that is searched."""
    environment = to.environment
    paths = [for_host(path) for path in to.path] if winmode == 0 else to.added
    folders = (environment.root, *environment.added_directories, *paths)
    if any(folder and find(folder, name) for folder in folders):
        return True
    if environment.system32:
        return find(environment.system32, name) is not None
    return windows.is_known_dll(name) or name in windows.system_dlls(
        environment.machine, environment.windows
    )


def _kernel32(name: str, args: list[Any], frame: Frame, line: int, to: Evaluator) -> Any:
    if name.startswith("SetDllDirectory"):
        path = args[0] if args else None
        why = doubt(path)
        folder = for_host(path) if isinstance(path, (str, PureWindowsPath)) and path else None
        to.tell("set", folder, frame, line, f"the folder depends on {why}" if why else None)
        return True
    if name.startswith("LoadLibrary") and args:
        # Without flags the standard search is made, in which PATH counts.
        flags = args[2] if len(args) > 2 else 0
        try:
            return load_library(args[0], flags, frame, line, to)
        except Raised:  # it does not raise, but returns NULL
            return None
    return Unknown(f"kernel32.{name}()")


def variable(name: Any, to: Evaluator) -> Any:
    """Return an environment variable. PATH is the one that is given with the question."""
    if isinstance(name, str) and name.upper() == "PATH":
        return ";".join(to.path)
    return Unknown(f"the environment variable {name}")


def set_variable(name: Any, value: Any, frame: Frame, line: int, to: Evaluator) -> None:
    """Set an environment variable; only PATH counts."""
    if not (isinstance(name, str) and name.upper() == "PATH") or to.in_doubt:
        return
    if not isinstance(value, str):
        return
    new = [path for path in value.split(";") if path and path not in to.path]
    for path in reversed(new):
        if folder := for_host(path):
            to.tell("path", folder, frame, line)
    to.path = [path for path in value.split(";") if path]


def _import_module(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    name = _argument(args, keywords, "name")
    if not isinstance(name, str):
        return Unknown("the name of a module")
    if name.startswith("."):
        package = args[1] if len(args) > 1 else keywords.get("package")
        if not isinstance(package, str):
            return Unknown("the name of a package")
        levels = len(name) - len(name.lstrip("."))
        parts = package.split(".")
        name = ".".join([*parts[: len(parts) - levels + 1], name.lstrip(".")])
    return to.load(name, frame, line)


def _find_spec(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    from dllwhy.imports import modules

    name = _argument(args, keywords, "name")
    if not isinstance(name, str):
        return Unknown("the name of a module")
    found = modules.Found(None, to.folders)
    for part in name.split("."):
        inside = modules.locate(part, found.folders, to.environment)
        if inside is None:
            return None
        found = inside
    places = [for_windows(folder) for folder in found.folders]
    origin = for_windows(found.file) if found.file else None
    return Class(name, {"origin": origin, "submodule_search_locations": places or None,
                        "has_location": True, "name": name})  # fmt: skip


def _files(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    """importlib.resources.files: the folder of a package, by its name or itself."""
    package = _argument(args, keywords, "package")
    if isinstance(package, str):
        spec = _find_spec([package], {}, frame, line, to)
        places = spec.names["submodule_search_locations"] if isinstance(spec, Class) else None
        return PureWindowsPath(places[0]) if places else Unknown(f"the folder of {package}")
    if isinstance(package, Module) and package.folders:
        return PureWindowsPath(for_windows(package.folders[0]))
    return Unknown("the folder of a package")


def _hasattr(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    if len(args) != 2 or not isinstance(args[1], str):
        return Unknown("hasattr()")
    owner, name = args
    if owner == Name("ctypes.pythonapi") and name == "Anaconda_GetVersion":
        return to.environment.layout == "conda"
    if isinstance(owner, (Class, Module)) and (name in owner.names or name == "__path__"):
        return name in owner.names or bool(getattr(owner, "folders", ()))
    return known.has(owner, name, to.environment)


def _getattr(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    if len(args) < 2 or not isinstance(args[1], str):
        return Unknown("getattr()")
    if len(args) == 3 and truth(_hasattr(args[:2], {}, frame, line, to)) is False:
        return args[2]
    return to.attribute(args[0], args[1])


def _isinstance(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    kinds = {"str": str, "list": list, "tuple": tuple, "dict": dict, "int": int, "bytes": bytes}
    if len(args) == 2 and isinstance(args[1], Name) and not doubt(args[0]):
        kind = kinds.get(args[1].dotted)
        return isinstance(args[0], kind) if kind else Unknown("isinstance()")
    return Unknown("isinstance()")


def _stack(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    return Stack()


def _find_library(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    """ctypes.util.find_library, which looks into the folders of PATH only."""
    name = _argument(args, keywords, "name")
    if not isinstance(name, str):
        return Unknown("the name of a library")
    names = [name] if name.lower().endswith(".dll") else [name, f"{name}.dll"]
    for folder in filter(None, map(for_host, to.path)):
        for candidate in names:
            if (found := find(folder, candidate)) and found.is_file():
                return for_windows(found)
    return None


def _getenv(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    return variable(_argument(args, keywords, "key"), to)


def _filter(
    args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator
) -> Any:
    """filter(): an item of which it is not known whether it stays is an unknown one."""
    function, items = args
    if not isinstance(items, (list, tuple)):
        return Unknown(doubt(items) or "filter()")
    kept = []
    for item in items:
        result = item if function is None else _called(function, item, frame, line, to)
        holds = truth(result)
        if holds is not False:
            kept.append(item if holds else Unknown(doubt(result) or "filter()"))
    return kept


def _map(args: list[Any], keywords: dict[str, Any], frame: Frame, line: int, to: Evaluator) -> Any:
    function, items = args
    if not isinstance(items, (list, tuple)):
        return Unknown(doubt(items) or "map()")
    return [_called(function, item, frame, line, to) for item in items]


def _called(function: Any, item: Any, frame: Frame, line: int, to: Evaluator) -> Any:
    if isinstance(function, Function):
        return to.call(function, [item], {})
    if not isinstance(function, Name):
        return Unknown("a call")
    done = call(function.dotted, [item], {}, frame, line, to)
    if done is not NotImplemented:
        return done
    handler = known.FUNCTIONS.get(function.dotted)
    return known.call(handler, function.dotted, [item], {}) if handler else Unknown("a call")


_CALLS: dict[str, Callable[..., Any]] = {
    "importlib.import_module": _import_module, "__import__": _import_module,
    "importlib.util.find_spec": _find_spec, "importlib.resources.files": _files,
    "hasattr": _hasattr, "getattr": _getattr, "isinstance": _isinstance,
    "contextlib.ExitStack": _stack, "ctypes.util.find_library": _find_library,
    "os.getenv": _getenv, "filter": _filter, "map": _map,
}  # fmt: skip
