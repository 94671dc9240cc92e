"""DLLs are copied once, quietly, and never over another file of the same name."""

from pathlib import Path

import pytest

from tasks.core.errors import BuildError
from tasks.dlls import copy_dlls


@pytest.fixture
def staged(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("a.dll", "b.dll"):
        (folder / name).write_text(name, encoding="utf-8")
    return [folder / "a.dll", folder / "b.dll"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    return folder


def test_they_are_copied_under_their_names(staged, package):
    placed = copy_dlls(staged, package)
    assert [dll.path for dll in placed] == [package / "a.dll", package / "b.dll"]
    assert [dll.source for dll in placed] == staged
    assert (package / "b.dll").read_text(encoding="utf-8") == "b.dll"


def test_copying_again_is_quiet(staged, package):
    copy_dlls(staged, package)
    before = (package / "a.dll").stat().st_mtime_ns
    copy_dlls(staged, package)
    assert (package / "a.dll").stat().st_mtime_ns == before


def test_an_equal_file_that_was_there_is_not_ours(staged, package):
    (package / "a.dll").write_text("a.dll", encoding="utf-8")
    assert [dll.new for dll in copy_dlls(staged, package)] == [False, True]


def test_another_file_of_that_name_in_any_case_is_an_error_with_both_hashes(staged, package):
    (package / "B.DLL").write_text("other", encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        copy_dlls(staged, package)
    assert caught.value.message.count("sha256") == 2
    assert "B.DLL" in caught.value.message
    assert not (package / "a.dll").exists(), "nothing may be copied when one of them clashes"


def test_the_same_file_in_another_case_is_no_second_copy(staged, package):
    (package / "A.DLL").write_text("a.dll", encoding="utf-8")
    assert copy_dlls(staged, package)[0].path == package / "A.DLL"
    assert sorted(path.name for path in package.iterdir()) == ["A.DLL", "b.dll"]
