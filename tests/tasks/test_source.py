"""Patches apply cleanly or not at all, and an error names the hunk."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.core.errors import BuildError
from tasks.source import patched_tree

LINES = [f"line {number}\n" for number in range(1, 31)]


def patch(path: Path, *, find: str, put: str, line: int = 5) -> Path:
    """A patch that replaces one line of code.py."""
    path.write_text(
        "What breaks: nothing.\n\n"
        f"--- a/code.py\n+++ b/code.py\n@@ -{line - 1},3 +{line - 1},3 @@\n"
        f" {LINES[line - 2]}-{find}\n+{put}\n {LINES[line]}",
        encoding="utf-8",
        newline="\n",
    )
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "sdist"
    folder.mkdir()
    (folder / "code.py").write_text("".join(LINES), encoding="utf-8", newline="\n")
    return folder


def test_patches_are_applied_in_order_to_a_copy(tree, tmp_path, job):
    first = patch(tmp_path / "1.patch", find="line 5", put="line five")
    second = patch(tmp_path / "2.patch", find="line 20", put="line twenty", line=20)
    made = patched_tree(tree, [first, second], tmp_path / "out", job)
    text = (tmp_path / "out" / "code.py").read_text(encoding="utf-8")
    assert "line five\n" in text and "line twenty\n" in text
    assert "line five" not in (tree / "code.py").read_text(encoding="utf-8")
    assert made.details["patches"] == {"1.patch": ["code.py"], "2.patch": ["code.py"]}


def test_a_patch_follows_its_lines_to_where_they_have_moved(tree, tmp_path, job):
    moved = "".join([*LINES[:2], "new\n", "new\n", *LINES[2:]])
    (tree / "code.py").write_text(moved, encoding="utf-8", newline="\n")
    late = patch(tmp_path / "1.patch", find="line 20", put="line twenty", line=20)
    patched_tree(tree, [late], tmp_path / "out", job)
    assert (tmp_path / "out" / "code.py").read_text("utf-8") == moved.replace(
        "line 20\n", "line twenty\n"
    )


def test_of_places_that_are_alike_the_nearest_is_changed(tree, tmp_path, job):
    (tree / "code.py").write_text("".join(LINES * 3), encoding="utf-8", newline="\n")
    late = patch(tmp_path / "1.patch", find="line 5", put="here", line=5)
    text = late.read_text("utf-8").replace("-4,3 +4,3", "-37,3 +37,3")
    late.write_text(text, encoding="utf-8", newline="\n")
    patched_tree(tree, [late], tmp_path / "out", job)
    lines = (tmp_path / "out" / "code.py").read_text("utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if line == "here"] == [35]


def test_a_patch_for_other_lines_is_an_error_that_names_file_and_hunk(tree, tmp_path, job):
    wrong = patch(tmp_path / "wrong.patch", find="line fünf", put="x")
    with pytest.raises(BuildError) as caught:
        patched_tree(tree, [wrong], tmp_path / "out", job)
    message = caught.value.message
    assert message.startswith("wrong.patch does not apply (")
    assert "code.py" in message and "hunk no.1" in message and "\n" not in message
    assert not (tmp_path / "out").exists()


def test_a_patch_for_a_file_that_is_not_there_is_an_error(tree, tmp_path, job):
    (tree / "code.py").rename(tree / "other.py")
    with pytest.raises(BuildError, match=r"1\.patch does not apply .*code\.py"):
        patched_tree(
            tree, [patch(tmp_path / "1.patch", find="line 5", put="x")], tmp_path / "out", job
        )


def test_a_patch_applied_twice_is_an_error(tree, tmp_path, job):
    once = patch(tmp_path / "1.patch", find="line 5", put="x")
    with pytest.raises(BuildError, match="does not apply"):
        patched_tree(tree, [once, once], tmp_path / "out", job)


def test_a_file_that_is_no_patch_is_an_error(tree, tmp_path, job):
    (tmp_path / "x.patch").write_text("just words\n", encoding="utf-8")
    with pytest.raises(BuildError, match=r"x\.patch does not apply"):
        patched_tree(tree, [tmp_path / "x.patch"], tmp_path / "out", job)


def test_the_tree_before_stays_when_a_patch_fails(tree, tmp_path, job):
    out = tmp_path / "out"
    patched_tree(tree, [], out, job)
    with pytest.raises(BuildError):
        patched_tree(tree, [patch(tmp_path / "1.patch", find="no", put="x")], out, job)
    assert (out / "code.py").is_file()


def test_files_are_made_removed_and_changed_in_their_folders(tree, tmp_path, job):
    (tree / "inner").mkdir()
    (tree / "inner" / "old.py").write_bytes(b"one\n")
    several = patch(tmp_path / "1.patch", find="line 5", put="x")
    with several.open("a", encoding="utf-8", newline="\n") as file:
        file.write("--- a/inner/old.py\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-one\n")
        file.write("--- /dev/null\n+++ b/inner/new.py\n@@ -0,0 +1,1 @@\n+two\n")
    out = tmp_path / "out"
    made = patched_tree(tree, [several], out, job)
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.py")}
    assert files == {"code.py", "inner/new.py"}
    assert (out / "inner" / "new.py").read_bytes() == b"two\n"
    changed = ["code.py", "inner/old.py", "inner/new.py"]
    assert made.details["patches"] == {"1.patch": changed}


def test_two_trees_are_patched_at_once(tmp_path, job):
    """The graph does so: both threads have one current folder."""
    here = Path.cwd()
    trees = [tmp_path / f"sdist {number}" for number in range(2)]
    for number, folder in enumerate(trees):
        folder.mkdir()
        for file in range(40):
            (folder / f"{number}-{file}.py").write_bytes(b"one\n")
        text = "".join(
            f"--- a/{name}\n+++ b/{name}\n@@ -1,1 +1,1 @@\n-one\n+two\n"
            for name in sorted(path.name for path in folder.iterdir())
        )
        (tmp_path / f"{number}.patch").write_text(text, encoding="utf-8", newline="\n")

    def work(number):
        return patched_tree(
            trees[number], [tmp_path / f"{number}.patch"], tmp_path / f"out {number}", job
        )

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(work, range(2)))
    for number in range(2):
        changed = made[number].details["patches"][f"{number}.patch"]
        assert len(changed) == 40 and all(name.startswith(f"{number}-") for name in changed)
        texts = {path.read_bytes() for path in (tmp_path / f"out {number}").glob("*.py")}
        assert texts == {b"two\n"}
    assert Path.cwd() == here
