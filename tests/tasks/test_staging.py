"""A prefix is made whole from a tree, or not at all."""

from pathlib import Path

import pytest

from tasks.core.config import StageMap
from tasks.core.errors import BuildError
from tasks.staging import stage_prefix


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("out/a.dll", "out/b.dll", "inc/sub/x.h", "lib/liba.dll.a"):
        file = tmp_path / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    return tmp_path / "tree"


RULES = StageMap(bin=("out/*.dll",), include=("inc/",), lib=({"a.lib": "lib/liba.dll.a"},))


def made(prefix: Path) -> list[str]:
    return sorted(p.relative_to(prefix).as_posix() for p in prefix.rglob("*") if p.is_file())


def test_patterns_folders_and_new_names(tree, tmp_path):
    stage_prefix(tree, RULES, tmp_path / "prefix", contents={}, where="x")
    assert made(tmp_path / "prefix") == ["bin/a.dll", "bin/b.dll", "include/sub/x.h", "lib/a.lib"]


def test_an_older_prefix_is_replaced_as_a_whole(tree, tmp_path):
    (tmp_path / "prefix" / "bin").mkdir(parents=True)
    (tmp_path / "prefix" / "bin" / "old.dll").touch()
    stage_prefix(tree, RULES, tmp_path / "prefix", contents={}, where="x")
    assert "bin/old.dll" not in made(tmp_path / "prefix")


@pytest.mark.parametrize(
    "rules",
    [StageMap(bin=("*.exe",)), StageMap(include=("headers/",)), StageMap(lib=({"a": "b"},))],
)
def test_a_rule_that_matches_nothing_is_named_and_the_old_prefix_stays(tree, tmp_path, rules):
    (tmp_path / "prefix").mkdir()
    (tmp_path / "prefix" / "old").touch()
    with pytest.raises(BuildError, match=r"^config\.yaml, x\.stage\.(bin|include|lib): "):
        stage_prefix(tree, rules, tmp_path / "prefix", contents={}, where="config.yaml, x")
    assert made(tmp_path / "prefix") == ["old"]


def test_a_file_with_other_content_than_pinned_is_refused(tree, tmp_path):
    with pytest.raises(BuildError, match=r"bin/a\.dll is [0-9a-f]{12}, expected 000000000000 "):
        stage_prefix(tree, RULES, tmp_path / "p", contents={"bin/a.dll": "0" * 64}, where="x")
    assert not (tmp_path / "p").exists()
