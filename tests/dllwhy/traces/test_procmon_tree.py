import io
from pathlib import Path

import pytest
from pe_files import make_dll
from procmon_csv import COPIED, LOADED, copy_dlls, export, make_ffcv_python, recorded, row
from rich.console import Console

from dllwhy.flavour import detect_environment
from dllwhy.traces.procmon import read, stories
from dllwhy.traces.procmon_compare import compare
from dllwhy.traces.procmon_tree import tree


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return make_ffcv_python(tmp_path / "env")


def text(file: Path, folder: Path) -> str:
    environment = detect_environment(folder)
    console = Console(file=io.StringIO(), width=200)
    console.print(tree(compare(stories(read(file)), environment), file.name, environment))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_missing_dll_is_shown_with_its_places_and_its_remedy(
    python: Path, tmp_path: Path
) -> None:
    copy_dlls(python, *COPIED)
    shown = text(recorded("copied", tmp_path), python)
    assert "MSVCR100.dll: never found, as the model says" in shown
    places = [line.partition(": ")[2] for line in shown.splitlines() if "NAME NOT FOUND" in line]
    assert places == [
        r"C:\Python311\Lib\site-packages\ffcv",
        r"C:\Python311",
        r"C:\windows\system32",
    ]
    assert "It is the Visual C++ 2010 runtime" in shown and "To do: install" in shown
    assert "_libffcv.cp311-win_amd64.pyd does not load: missing MSVCR100.dll" in shown
    assert len(shown.splitlines()) <= 24  # one screen


def test_what_the_model_says_otherwise_is_shown(python: Path, tmp_path: Path) -> None:
    copy_dlls(python, *COPIED, "MSVCR100.dll")
    shown = text(recorded("nothing", tmp_path), python).replace("\\", "/")
    assert "pthreadVC2.dll: never found, but the model says: ffcv/pthreadVC2.dll" in shown
    assert "It is pthreads-win32" not in shown


def test_what_goes_well_takes_a_few_lines(python: Path, tmp_path: Path) -> None:
    copy_dlls(python, *COPIED, "MSVCR100.dll")
    shown = text(recorded("all", tmp_path), python)
    assert "found at once, as the model says: python311.dll, VCRUNTIME140.dll" in shown
    assert "Windows' own, as the model says: ntdll.dll" in shown
    assert "never found, and not needed: QUSEREX.DLL" in shown
    assert "NAME NOT FOUND" not in shown


def test_a_dll_that_was_found_after_a_search_is_shown_with_where_it_was_not(
    python: Path, tmp_path: Path
) -> None:
    make_dll(python / "DLLs" / "m.pyd", ["beside.dll"])
    make_dll(python / "beside.dll")
    file = export(
        tmp_path,
        LOADED,
        row("Load Image", r"C:\Python311\DLLs\m.pyd"),
        row("CreateFile", r"C:\Python311\DLLs\beside.dll", "NAME NOT FOUND"),
        row("Load Image", r"C:\Python311\beside.dll"),
    )
    shown = text(file, python)
    assert "found after a search, as the model says" in shown
    assert r"NAME NOT FOUND: C:\Python311\DLLs" in shown
