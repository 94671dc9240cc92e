"""What the tutorial says is true: its commands print it, its logs hold it, its links lead there.

Blocks that are marked "console cmd" are run by test_tutorial_on_windows.py. Those that are marked
"console windows" need a real Windows; they are not run, and the text says so.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from console_blocks import Block, blocks, commands, difference, quoted, run
from support import ROOT

START = ROOT / "docs" / "tutorial.md"
CHAPTERS = [START, *sorted((ROOT / "docs" / "tutorial").glob("*.md"))]
LOGS = ROOT / "tests" / "data" / "logs"
CHAPTER_SECONDS = 900
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def _blocks(chapter: Path, *info: str) -> list[Block]:
    found = blocks(chapter.read_text(encoding="utf-8"))
    return [block for block in found if block.info[: len(info)] == info]


def _anchors(chapter: Path) -> set[str]:
    """The anchors that code hosts give to headings."""
    text = re.sub(r"```.*?```", "", chapter.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def settled(clone, first_run):
    """The clone, fully built, before and after: other tests may have changed what it holds."""
    assert first_run.status == 0, first_run.output
    clone.restore()
    assert clone.doit("verify:closure").status == 0
    yield clone
    shutil.rmtree(clone.folder / "build" / "tutorial", ignore_errors=True)
    clone.restore()
    clone.doit("verify:closure")


@pytest.mark.integration
@pytest.mark.timeout(4200)
@each_chapter
def test_the_commands_of_a_chapter_print_what_it_says(settled, chapter):
    given = [command for block in _blocks(chapter) if block.info == ("console",)
             for command in commands(block)]  # fmt: skip
    programs = Path(sys.executable).parent
    environment = {
        **os.environ, "CI": "1", "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
    }  # fmt: skip
    try:
        printed = run(given, settled.folder, environment, CHAPTER_SECONDS)
    finally:
        settled.restore()
    wrong = [
        f"{chapter.name}:{command.line}: {command.text}\n{found}"
        for command, text in zip(given, printed, strict=True)
        if (found := difference(command.expected, text))
    ]
    assert not wrong, "\n\n".join(wrong)


@each_chapter
def test_every_block_is_of_a_kind_that_is_checked(chapter):
    checked = {"console", "log", "mermaid", ""}
    kinds = [(block.line, block.info[0] if block.info else "") for block in _blocks(chapter)]
    assert [kind for kind in kinds if kind[1] not in checked] == []
    # Blocks without a kind say how to begin; they hold no output.
    assert [line for line, kind in kinds if kind == "" and chapter != START] == []


@each_chapter
def test_quoted_lines_are_in_the_logs(chapter):
    for block in _blocks(chapter, "log"):
        log = (LOGS / block.info[1]).read_text(encoding="utf-8")
        assert quoted(block.lines, log), f"{chapter.name}:{block.line}"


@each_chapter
def test_links_lead_somewhere(chapter):
    text = re.sub(r"```.*?```", "", chapter.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (chapter.parent / path).resolve() if path else chapter
        assert target.is_file(), f"{chapter.name}: {link}"
        if anchor:
            assert anchor in _anchors(target), f"{chapter.name}: {link}"


def test_blocks_for_windows_are_counted_and_said_not_to_be_run():
    found = [(chapter, b) for chapter in CHAPTERS for b in _blocks(chapter, "console", "windows")]
    for chapter, block in found:
        assert "ot run here" in block.before, f"{chapter.name}:{block.line}"
        # What they print was not seen, so it is not told.
        assert all(line.startswith("C:\\> ") for line in block.lines), chapter.name
    stated = f"{NUMBERS[len(found)].lower()} say that they are not run here"
    assert stated in START.read_text(encoding="utf-8")


def test_the_start_leads_to_every_chapter():
    text = START.read_text(encoding="utf-8")
    assert [c.name for c in CHAPTERS[1:] if f"(tutorial/{c.name})" not in text] == []
