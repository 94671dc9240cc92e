"""bootstrap.bat as text; tests/integration/test_bootstrap_bat.py runs it."""

import re
import shutil
import subprocess

import pytest
from support import ROOT

from tasks.core import config_file

TEXT = (ROOT / "bootstrap.bat").read_bytes().decode("ascii")


def test_lines_end_as_cmd_needs_them():
    # With "\n" alone cmd.exe misses labels at the borders of the blocks that it reads.
    assert TEXT.count("\r\n") == TEXT.count("\n") == len(TEXT.splitlines())


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="needs a git checkout"
)
def test_git_keeps_those_line_ends_on_every_system():
    done = subprocess.run(
        ["git", "check-attr", "eol", "bootstrap.bat", "bootstrap.sh"],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["bootstrap.bat: eol: crlf", "bootstrap.sh: eol: lf"]


def test_every_jump_has_its_label_and_every_label_is_jumped_to():
    labels = re.findall(r"^:(\w+)", TEXT, re.MULTILINE)
    jumps = re.findall(r"\bgoto (\w+)|\bcall :(\w+)", TEXT)
    assert len(labels) == len(set(labels))
    assert {a or b for a, b in jumps} == set(labels)


def test_no_message_runs_on_into_the_next_one():
    after_the_work = TEXT.replace("\r\n", "\n").split("\n:hash\n")[1]
    for part in after_the_work.split("\n:"):
        assert re.search(r"^exit /b [01]$", part.strip().splitlines()[-1]), part


def test_no_file_is_named_twice():
    """The batch file has Micromamba's address and hash from config.yaml, by their order there."""
    (source,) = config_file.load(ROOT / "config.yaml").artifacts["micromamba"].sources
    assert "https://" not in TEXT and source.sha256 not in TEXT
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines]
    below = words[words.index(["micromamba:"]) :]
    url = next(word[2] for word in below if word[1:2] == ["url:"])
    sha256 = next(word[1] for word in below if word[:1] == ["sha256:"])
    assert (url, sha256) == (source.url, source.sha256)
