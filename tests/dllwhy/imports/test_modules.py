"""Which sources count for the DLL search."""

import pytest

from dllwhy.imports import modules


@pytest.mark.parametrize(
    "line",
    [
        "os.add_dll_directory(folder)",
        "kernel32.AddDllDirectory(folder)",
        "SetDllDirectoryW(folder)",
        "LoadLibraryExW(name)",
        "lib.dlopen(name)",
        "ctypes.CDLL(name)",
        "WinDLL(name)",
        "PyDLL(name)",
        "OleDLL(name)",
        "cdll.foo",
        "ctypes.windll.kernel32",
        "os.environ['PATH'] += folder",
        'os.environ["PATH"]',
    ],
)
def test_a_source_that_may_change_where_dlls_come_from_counts(tmp_path, line):
    source = tmp_path / "a.py"
    source.write_text(f"import os\n{line}\n", encoding="utf-8")
    assert modules.mentions(source)


@pytest.mark.parametrize("line", ["dll = 1", "MyDLLs()", "os.environ['HOME']", "print('hello')"])
def test_another_source_does_not(tmp_path, line):
    source = tmp_path / "a.py"
    source.write_text(line, encoding="utf-8")
    assert not modules.mentions(source)
