import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest
from pe_files import make_dll, make_python

from dllwhy.flavour import detect_environment
from dllwhy.traces import loadtrace
from dllwhy.traces.loadtrace import Event, borrowed, compare, parse

# What Wine 8 wrote for `import _ssl` in python.org's Python, shortened.
WINE = r"""
002c:0030:trace:loaddll:build_module Loaded L"C:\\windows\\system32\\rpcrt4.dll" at 0x1: builtin
0020:0024:trace:loaddll:build_module Loaded L"Z:\\env\\python.exe" at 0000000140000000: native
0020:0024:trace:loaddll:build_module Loaded L"C:\\windows\\system32\\kernel32.dll" at 0x7: builtin
0020:0024:trace:loaddll:build_module Loaded L"Z:\\env\\python311.dll" at 0000000180000000: native
loadtrace:["add", "Z:\\env\\libs"]
loadtrace:["import", "Z:\\env\\DLLs\\_ssl.pyd"]
002c:0034:trace:loaddll:build_module Loaded L"C:\\windows\\system32\\other.dll" at 0x1: builtin
0020:0024:trace:loaddll:build_module Loaded L"Z:\\env\\caf\00e9\\libssl-3.dll" at 0x1: native
0020:0024:trace:loaddll:build_module Loaded L"Z:\\env\\DLLs\\_ssl.pyd" at 0x1: native
0020:0024:trace:loaddll:free_modref Unloaded module L"Z:\\env\\DLLs\\_ssl.pyd" : native
"""


def test_the_events_of_one_process_are_read_in_order() -> None:
    assert parse(WINE) == [
        Event("load", "Z:\\env\\python.exe"),
        Event("load", "C:\\windows\\system32\\kernel32.dll", builtin=True),
        Event("load", "Z:\\env\\python311.dll"),
        Event("add", "Z:\\env\\libs"),
        Event("import", "Z:\\env\\DLLs\\_ssl.pyd"),
        Event("load", "Z:\\env\\caf\u00e9\\libssl-3.dll"),
        Event("load", "Z:\\env\\DLLs\\_ssl.pyd"),
        Event("unload", "Z:\\env\\DLLs\\_ssl.pyd"),
    ]


def test_both_views_of_a_path_are_one_key() -> None:
    assert loadtrace.key("Z:\\Env\\A.dll") == loadtrace.key(Path("/env/a.DLL")) == "/env/a.dll"


def test_the_program_tells_of_its_requests_as_they_happen() -> None:
    library = "kernel32" if sys.platform == "win32" else None
    statement = f"import ctypes; ctypes.CDLL({library!r}); import _json"
    command = [sys.executable, "-S", "-c", loadtrace.program(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("loadtrace:")]
    assert any('"import"' in line and "_ctypes" in line for line in lines)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return make_python(tmp_path / "Python311")


def windows(path: Path) -> str:
    return str(PureWindowsPath("Z:" + str(path)))


def load(path: Path) -> Event:
    return Event("load", windows(path))


def request(kind: loadtrace.Kind, path: Path) -> Event:
    return Event(kind, windows(path))


def test_a_trace_that_goes_as_predicted_agrees(python: Path) -> None:
    own = make_dll(python / "p" / "own.dll")
    module = make_dll(python / "p" / "m.pyd", ["own.dll", "KERNEL32.dll"])
    events = [request("import", module), load(python / "python3.dll"), load(own), load(module)]
    comparisons = compare(events, detect_environment(python))
    assert [(c.request, c.name, c.agrees) for c in comparisons] == [
        ("m.pyd", "m.pyd", True),
        ("m.pyd", "own.dll", True),
    ]


def test_a_file_from_another_folder_is_a_disagreement(python: Path) -> None:
    make_dll(python / "p" / "own.dll")
    other = make_dll(python / "q" / "own.dll")
    module = make_dll(python / "p" / "m.pyd", ["own.dll"])
    events = [request("import", module), load(other), load(module)]
    wrong = [c for c in compare(events, detect_environment(python)) if not c.agrees]
    assert [(c.name, c.predicted is None) for c in wrong] == [("own.dll", False), ("own.dll", True)]


def test_a_dll_of_wines_own_in_place_of_a_file_is_noted(python: Path) -> None:
    make_dll(python / "p" / "own.dll")
    module = make_dll(python / "p" / "m.pyd", ["own.dll"])
    builtin = Event("load", "C:\\windows\\system32\\own.dll", builtin=True)
    events = [request("import", module), builtin, load(module)]
    wrong = [c for c in compare(events, detect_environment(python)) if not c.agrees]
    assert [(c.name, c.note) for c in wrong] == [("own.dll", "Wine took its own")]


def test_a_load_that_fails_as_predicted_leaves_nothing_to_compare(python: Path) -> None:
    module = make_dll(python / "p" / "m.pyd", ["absent.dll"])
    events = [request("import", module), load(python / "python3.dll")]
    assert compare(events, detect_environment(python)) == []


def test_a_load_that_fails_against_the_prediction_is_a_disagreement(python: Path) -> None:
    module = make_dll(python / "p" / "m.pyd", ["KERNEL32.dll"])
    events = [request("import", module), load(module), Event("unload", windows(module))]
    (comparison,) = compare(events, detect_environment(python))
    assert comparison.predicted and comparison.real is None


def test_added_folders_count_from_the_moment_they_are_added(python: Path) -> None:
    own = make_dll(python / "libs" / "own.dll")
    first = make_dll(python / "p" / "a.pyd", ["own.dll"])
    events = [request("add", own.parent), request("import", first), load(own), load(first)]
    assert all(c.agrees for c in compare(events, detect_environment(python)))
    late = [request("import", first), load(own), load(first), request("add", own.parent)]
    assert not all(c.agrees for c in compare(late, detect_environment(python)))


def test_dlls_that_running_code_loads_are_compared_and_stay_loaded(python: Path) -> None:
    base = make_dll(python / "lib" / "base.dll")
    big = make_dll(python / "lib" / "big.dll", ["base.dll"])
    module = make_dll(python / "p" / "m.pyd", ["big.dll"])
    events = [
        request("ctypes", python / "vcruntime140.dll"),
        load(base),
        load(big),
        request("import", module),
        load(module),
    ]
    comparisons = compare(events, detect_environment(python))
    assert all(c.agrees for c in comparisons)
    assert {c.request for c in comparisons} == {"LoadLibrary: big.dll", "m.pyd"}


def test_a_dll_that_only_wine_has_is_told_with_the_module_that_got_it(python: Path) -> None:
    module = make_dll(python / "p" / "m.pyd", ["ZLIB1.dll", "KERNEL32.dll"])
    other = make_dll(python / "p" / "n.pyd", ["KERNEL32.dll"])
    lent = [
        Event("load", f"C:\\windows\\system32\\{name}.dll", builtin=True)
        for name in ("zlib1", "kernel32", "wined3d")
    ]
    assert borrowed([*lent, load(module), load(other)]) == [("m.pyd", "zlib1.dll")]


def test_windows_own_dlls_are_nobodys_loan(python: Path) -> None:
    module = make_dll(python / "p" / "m.pyd", ["KERNEL32.dll"])
    kernel32 = Event("load", "C:\\windows\\system32\\kernel32.dll", builtin=True)
    assert borrowed([kernel32, load(module)]) == []
