"""Manifests notice every change of what a stage made, and nothing else."""

import os
import time
from pathlib import Path

import pytest

from tasks.core import manifest
from tasks.core.manifest import Made


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A manifest of a tree with two files."""
    tree = tmp_path / "tree"
    (tree / "include").mkdir(parents=True)
    (tree / "include" / "a.h").write_text("a", encoding="utf-8")
    (tree / "b.dll").write_bytes(b"\0" * 100)
    path = tmp_path / "made.json"
    manifest.write(path, Made("two files", root=tree, files=manifest.record(tree)))
    return path


def test_what_is_as_it_was_made_is_intact(made):
    assert manifest.damage(made) is None


def test_a_manifest_that_is_not_there_is_damage(tmp_path):
    assert manifest.damage(tmp_path / "none.json") == "none.json is missing or unreadable"


def test_a_half_written_manifest_is_damage(made):
    made.write_text(made.read_text(encoding="utf-8")[:50], encoding="utf-8")
    assert manifest.damage(made) == "made.json is missing or unreadable"


def test_a_deleted_file_is_damage(made, tmp_path):
    (tmp_path / "tree" / "include" / "a.h").unlink()
    assert manifest.damage(made) == "include/a.h is missing"


def test_a_file_of_another_size_is_damage(made, tmp_path):
    (tmp_path / "tree" / "b.dll").write_bytes(b"\0" * 99)
    assert manifest.damage(made) == "b.dll has another size"


def test_a_file_altered_in_place_is_damage(made, tmp_path):
    time.sleep(0.02)
    (tmp_path / "tree" / "b.dll").write_bytes(b"\1" * 100)
    assert manifest.damage(made) == "b.dll was altered"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no change time")
def test_a_file_altered_under_its_old_modification_time_is_damage(made, tmp_path):
    file = tmp_path / "tree" / "b.dll"
    before = file.stat()
    time.sleep(0.02)
    file.write_bytes(b"\1" * 100)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert manifest.damage(made) == "b.dll was altered"


def test_a_touched_file_is_no_damage_and_is_read_only_once(made, tmp_path):
    file = tmp_path / "tree" / "b.dll"
    time.sleep(0.02)
    os.utime(file)
    assert manifest.damage(made) is None
    assert made.stat().st_mtime_ns >= file.stat().st_mtime_ns


def test_making_the_same_again_gives_the_same_bytes(made, tmp_path):
    before = made.read_bytes()
    tree = tmp_path / "tree"
    manifest.write(made, Made("two files", root=tree, files=manifest.record(tree)))
    assert made.read_bytes() == before


def test_byte_code_is_not_recorded(tmp_path):
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    (cache / "a.pyc").write_bytes(b"x")
    assert manifest.record(tmp_path) == {}
