"""No data is lost: clean stays at home, one at a time, and copies are clones of their own."""

import json
from pathlib import Path

import pytest
from filelock import FileLock
from small_clone import TASKS

from tasks.core import files, manifest
from tasks.core.manifest import Made
from tasks.stage import CleanAction


def test_clean_in_a_copied_clone_leaves_the_original_alone(built, copy):
    before = built.products()
    other = copy()
    done = other.doit("clean", *TASKS[1:])
    assert done.returncode == 0, done.stderr
    assert built.products() == before
    assert not (other.build / "extracted" / "thing").exists()


def test_a_moved_clone_is_right_at_once(copy, tmp_path):
    first = copy("first")
    expected = first.products()
    first.folder = first.folder.rename(tmp_path / "second")
    assert str(tmp_path) not in (first.build / "manifests" / "libs-thing.json").read_text("utf-8")
    done = first.doit(*TASKS)
    assert done.returncode == 0, done.stdout
    assert first.products() == expected


@pytest.mark.parametrize("root", ["foreign", "/", "../.."])
def test_clean_removes_nothing_outside_of_the_build_folder_whatever_a_manifest_says(tmp_path, root):
    foreign = tmp_path / "foreign" / "precious"
    foreign.parent.mkdir()
    foreign.touch()
    build = tmp_path / "clone" / "build"
    path = build / "manifests" / "a.json"
    name = foreign.name if root == "foreign" else foreign.relative_to(foreign.anchor).as_posix()
    absolute = str(foreign.parent) if root == "foreign" else root
    entry = {"size": 0, "sha256": "0"}
    listed = {name: entry, f"../{name}": entry}
    manifest.write_json(path, {"summary": "", "where": None, "root": absolute, "status": "done",
                               "files": listed, "details": {}})  # fmt: skip
    action = CleanAction([foreign.parent], path, [build], str)
    assert str(action) == f"remove {path}"
    action.remove()
    assert foreign.exists() and not path.exists()


def test_a_file_of_a_manifest_that_is_reached_through_a_link_out_of_the_build_folder_stays(
    tmp_path,
):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    build = tmp_path / "build"
    build.mkdir()
    try:
        (build / "link").symlink_to(tmp_path / "other")
    except OSError:
        pytest.skip("this user may not make links")
    path = build / "manifests" / "a.json"
    listed = {"link/precious": manifest.FileEntry(0, "0")}
    manifest.write(path, Made("a", root=build, files=listed))
    CleanAction([], path, [build], str).remove()
    assert (tmp_path / "other" / "precious").exists()


def test_what_a_killed_run_left_half_made_is_cleaned_too(tmp_path):
    half = files.temporary_for(tmp_path / "build" / "thing")
    half.mkdir(parents=True)
    CleanAction([tmp_path / "build" / "thing"], tmp_path / "m.json", [tmp_path], str).remove()
    assert not half.exists()


def test_a_manifest_whose_files_are_in_another_clone_makes_its_stage_stale(copy):
    clone = copy()
    path = clone.build / "manifests" / "libs-thing.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    other = Path(data["root"])
    assert not other.is_absolute()
    data["root"] = str(clone.folder.parent)
    path.write_text(json.dumps(data), encoding="utf-8")
    done = clone.doit("libs:thing")
    assert "ok    libs:thing" in done.stdout, done.stdout


@pytest.mark.parametrize("command", ["clean", "forget", "ignore"])
def test_commands_that_change_something_wait_for_a_running_build(copy, command):
    clone = copy()
    with FileLock(clone.build / ".lock"):
        done = clone.doit(command, "libs")
        asked = clone.doit("list") if command == "clean" else None
    assert done.returncode == 3
    assert done.stderr.startswith("ERROR: another doit is at work in this clone")
    assert (clone.build / "libs" / "thing" / "bin").exists()
    assert asked is None or asked.returncode == 0


def test_a_folder_that_cannot_be_filled_leaves_the_old_one_and_nothing_half_made(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    with pytest.raises(OSError, match="no room"), files.made_whole(tmp_path / "old") as folder:
        (folder / "new").touch()
        raise OSError(28, "no room")
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "file"]


def test_a_folder_is_removed_although_something_is_put_into_it_meanwhile(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    usual, calls = files.shutil.rmtree, []

    def interfered(path, **options):
        calls.append(path)
        if len(calls) == 1:
            raise OSError(39 if files.errno.ENOTEMPTY == 39 else files.errno.ENOTEMPTY, "busy")
        usual(path, **options)

    monkeypatch.setattr(files.shutil, "rmtree", interfered)
    files.remove_tree(folder)
    assert len(calls) == 2 and not folder.exists()
