"""What the evaluator knows of the standard library: constants, and functions without effects.

Nothing here runs code of a package. Functions that look at files look into the environment that
is asked about. One that is not known gives an `Unknown`.
"""

from __future__ import annotations

import glob
import ntpath
import operator
import os
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

from dllwhy.flavour import Environment
from dllwhy.imports.values import Name, Raised, Unknown, doubt, for_host, for_windows

_LONGEST = 100_000  # characters or items; more than any list of folders
_MACHINES = {"x64": "AMD64", "x86": "x86", "arm64": "ARM64"}

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add, "Sub": operator.sub, "Mult": operator.mul, "Div": operator.truediv,
    "FloorDiv": operator.floordiv, "Mod": operator.mod, "BitOr": operator.or_,
    "BitAnd": operator.and_, "BitXor": operator.xor, "LShift": operator.lshift,
    "Eq": operator.eq, "NotEq": operator.ne, "Lt": operator.lt, "LtE": operator.le,
    "Gt": operator.gt, "GtE": operator.ge, "In": lambda a, b: a in b,
    "NotIn": lambda a, b: a not in b, "Is": operator.is_, "IsNot": operator.is_not,
}  # fmt: skip

# Methods that change nothing but the object itself.
METHODS: dict[type, frozenset[str]] = {
    str: frozenset(name for name in dir(str) if not name.startswith("_")),
    bytes: frozenset({"decode"}),
    list: frozenset({"append", "extend", "insert", "sort", "reverse", "copy", "index", "pop"}),
    tuple: frozenset({"index", "count"}),
    set: frozenset({"add", "union", "update", "copy"}),
    dict: frozenset({"get", "items", "keys", "values", "update", "setdefault", "copy", "pop"}),
    PureWindowsPath: frozenset(
        {"as_posix", "joinpath", "with_name", "with_suffix", "is_absolute", "relative_to", "match"}
    ),
}  # fmt: skip
_ATTRIBUTES = {"parent", "parents", "name", "stem", "suffix", "parts", "drive", "anchor"}


def constants(environment: Environment) -> dict[str, Any]:
    """Return what the modules `os`, `sys` and others hold in the Python that is asked about."""
    prefix, base = for_windows(environment.prefix), for_windows(environment.root)
    version = (*environment.version, 0)[:3]
    scripts = environment.prefix / "Scripts" if environment.is_venv else environment.root
    site_folders = [for_windows(folder) for folder in environment.site_folders]
    site_packages = site_folders[len(environment.python_path) :]
    machine = _MACHINES.get(environment.machine, environment.machine)
    return {
        "os.name": "nt", "os.sep": "\\", "os.altsep": "/", "os.pathsep": ";", "os.curdir": ".",
        "os.pardir": "..", "os.path.sep": "\\", "os.path.pardir": "..", "os.linesep": "\r\n",
        "sys.platform": "win32", "sys.version_info": (*version, "final", 0),
        "sys.version": ".".join(map(str, version)), "sys.byteorder": "little",
        "sys.maxsize": 2**31 - 1 if environment.machine == "x86" else 2**63 - 1,
        "sys.prefix": prefix, "sys.exec_prefix": prefix,
        "sys.base_prefix": base, "sys.base_exec_prefix": base,
        "sys.executable": for_windows(scripts / "python.exe"),
        "sys.flags": Unknown("sys.flags"), "sys.path": [base, *site_folders],
        "site.getsitepackages": site_packages, "platform.system": "Windows",
        "platform.machine": machine, "platform.python_implementation": "CPython",
        "platform.architecture": ("32bit" if machine == "x86" else "64bit", "WindowsPE"),
        "platform.python_version": ".".join(map(str, version)),
        "sys.implementation.name": "cpython", "typing.TYPE_CHECKING": False,
        "ctypes.DEFAULT_MODE": 0, "ctypes.RTLD_GLOBAL": 0, "ctypes.RTLD_LOCAL": 0,
        "os.RTLD_GLOBAL": Unknown("os.RTLD_GLOBAL"),
        # Include/Windows.h's LOAD_LIBRARY_SEARCH_*, which the module nt has (Python >= 3.8).
        "nt._LOAD_LIBRARY_SEARCH_DEFAULT_DIRS": 0x1000,
        "nt._LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR": 0x100,
        "sysconfig.get_paths": {
            "purelib": site_packages[0], "platlib": site_packages[0],
            "data": prefix, "scripts": ntpath.join(prefix, "Scripts"),
        },
        "sysconfig.get_platform": "win-" + machine.lower(),
    }  # fmt: skip


# Of `constants`, those that are called first.
CALLED = {
    "site.getsitepackages", "platform.system", "platform.machine", "platform.architecture",
    "platform.python_implementation", "platform.python_version", "sysconfig.get_paths",
    "sysconfig.get_platform",
}  # fmt: skip


def has(owner: Any, name: str, environment: Environment) -> Any:
    """Return whether hasattr(owner, name) holds, or an `Unknown`."""
    if isinstance(owner, Name):
        full = f"{owner.dotted}.{name}"
        if full == "os.add_dll_directory":  # https://docs.python.org/3/library/os.html
            return environment.version >= (3, 8)
        if full in ("sys.frozen", "sys._MEIPASS"):  # what PyInstaller and others set
            return False
        if full == "ctypes.windll.kernel32.AddDllDirectory":  # Windows 8 and newer
            return True
        if full in ("ctypes.WinDLL", "ctypes.windll", "ctypes.CDLL", "sys.getwindowsversion"):
            return True
        return True if full in constants(environment) else Unknown(f"hasattr({full})")
    if isinstance(owner, (str, list, dict, tuple)):
        return hasattr(owner, name)
    return Unknown(f"hasattr(..., {name!r})")


def attribute(value: Any, name: str) -> Any:
    """Return an attribute of a known value, or an `Unknown`."""
    if isinstance(value, PureWindowsPath) and name in _ATTRIBUTES:
        found = getattr(value, name)
        return list(found) if name == "parents" else found
    if isinstance(value, tuple) and len(value) == 5 and name in ("major", "minor", "micro"):
        return value[("major", "minor", "micro").index(name)]
    return Unknown(f".{name}")


def method(value: Any, name: str, args: list[Any], keywords: dict[str, Any]) -> Any:
    """Call a method of a known value; an `Unknown` where the result is not known."""
    if isinstance(value, PureWindowsPath) and name in _PATH_METHODS:
        return _PATH_METHODS[name](value, *args)
    for kind, names in METHODS.items():
        if isinstance(value, kind) and name in names:
            holds = isinstance(value, (list, dict, set))  # which may hold what is not known
            if not holds and (why := doubt(args, keywords)):
                return Unknown(why)
            try:
                result = getattr(value, name)(*args, **keywords)
            except Exception as error:
                return Unknown(f".{name}(): {type(error).__name__}")
            return list(result) if isinstance(value, dict) and name in _VIEWS else result
    return Unknown(f".{name}()")


_VIEWS = ("items", "keys", "values")


def _exists(path: Any) -> bool:
    host = for_host(path)
    return host is not None and host.exists()


def _is_dir(path: Any) -> bool:
    host = for_host(path)
    return host is not None and host.is_dir()


def _is_file(path: Any) -> bool:
    host = for_host(path)
    return host is not None and host.is_file()


def _listdir(path: Any) -> list[str]:
    host = for_host(path)
    if host is None or not host.is_dir():
        raise Raised("FileNotFoundError")
    return sorted(child.name for child in host.iterdir())


def _glob(pattern: str, *, recursive: bool = False) -> Any:
    host = for_host(pattern)
    if host is None:
        return Unknown(f"glob({pattern!r})")
    found = sorted(glob.glob(str(host), recursive=recursive))  # noqa: PTH207 - its very meaning
    return [for_windows(Path(path)) for path in found]


def _walk(path: str) -> list[Any]:
    host = for_host(path)
    found = os.walk(host) if host else ()
    return [(for_windows(Path(top)), sorted(dirs), sorted(files))
            for top, dirs, files in found]  # fmt: skip


def _absolute(path: Any) -> Any:
    text = os.fspath(path)
    if not PureWindowsPath(text).is_absolute():
        return Unknown("the current folder")
    return ntpath.normpath(text)


def _glob_path(path: PureWindowsPath, pattern: str) -> list[PureWindowsPath]:
    host = for_host(path)
    found = sorted(host.glob(pattern)) if host and host.is_dir() else []
    return [PureWindowsPath(for_windows(child)) for child in found]


def _rglob_path(path: PureWindowsPath, pattern: str) -> list[PureWindowsPath]:
    return _glob_path(path, f"**/{pattern}")


def _resolve(path: PureWindowsPath, *_: Any) -> Any:
    absolute = _absolute(path)
    return absolute if isinstance(absolute, Unknown) else PureWindowsPath(absolute)


_PATH_METHODS: dict[str, Callable[..., Any]] = {
    "exists": _exists, "is_dir": _is_dir, "is_file": _is_file, "glob": _glob_path,
    "rglob": _rglob_path, "iterdir": lambda path: _glob_path(path, "*"), "resolve": _resolve,
    "absolute": _resolve, "expanduser": lambda path: path, "__str__": str, "__fspath__": str,
}  # fmt: skip

# `ntpath` is os.path on Windows.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"os.path.{name}": getattr(ntpath, name) for name in (
        "join", "dirname", "basename", "normpath", "normcase", "split", "splitext", "splitdrive",
        "isabs", "commonpath", "commonprefix",
    )},
    "os.path.abspath": _absolute, "os.path.realpath": _absolute, "os.path.exists": _exists,
    "os.path.isdir": _is_dir, "os.path.isfile": _is_file, "os.path.lexists": _exists,
    "os.path.relpath": ntpath.relpath, "os.path.expanduser": lambda path: path,
    "os.listdir": _listdir, "os.fspath": os.fspath, "os.fsdecode": os.fsdecode, "os.walk": _walk,
    "glob.glob": _glob, "glob.iglob": _glob,
    "pathlib.Path": PureWindowsPath, "pathlib.PurePath": PureWindowsPath,
    "pathlib.WindowsPath": PureWindowsPath, "pathlib.PureWindowsPath": PureWindowsPath,
    "str": str, "int": int, "bool": bool, "list": list, "tuple": tuple, "set": set, "dict": dict,
    "len": len, "sorted": sorted, "reversed": lambda items: list(reversed(items)), "any": any,
    "all": all, "min": min, "max": max, "range": lambda *args: list(range(*args)),
    "enumerate": lambda *args: list(enumerate(*args)), "zip": lambda *args: list(zip(*args)),
    "next": lambda items, *default: _next(items, *default), "iter": list, "sum": sum,
    "itertools.chain": lambda *lists: [item for items in lists for item in items],
    "collections.OrderedDict": dict, "operator.add": operator.add,
    "struct.calcsize": lambda text: {"P": 8}.get(text, Unknown("struct.calcsize")),
    "textwrap.dedent": lambda text: text,
    "fnmatch.fnmatch": lambda name, pattern: _fnmatch(name, pattern),
}  # fmt: skip


def _next(items: Any, *default: Any) -> Any:
    for item in items:
        return item
    if default:
        return default[0]
    raise Raised("StopIteration")


def _fnmatch(name: str, pattern: str) -> bool:
    import fnmatch

    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def call(function: Callable[..., Any], what: str, args: list[Any], keywords: dict[str, Any]) -> Any:
    """Call a known function or operator with known values.

    Returns:
        the result; an `Unknown` where a value is not known or the call makes no sense.
    """
    if why := doubt(args, keywords):
        return Unknown(why)
    sizes = [len(value) if isinstance(value, (str, bytes, list, tuple)) else value
             for value in args if isinstance(value, (int, str, bytes, list, tuple))]  # fmt: skip
    if what in ("Mult", "LShift", "range") and any(size > 1000 for size in sizes):
        return Unknown(what)
    try:
        result = function(*args, **keywords)
    except Raised:
        raise
    except Exception as error:  # as the program would raise it, or what is not understood here
        return Unknown(f"{what}: {type(error).__name__}")
    if isinstance(result, (str, bytes, list, tuple)) and len(result) > _LONGEST:
        return Unknown(what)
    return result
