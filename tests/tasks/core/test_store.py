"""The store: entries are whole, verified, made by one run at a time, and say what made them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import ROOT

from tasks.core import manifest
from tasks.core.store import Key, Store, differences

KEY = Key("lib", {"compiler": "zig 0.16.0", "defines": {"WITH_SIMD": True, "TYPE": "Release"}})
NEWER = Key("lib", {**KEY.parts, "compiler": "zig 0.17.0"})


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, warnings: list[str]) -> Store:
    return Store(tmp_path / "cache" / "store", warnings.append)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small prefix."""
    folder = tmp_path / "prefix"
    for name in ("bin", "include", "lib"):
        (folder / name).mkdir(parents=True)
    (folder / "include" / "x.h").write_text("int x(void);\n", encoding="utf-8")
    (folder / "lib" / "x.lib").write_bytes(bytes(range(256)) * 100)
    return folder


@pytest.fixture
def full(store: Store, tree: Path) -> Store:
    """A store that holds KEY."""
    store.put(KEY, tree, manifest.record(tree))
    return store


def kept(store: Store) -> list[str]:
    """What lies in the store, lock files left out."""
    return sorted(path.name for path in store.folder.glob("*/*") if path.is_dir())


def run(store: Store, body: str) -> subprocess.Popen[str]:
    """Another process with the same store; it prints what it has to say."""
    program = f"""
import shutil, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tasks.core import manifest
from tasks.core.store import Key, Store
key = Key({KEY.name!r}, {KEY.parts!r})
store = Store(Path({str(store.folder)!r}), lambda line: print(line, flush=True))
{body}
"""
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, encoding="utf-8", text=True
    )


def test_what_is_not_there_is_not_taken(store, tmp_path, warnings):
    assert store.take(KEY, tmp_path / "copy") is None
    assert not (tmp_path / "copy").exists() and warnings == []


def test_what_was_put_is_taken_with_its_empty_folders(full, tree, tmp_path, warnings):
    files = full.take(KEY, tmp_path / "copy")
    assert files == manifest.record(tree) == manifest.record(tmp_path / "copy")
    assert (tmp_path / "copy" / "bin").is_dir()
    assert warnings == []


def test_an_older_folder_is_replaced_as_a_whole(full, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "old").touch()
    full.take(KEY, tmp_path / "copy")
    assert not (tmp_path / "copy" / "old").exists()


def test_another_part_is_another_entry(full, tree, tmp_path):
    assert NEWER.digest != KEY.digest
    assert full.take(NEWER, tmp_path / "copy") is None
    full.put(NEWER, tree, manifest.record(tree))
    assert {entry.key.digest for entry in full.entries("lib")} == {KEY.digest, NEWER.digest}


def test_the_digest_does_not_depend_on_the_order_of_parts():
    assert Key("lib", dict(reversed(KEY.parts.items()))).digest == KEY.digest


def test_what_differs_is_named():
    new = {"compiler": "zig 0.17.0", "defines": {"WITH_SIMD": False, "TYPE": "Release"}}
    assert differences(KEY.parts, new) == [
        "compiler zig 0.16.0 -> zig 0.17.0", "defines.WITH_SIMD true -> false",
    ]  # fmt: skip


def test_a_part_that_is_new_or_gone_differs():
    assert differences({"a": "1"}, {"b": "2"}) == ["a 1 -> none", "b none -> 2"]


def test_the_nearest_entry_says_why_it_will_not_do(full, tree):
    other = Key("lib", {"compiler": "cl 14.44", "defines": {}})
    full.put(other, tree, manifest.record(tree))
    assert full.why_not(NEWER) == "compiler zig 0.16.0 -> zig 0.17.0"


def test_many_differences_are_counted(full):
    far = Key("lib", dict.fromkeys("abcd", "x"))
    assert full.why_not(far).endswith(" and 4 more")


def test_an_empty_store_has_no_reason_to_give(store):
    assert store.why_not(KEY) is None


def damaged(entry: Path, how: str) -> None:
    file = entry / "tree" / "lib" / "x.lib"
    if how == "altered":
        file.write_bytes(b"\1" + file.read_bytes()[1:])
    elif how == "cut short":
        file.write_bytes(file.read_bytes()[:100])
    elif how == "deleted":
        file.unlink()
    elif how == "a file too many":
        file.with_name("y.lib").touch()
    elif how == "no tree":
        (entry / "tree").rename(entry / "elsewhere")
    elif how == "no list":
        (entry / "entry.json").unlink()
    elif how == "half a list":
        text = (entry / "entry.json").read_text(encoding="utf-8")
        (entry / "entry.json").write_text(text[: len(text) // 2], encoding="utf-8")
    else:
        text = (entry / "entry.json").read_text(encoding="utf-8")
        (entry / "entry.json").write_text(text.replace("0.16.0", "0.15.0"), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("altered", "lib/x.lib was altered"),
        ("cut short", "lib/x.lib was altered"),
        ("deleted", "lib/x.lib is missing"),
        ("a file too many", "lib/y.lib does not belong there"),
        ("no tree", "is missing"),
        ("no list", "entry.json is missing, unreadable or of something else"),
        ("half a list", "entry.json is missing, unreadable or of something else"),
        ("of something else", "entry.json is missing, unreadable or of something else"),
    ],
)
def test_a_damaged_entry_is_discarded_with_a_line_and_can_be_made_again(
    full, tree, tmp_path, warnings, how, reason
):
    damaged(full.entry_folder(KEY), how)
    (tmp_path / "copy").mkdir()
    assert full.take(KEY, tmp_path / "copy") is None
    assert reason in warnings[0] and "it is discarded and made again" in warnings[0]
    assert len(warnings) == 1 and kept(full) == []
    assert list((tmp_path / "copy").iterdir()) == [], "what was there before is left alone"
    full.put(KEY, tree, manifest.record(tree))
    assert full.take(KEY, tmp_path / "copy") is not None


def test_a_tree_that_is_not_what_its_list_says_is_not_kept(store, tree, warnings):
    files = manifest.record(tree)
    (tree / "lib" / "x.lib").write_bytes(b"other")
    store.put(KEY, tree, files)
    assert kept(store) == [] and "lib/x.lib was altered" in warnings[0]


def test_a_run_that_is_killed_while_it_writes_leaves_no_entry(store, tree, tmp_path, warnings):
    writer = run(
        store,
        "copyfile = shutil.copyfile\n"
        "def slowly(source, target):\n"
        "    copyfile(source, target)\n"
        "    print('wrote', flush=True)\n"
        "    time.sleep(60)\n"
        "shutil.copyfile = slowly\n"
        f"tree = Path({str(tree)!r})\n"
        "with store.alone(key):\n"
        "    store.put(key, tree, manifest.record(tree))\n",
    )
    assert writer.stdout.readline() == "wrote\n"
    writer.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    writer.communicate()
    assert store.entries() == [] and len(kept(store)) == 1, "half of an entry under another name"
    assert store.take(KEY, tmp_path / "copy") is None
    with store.alone(KEY):
        store.put(KEY, tree, manifest.record(tree))
    assert kept(store) == [KEY.digest]
    assert store.take(KEY, tmp_path / "copy") is not None
    assert warnings == []


def test_of_two_runs_at_once_one_makes_it_and_the_other_waits_and_takes_it(store, tree, tmp_path):
    body = (
        f"tree = Path({str(tree)!r})\n"
        "with store.alone(key):\n"
        f"    if store.take(key, Path({str(tmp_path)!r}, 'copy ' + sys.argv[-1])) is None:\n"
        "        print('makes it', flush=True)\n"
        "        time.sleep(1.5)\n"
        "        store.put(key, tree, manifest.record(tree))\n"
        "    else:\n"
        "        print('takes it', flush=True)\n"
    )
    runs = [run(store, body) for _ in range(2)]
    said = sorted((r.communicate(timeout=100)[0].splitlines() for r in runs), key=len)
    assert [r.returncode for r in runs] == [0, 0]
    assert said[0] == ["makes it"]
    assert said[1][0].startswith(f"waits for another run, which makes lib {KEY.digest}; then it is")
    assert said[1][1:] == ["takes it"]


def test_different_things_do_not_wait_for_each_other(store, warnings):
    with store.alone(KEY), store.alone(NEWER), store.alone(Key("other", {})):
        assert warnings == []


def test_a_store_that_cannot_be_written_is_a_warning(store, tree, tmp_path, warnings):
    store.folder.parent.mkdir()
    store.folder.write_text("a file where the folder should be", encoding="utf-8")
    with store.alone(KEY):
        assert store.take(KEY, tmp_path / "copy") is None
        store.put(KEY, tree, manifest.record(tree))
    assert "cannot be written" in warnings[0]
    assert "lib cannot be kept in the store" in warnings[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_cache_is_a_warning_and_leaves_nothing(store, tree, monkeypatch, warnings):
    def copy(source, target):
        with Path("/dev/full").open("wb", buffering=0) as device:
            device.write(Path(source).read_bytes())

    monkeypatch.setattr("tasks.core.store.shutil.copyfile", copy)
    store.put(KEY, tree, manifest.record(tree))
    assert "No space left on device" in warnings[0] and kept(store) == []


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="nothing is read-only to this user"
)
def test_a_read_only_store_can_be_taken_from(full, tmp_path, warnings):
    folder = full.entry_folder(KEY).parent
    folder.chmod(0o555)
    try:
        with full.alone(KEY):
            assert full.take(KEY, tmp_path / "copy") is not None
    finally:
        folder.chmod(0o755)
    assert len(warnings) == 1


def test_an_entry_knows_its_size_and_age(full, tree):
    [entry] = full.entries()
    copied = entry.folder / "tree"
    assert entry.size == sum(file.stat().st_size for file in copied.rglob("*") if file.is_file())
    assert time.time() - entry.made < 100
    assert entry.key == KEY


def test_emptying_removes_every_entry_and_what_killed_runs_left(full):
    (full.folder / "lib" / f"{KEY.digest}.1234.tmp").mkdir()
    full.empty()
    assert kept(full) == [] and full.entries() == []


def test_a_store_that_is_not_there_is_empty(store):
    store.empty()
    assert store.entries() == []
