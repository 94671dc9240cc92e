"""The tutorial's `C:\\>` blocks, run in Wine's cmd.exe, with Microsoft's programs.

What the chapter writes with `cat > NAME` is in the folder where its session begins. Drive C has a
folder BuildTools: the artifact msvc-buildtools, in which devcmd.bat is the packers' own.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from clone import MsvcClone
from console_blocks import Command, batch, blocks, commands, difference, parts
from studio import link_tree
from support import ROOT, path_for_windows
from windows_runner import WindowsRunner

from dllwhy import pe

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]

WRITTEN = re.compile(r"cat > (?:build/tutorial/)?(\S+) <<'END'\n(.*?)END", re.DOTALL)


CHAPTERS = {
    chapter.name: blocks(chapter.read_text(encoding="utf-8"))
    for chapter in sorted((ROOT / "docs" / "tutorial").glob("*.md"))
}
SESSIONS = [
    name for name, found in CHAPTERS.items() if any(b.info == ("console", "cmd") for b in found)
]


@pytest.fixture(scope="module")
def tools(msvc: MsvcClone, windows_runner: WindowsRunner) -> Iterator[None]:
    """C:\\BuildTools, for as long as these tests run: others look for a compiler as well."""
    folder = windows_runner.prefix / "drive_c" / "BuildTools"
    shutil.rmtree(folder, ignore_errors=True)
    link_tree(msvc.tools, folder)
    yield
    shutil.rmtree(folder)


def lay(folder: Path, msvc: MsvcClone, given: list[Command]) -> None:
    """What a session finds in its folder."""
    for command in given:
        for name, text in WRITTEN.findall(command.text + "\n"):
            (folder / name).write_text(text, encoding="utf-8")
    libs = msvc.build / "libs"
    shutil.copytree(libs / "pthreads", folder / "libs" / "pthreads")
    for name in ("pthreads/bin/pthreadVC2.dll", "msvcr100/bin/MSVCR100.dll"):
        shutil.copy(libs / name, folder)
    names = sorted(pe.exports(folder / "pthreadVC2.dll"))
    (folder / "pthreadVC2.def").write_text(
        "\n".join(["LIBRARY pthreadVC2.dll", "EXPORTS", *names, ""]), encoding="ascii"
    )


@pytest.mark.parametrize("chapter", SESSIONS)
def test_the_commands_of_a_chapter_print_what_it_says(
    msvc, tools, windows_runner, tmp_path, chapter
):
    of_kind = {
        kind: [c for block in CHAPTERS[chapter] if block.info == kind for c in commands(block)]
        for kind in (("console",), ("console", "cmd"))
    }
    lay(tmp_path, msvc, of_kind["console",])
    given = of_kind["console", "cmd"]
    (tmp_path / "session.bat").write_bytes(batch(given).encode("utf-8"))
    python = path_for_windows(windows_runner.python.parent)
    done = windows_runner.run(
        ["cmd", "/d", "/c", r".\session.bat"], cwd=tmp_path, variables={"WINEPATH": python}
    )
    wrong = [
        f"{chapter}:{command.line}: {command.text}\n{found}"
        for command, text in zip(given, parts(given, done.stdout), strict=True)
        if (found := difference(command.expected, text))
    ]
    assert not wrong, "\n\n".join(wrong)
