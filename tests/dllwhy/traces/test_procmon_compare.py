import json
import shutil
from pathlib import Path, PureWindowsPath

import pytest
from pe_files import make_dll
from procmon_csv import COPIED, LOADED, copy_dlls, export, make_ffcv_python, recorded, row

from dllwhy.errors import DiagnosisError
from dllwhy.flavour import detect_environment
from dllwhy.traces.procmon import read, stories
from dllwhy.traces.procmon_compare import (
    BY_CODE,
    MISSING,
    OPTIONAL,
    OWN,
    Comparison,
    as_data,
    compare,
)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return make_ffcv_python(tmp_path / "env")


def compared(file: Path, python: Path, windows: str = "11") -> dict[str, Comparison]:
    found = compare(stories(read(file)), detect_environment(python, windows=windows))
    return {one.story.name: one for one in found}


def test_a_run_that_goes_as_predicted_agrees_and_nothing_fails(
    python: Path, tmp_path: Path
) -> None:
    copy_dlls(python, *COPIED, "MSVCR100.dll")
    found = compared(recorded("all", tmp_path), python)
    own = python / "Lib" / "site-packages" / "ffcv"
    for name in (*COPIED, "MSVCR100.dll", "_libffcv.cp311-win_amd64.pyd"):
        assert (found[name].predicted, found[name].agrees) == (str(own / name), True)
    assert found["python311.dll"].predicted == str(python / "python311.dll")
    assert (found["bcrypt.dll"].predicted, found["bcrypt.dll"].agrees) == (OWN, True)
    # pthreads-win32 looks for it by itself, and does without.
    assert found["QUSEREX.DLL"].note == OPTIONAL
    assert not any(one.fails for one in found.values())


def test_dlls_that_were_never_found_are_missing_for_the_model_too(
    python: Path, tmp_path: Path
) -> None:
    found = compared(recorded("nothing", tmp_path), python)
    failing = {name: one for name, one in found.items() if one.fails}
    assert set(failing) == set(COPIED)
    assert {(one.predicted, one.agrees) for one in failing.values()} == {(MISSING, True)}
    module = found["_libffcv.cp311-win_amd64.pyd"]
    assert module.note == f"does not load: missing {', '.join(COPIED)}"


def test_the_missing_dll_of_a_dll_is_found_out(python: Path, tmp_path: Path) -> None:
    copy_dlls(python, *COPIED)
    found = compared(recorded("copied", tmp_path), python)
    assert [name for name, one in found.items() if one.fails] == ["MSVCR100.dll"]
    assert (found["MSVCR100.dll"].predicted, found["MSVCR100.dll"].agrees) == (MISSING, True)


def test_what_fails_comes_first(python: Path, tmp_path: Path) -> None:
    fails = [one.fails for one in compared(recorded("nothing", tmp_path), python).values()]
    assert fails == sorted(fails, reverse=True)


def test_a_dll_that_was_not_found_where_the_model_finds_it_disagrees(
    python: Path, tmp_path: Path
) -> None:
    copy_dlls(python, *COPIED, "MSVCR100.dll")  # after the recording
    one = compared(recorded("nothing", tmp_path), python)["pthreadVC2.dll"]
    assert one.agrees is False and one.fails
    assert one.predicted == str(python / "Lib" / "site-packages" / "ffcv" / "pthreadVC2.dll")


FFCV = r"C:\Python311\Lib\site-packages\ffcv"
MODULE = row("Load Image", rf"{FFCV}\_libffcv.cp311-win_amd64.pyd")


def test_a_dll_that_came_from_elsewhere_disagrees(python: Path, tmp_path: Path) -> None:
    copy_dlls(python, *COPIED, "MSVCR100.dll")
    loads = [row("Load Image", rf"{FFCV}\{name}") for name in (*COPIED[:2], "MSVCR100.dll")]
    elsewhere = row("Load Image", r"C:\tools\pthreadVC2.dll")
    file = export(tmp_path, LOADED, MODULE, *loads, elsewhere)
    found = compared(file, python)
    assert [name for name, one in found.items() if one.fails] == ["pthreadVC2.dll"]
    assert found["pthreadVC2.dll"].story.loaded == r"C:\tools\pthreadVC2.dll"


def test_a_folder_that_the_program_added_is_the_likely_reason(python: Path, tmp_path: Path) -> None:
    file = export(tmp_path, LOADED, MODULE, row("Load Image", r"C:\added\pthreadVC2.dll"))
    one = compared(file, python)["pthreadVC2.dll"]
    assert (one.predicted, one.agrees) == (MISSING, False)
    assert one.note.startswith("a program may add folders")


def test_a_dll_that_the_model_expects_and_the_export_lacks_disagrees(
    python: Path, tmp_path: Path
) -> None:
    copy_dlls(python, *COPIED, "MSVCR100.dll")
    loads = [row("Load Image", rf"{FFCV}\{name}") for name in COPIED]
    found = compared(export(tmp_path, LOADED, MODULE, *loads), python)
    one = found["msvcr100.dll"]
    assert one.fails and one.note == "the export is silent on it"


def test_after_a_dll_that_is_missing_the_export_may_be_silent(python: Path, tmp_path: Path) -> None:
    copy_dlls(python, "pthreadVC2.dll", "MSVCR100.dll")
    missing = [row("CreateFile", rf"{FFCV}\{name}", "NAME NOT FOUND") for name in COPIED[:2]]
    found = compared(export(tmp_path, LOADED, MODULE, *missing), python)
    assert {name for name, one in found.items() if one.fails} == set(COPIED[:2])


def test_what_was_loaded_before_the_recording_began_is_not_missed(
    python: Path, tmp_path: Path
) -> None:
    make_dll(python / "DLLs" / "m.pyd", ["VCRUNTIME140.dll"])
    file = export(tmp_path, LOADED, row("Load Image", r"C:\Python311\DLLs\m.pyd"))
    assert not [name for name, one in compared(file, python).items() if one.fails]


def test_a_dll_that_an_earlier_module_asked_for_is_not_taken_for_loaded_by_code(
    python: Path, tmp_path: Path
) -> None:
    make_dll(python / "DLLs" / "one.pyd", ["helper.dll"])
    make_dll(python / "DLLs" / "two.pyd")
    make_dll(python / "DLLs" / "helper.dll")
    names = ("one.pyd", "two.pyd", "helper.dll")
    loads = [row("Load Image", rf"C:\Python311\DLLs\{name}") for name in names]
    one = compared(export(tmp_path, LOADED, *loads), python)["helper.dll"]
    assert (one.agrees, one.note) == (True, "")


def test_a_dll_that_running_code_loads_is_told_as_such_with_its_imports(
    python: Path, tmp_path: Path
) -> None:
    plugin = make_dll(python / "DLLs" / "plugin.dll", ["helper.dll"])
    make_dll(plugin.with_name("helper.dll"))
    loads = [row("Load Image", rf"C:\Python311\DLLs\{name}.dll") for name in ("plugin", "helper")]
    foreign = row("Load Image", r"C:\Program Files\antivirus\hook.dll")
    found = compared(export(tmp_path, LOADED, *loads, foreign), python)
    assert (found["plugin.dll"].agrees, found["plugin.dll"].note) == (True, BY_CODE)
    assert (found["helper.dll"].agrees, found["helper.dll"].note) == (True, "")
    assert (found["hook.dll"].agrees, found["hook.dll"].note) == (None, BY_CODE)


def test_a_dll_that_code_asks_for_in_vain_fails(python: Path, tmp_path: Path) -> None:
    looked = row("CreateFile", r"C:\Windows\System32\plugin.dll", "NAME NOT FOUND")
    one = compared(export(tmp_path, LOADED, looked), python)["plugin.dll"]
    assert one.fails and one.agrees is None
    assert one.note == "asked for by running code, not by an import table"


def test_a_system_dll_where_the_model_wants_the_environments_own_disagrees(
    python: Path, tmp_path: Path
) -> None:
    system = row("Load Image", r"C:\Windows\System32\vcruntime140.dll")
    one = compared(export(tmp_path, LOADED, system), python)["vcruntime140.dll"]
    assert (one.predicted, one.agrees) == (str(python / "vcruntime140.dll"), False)


def test_a_windows_without_media_foundation_is_told_apart(python: Path, tmp_path: Path) -> None:
    module = python / "DLLs" / "video.pyd"
    make_dll(module, ["MFPlat.DLL"])
    file = export(
        tmp_path,
        LOADED,
        row("Load Image", r"C:\Python311\DLLs\video.pyd"),
        row("CreateFile", r"C:\Windows\System32\MFPlat.DLL", "NAME NOT FOUND"),
    )
    assert compared(file, python)["MFPlat.DLL"].agrees is False
    assert compared(file, python, windows="N")["MFPlat.DLL"].agrees is True


def test_a_venvs_modules_and_its_base_are_both_found(python: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    shutil.move(python / "Lib" / "site-packages", venv / "Lib" / "site-packages")
    text = f"home = {python}\nversion = 3.11.9\n"
    (venv / "pyvenv.cfg").write_text(text, encoding="utf-8")
    file = export(
        tmp_path,
        LOADED,
        row("Load Image", r"D:\work\venv\Lib\site-packages\FFCV\_libffcv.cp311-win_amd64.pyd"),
        *(
            row("CreateFile", rf"D:\work\venv\Lib\site-packages\ffcv\{name}", "NAME NOT FOUND")
            for name in COPIED
        ),
    )
    found = compared(file, venv)
    assert found["python311.dll"].agrees is True
    assert {found[name].agrees for name in COPIED} == {True}


def test_processes_that_went_alike_are_told_once(python: Path, tmp_path: Path) -> None:
    one = recorded("nothing", tmp_path).read_text(encoding="utf-8-sig").splitlines()
    other = [line.replace('"32"', '"33"') for line in one[1:]]
    found = compared(export(tmp_path, *one[1:], *other), python)
    assert {one.processes for one in found.values()} == {2}


def test_the_recording_of_another_python_is_told(python: Path, tmp_path: Path) -> None:
    shutil.rmtree(python / "Lib")
    with pytest.raises(DiagnosisError, match=r"another Python than .*_libffcv.*--env DIR"):
        compared(recorded("all", tmp_path), python)


def test_the_data_for_programs_is_json_with_every_place(python: Path, tmp_path: Path) -> None:
    found = compared(recorded("nothing", tmp_path), python)
    rows = json.loads(json.dumps(as_data(found.values())))
    [one] = [row for row in rows if row["name"] == "pthreadVC2.dll"]
    assert one["loaded"] is None and one["predicted"] == "missing" and one["agrees"] is True
    folders = [str(PureWindowsPath(place["path"]).parent) for place in one["tried"]]
    assert folders == [FFCV, r"C:\Python311", r"C:\windows\system32"]
    assert {place["result"] for place in one["tried"]} == {"NAME NOT FOUND"}
