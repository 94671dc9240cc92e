"""What went in and what came out, by hash, and what differs from what was written down."""

import json

import pytest
from support import ROOT

from tasks import inventory
from tasks.core.errors import BuildError

LOCK = """\
# made by a program
numpy==1.26.4 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via ffcv
ziglang==0.16.0 ; sys_platform == 'win32' \\
    --hash=sha256:cc
ziglang==0.17.0 ; sys_platform != 'win32' \\
    --hash=sha256:dd
"""


def test_a_lock_is_told_by_version_and_hashes(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text(LOCK, encoding="utf-8")
    before = inventory.locked(path)
    assert before["numpy"].startswith("1.26.4 hashes ")
    path.write_text(LOCK.replace("sha256:bb", "sha256:be"), encoding="utf-8")
    after = inventory.locked(path)
    assert inventory.differences({"packages": before}, {"packages": after}) == [
        f"packages, numpy: {before['numpy']} -> {after['numpy']}"
    ]


def test_every_lock_of_the_project_is_read():
    for path in sorted((ROOT / "envs").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert inventory.locked(path), path
        assert "==" in text


def test_what_only_one_of_them_has_is_named():
    lines = inventory.differences({"outputs": {"a.whl": "1"}}, {"outputs": {"b.whl": "1"}})
    assert lines == ["outputs, a.whl: 1 -> none", "outputs, b.whl: none -> 1"]


def test_equal_inventories_do_not_differ():
    assert inventory.differences({"tools": {"zig": "1"}}, {"tools": {"zig": "1"}}) == []


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', "[" * 50_000])
def test_what_is_no_inventory_is_one_line(tmp_path, text):
    path = tmp_path / "it.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BuildError, match="is no inventory"):
        inventory.read(path)


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "it.json"
    path.write_text(json.dumps({"of": {"python": "3.11"}}), encoding="utf-8")
    assert inventory.read(path) == {"of": {"python": "3.11"}}
