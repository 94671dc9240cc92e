"""doit store: what is in the store, and how it is emptied, by the real doit in the real graph."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from tasks.core import manifest
from tasks.core.store import Entry, Key, Store
from tasks.store import amount, lines


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one small entry, in a cache of its own."""
    (tmp_path / "prefix" / "lib").mkdir(parents=True)
    (tmp_path / "prefix" / "lib" / "x.lib").write_bytes(bytes(200_000))
    made = Store(tmp_path / "cache" / "store", print)
    files = manifest.record(tmp_path / "prefix")
    made.put(Key("small", {"compiler": "zig 0.17.0"}), tmp_path / "prefix", files)
    return made


def doit(store: Store, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "doit", *arguments], cwd=ROOT, check=True,
        env={**os.environ, "FFCVWIN_CACHE": str(store.folder.parent)},
        capture_output=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    return done.stdout


def test_it_prints_what_made_each_entry_its_size_and_its_age(store):
    [entry] = store.entries()
    said = doit(store, "store").splitlines()
    assert said[0] == f"small {entry.key.digest}  0.2 MB  just now"
    assert said[1] == "    compiler: zig 0.17.0"
    assert said[2] == f"{store.folder}: 1 entry, 0.2 MB"


def test_doit_list_says_how_large_it_is_and_how_it_is_emptied(store):
    assert "1 entry, 0.2 MB; doit clean store empties it" in doit(store, "list")


def test_clean_store_says_what_it_removes_and_removes_it(store):
    assert "remove 1 entry, 0.2 MB in" in doit(store, "clean", "--dry-run", "store")
    assert len(store.entries()) == 1
    doit(store, "clean", "store")
    assert store.entries() == []
    assert "nothing to remove" in doit(store, "clean", "--dry-run", "store")


def test_clean_alone_leaves_the_store_to_other_clones(store):
    said = doit(store, "clean", "--dry-run")
    assert "libs:opencv" in said or "libs-opencv" in said
    assert "0.2 MB" not in said


def test_ages_and_numbers_read_as_people_say_them(store):
    [entry] = store.entries()
    old = Entry(entry.key, entry.folder, entry.files, made=0)
    assert amount([]) == "empty" and amount([old, old]) == "2 entries, 0.4 MB"
    assert [lines([old], now)[0].split("  ")[-1] for now in (9, 600, 9e4, 9e5)] == [
        "just now", "10 minutes", "25 hours", "10 days",
    ]  # fmt: skip
