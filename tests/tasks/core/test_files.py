import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core import files

needs_windows = pytest.mark.skipif(
    os.name != "nt", reason="only Windows keeps a file that is open from being renamed or removed"
)

# Holds a file open until its standard input ends.
HOLD = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def hold(file: Path) -> "subprocess.Popen[str]":
    """A program that has the file open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, file],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "a.dll").write_bytes(b"MZ")
    return made


@pytest.fixture
def let_go(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[str]"]:
    """Programs that end when they are waited for the third time."""
    holders: list[subprocess.Popen[str]] = []
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            for process in holders:
                process.communicate("")

    monkeypatch.setattr(files.time, "sleep", pause)
    return holders


def test_a_folder_is_renamed(folder: Path, tmp_path: Path) -> None:
    assert files.rename(folder, tmp_path / "new") == tmp_path / "new"
    assert (tmp_path / "new" / "sub" / "a.dll").is_file()
    assert not folder.exists()


def test_a_file_replaces_another(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new", encoding="utf-8")
    (tmp_path / "old").write_text("old", encoding="utf-8")
    files.rename(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text(encoding="utf-8") == "new"


def test_a_folder_is_removed_with_what_is_read_only(folder: Path) -> None:
    (folder / "sub" / "a.dll").chmod(0o444)
    files.remove_tree(folder)
    assert not folder.exists()


def test_what_is_not_there_needs_no_removing(tmp_path: Path) -> None:
    files.remove_tree(tmp_path / "missing")


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        files.remove_tree(tmp_path / "file")


@needs_windows
def test_a_rename_waits_until_a_program_lets_go(
    folder: Path, tmp_path: Path, let_go: list["subprocess.Popen[str]"]
) -> None:
    let_go.append(hold(folder / "sub" / "a.dll"))
    files.rename(folder / "sub" / "a.dll", tmp_path / "b.dll")
    assert (tmp_path / "b.dll").is_file()


@needs_windows
def test_a_removal_waits_until_a_program_lets_go(
    folder: Path, let_go: list["subprocess.Popen[str]"]
) -> None:
    let_go.append(hold(folder / "sub" / "a.dll"))
    files.remove_tree(folder)
    assert not folder.exists()


@needs_windows
def test_what_stays_in_use_is_an_error_that_names_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.5)
    holder = hold(folder / "sub" / "a.dll")
    with pytest.raises(PermissionError) as caught:
        files.remove_tree(folder)
    assert Path(caught.value.filename).name == "a.dll"
    holder.communicate("")


def test_other_errors_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.time, "sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(FileNotFoundError):
        files.rename(tmp_path / "missing", tmp_path / "new")
