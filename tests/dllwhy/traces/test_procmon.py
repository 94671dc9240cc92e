import csv
from pathlib import Path

import pytest
from procmon_csv import LOADED, export, recorded, row

from dllwhy.errors import DiagnosisError
from dllwhy.traces.procmon import Event, Story, read, stories


def told(file: Path) -> dict[str, Story]:
    [found] = stories(read(file)).values()
    return {story.name: story for story in found}


def test_the_story_of_a_missing_dll_has_every_place_in_order(tmp_path: Path) -> None:
    story = told(recorded("nothing", tmp_path))["pthreadVC2.dll"]
    assert story.loaded is None
    assert story.tried == (
        (r"C:\Python311\Lib\site-packages\ffcv\pthreadVC2.dll", "NAME NOT FOUND"),
        (r"C:\Python311\pthreadVC2.dll", "NAME NOT FOUND"),
        (r"C:\windows\system32\pthreadVC2.dll", "NAME NOT FOUND"),
    )


def test_the_story_of_a_dll_that_is_found_ends_with_its_load(tmp_path: Path) -> None:
    found = told(recorded("all", tmp_path))
    assert found["bcrypt.dll"] == Story(
        "bcrypt.dll",
        (
            (r"C:\Python311\bcrypt.dll", "NAME NOT FOUND"),
            (r"C:\windows\system32\bcrypt.dll", "SUCCESS"),
        ),
        r"C:\windows\system32\bcrypt.dll",
    )
    assert found["MSVCR100.dll"].loaded == r"C:\Python311\Lib\site-packages\ffcv\MSVCR100.dll"


def test_pythons_own_search_for_modules_is_no_story(tmp_path: Path) -> None:
    assert "__init__.pyd" in recorded("all", tmp_path).read_text(encoding="utf-8")
    assert not [name for name in told(recorded("all", tmp_path)) if name.startswith("__init__")]


def test_other_columns_another_order_and_other_rows_do_no_harm(tmp_path: Path) -> None:
    file = export(
        tmp_path,
        r'"4","Load Image","python.exe","SUCCESS","C:\P\python311.dll","31.12.2024 18:17:25,43"',
        r'"4","CreateFile","python.exe","PATH NOT FOUND","C:\P\café\a.dll","18:17:25,4395810"',
        r'"4","CreateFile","Explorer.EXE","SUCCESS","C:\P\a.dll","18:17:25,4395810"',
        r'"4","ReadFile","python.exe","SUCCESS","C:\P\a.dll","18:17:25,4395810"',
        r'"4","Process Create","python.exe","SUCCESS","C:\P\b.exe","PID: 7, "C:\P\a.dll", "x',
        header='"PID","Operation","Process Name","Result","Path","Date & Time"',
    )
    assert list(read(file)) == [
        Event("4", "Load Image", r"C:\P\python311.dll", "SUCCESS"),
        Event("4", "CreateFile", r"C:\P\café\a.dll", "PATH NOT FOUND"),
    ]


def test_the_path_may_be_the_last_column(tmp_path: Path) -> None:
    file = export(
        tmp_path,
        r'"4","Load Image","python.exe","SUCCESS","C:\P\python311.dll"',
        r"4,CreateFile,python.exe,NAME NOT FOUND,C:\P\a.dll",
        header='"PID","Operation","Process Name","Result","Path"',
    )
    assert list(read(file)) == [
        Event("4", "Load Image", r"C:\P\python311.dll", "SUCCESS"),
        Event("4", "CreateFile", r"C:\P\a.dll", "NAME NOT FOUND"),
    ]


def test_an_export_that_was_rewritten_in_utf16_is_read(tmp_path: Path) -> None:
    file = recorded("nothing", tmp_path)
    events = list(read(file))
    file.write_bytes(file.read_bytes().decode("utf-8-sig").encode("utf-16"))
    assert events and list(read(file)) == events


def test_a_line_that_is_no_csv_is_passed_over(tmp_path: Path) -> None:
    huge = "x" * csv.field_size_limit()
    file = export(tmp_path, LOADED, row("CreateFile", rf"C:\P\{huge}a.dll"))
    assert len(list(read(file))) == 1


def test_a_filter_driver_that_has_no_quick_answer_is_passed_over(tmp_path: Path) -> None:
    path = r"C:\Python311\a.dll"
    file = export(
        tmp_path,
        row("QueryOpen", path, "FAST IO DISALLOWED"),
        row("CreateFile", path),
        row("Load Image", path),
        row("QueryOpen", r"C:\Python311\b.dll", "FAST IO DISALLOWED"),
    )
    assert told(file) == {"a.dll": Story("a.dll", ((path, "SUCCESS"),), path)}


def test_a_second_mapping_and_a_look_after_the_load_are_no_stories(tmp_path: Path) -> None:
    path = r"C:\Windows\WinSxS\x\comctl32.dll"
    file = export(
        tmp_path,
        row("Load Image", path),
        row("Load Image", path),
        row("QueryOpen", r"C:\elsewhere\comctl32.dll", "NAME NOT FOUND"),
    )
    assert told(file) == {"comctl32.dll": Story("comctl32.dll", (), path)}


def test_modules_of_one_name_in_two_packages_have_a_story_each(tmp_path: Path) -> None:
    one, other = r"C:\p\one\_core.pyd", r"C:\p\other\_core.pyd"
    rows = [
        row(operation, path) for path in (one, other) for operation in ("CreateFile", "Load Image")
    ]
    [found] = stories(read(export(tmp_path, *rows))).values()
    assert [(story.tried, story.loaded) for story in found] == [
        (((path, "SUCCESS"),), path) for path in (one, other)
    ]


def test_a_file_that_was_only_read_is_no_story(tmp_path: Path) -> None:
    assert "a.dll" not in told(export(tmp_path, LOADED, row("CreateFile", r"C:\tools\a.dll")))


def test_processes_are_told_apart(tmp_path: Path) -> None:
    path = r"C:\p\a.dll"
    file = export(tmp_path, row("Load Image", path, pid=1), row("CreateFile", path, "X", pid=2))
    assert {pid: [s.loaded for s in found] for pid, found in stories(read(file)).items()} == {
        "1": [path],
        "2": [None],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PML_\x09\0\0\0", "own format .PML.; a CSV is needed. .*File > Save"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><procmon>', "XML; a CSV is needed. .*File > Save"),
        (b"", "its first line lacks Process Name, PID, Operation, Path, Result"),
        ("Path,Result\r\n".encode("utf-16"), "its first line lacks Process Name, PID, Operation"),
        (b"Path\0\r\rResult\r\n", "its first line lacks Process Name"),
        (b"Path;Result\r\n", "its first line lacks Process Name"),
    ],
)
def test_another_format_is_answered_with_how_to_export(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "Logfile.PML"
    file.write_bytes(content)
    with pytest.raises(DiagnosisError, match=message):
        list(read(file))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiagnosisError, match=r"no\.csv cannot be read: No such file"):
        list(read(tmp_path / "no.csv"))


def test_a_recording_of_other_programs_is_told_with_their_names(tmp_path: Path) -> None:
    file = export(tmp_path, LOADED.replace("python.exe", "Explorer.EXE"))
    with pytest.raises(DiagnosisError, match=r"no python\.exe .*do: Explorer\.EXE.*Record again"):
        list(read(file))


def test_a_recording_without_loads_is_told(tmp_path: Path) -> None:
    file = export(tmp_path, row("CreateFile", r"C:\p\a.dll", "NAME NOT FOUND"))
    with pytest.raises(DiagnosisError, match='"Show Process and Thread Activity" switched on'):
        list(read(file))


def test_a_big_unfiltered_export_is_read(tmp_path: Path) -> None:
    other = row("RegOpenKey", r"HKLM\Software\Microsoft\Windows NT\CurrentVersion", "SUCCESS")
    file = export(tmp_path, LOADED, *[other] * 200_000)  # 26 MB
    assert len(list(read(file))) == 1
