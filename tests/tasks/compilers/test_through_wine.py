"""Programs of Windows called from here: paths are theirs on the way in, and ours on the way out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.compilers import through_wine
from tasks.compilers.windows_calls import NATIVELY, Calls

pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows nothing is translated")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("/tmp/a b/x.c", "z:/tmp/a b/x.c"),
        ("/I/tmp/include", "/Iz:/tmp/include"),
        ("-I/tmp/include", "-Iz:/tmp/include"),
        ("/Fo/tmp/x.obj", "/Foz:/tmp/x.obj"),
        ("/Yc/tmp/x.hxx", "/Ycz:/tmp/x.hxx"),
        ("/out:/tmp/x.dll", "/out:z:/tmp/x.dll"),
        ("/external:I/tmp/x", "/external:Iz:/tmp/x"),
        ("/MANIFESTINPUT:/tmp/x.manifest", "/MANIFESTINPUT:z:/tmp/x.manifest"),
        ("-outputresource:/tmp/x.dll;#2", "-outputresource:z:/tmp/x.dll;#2"),
    ],
)
def test_absolute_paths_become_those_of_drive_z(argument, expected):
    assert through_wine.for_windows(argument) == expected


@pytest.mark.parametrize(
    "argument",
    [
        "/nologo", "/O2", "/MD", "/std:c++17", "/D_X=/tmp/x", '-DX="/tmp/x"', "/machine:x64",
        "x.c", "/Fox.obj", "/FoCMakeFiles/x.dir/", "/MANIFEST:EMBED,ID=1", "/version:0.0",
        "//server/share", "/no-such-folder/x", "",
    ],
)  # fmt: skip
def test_everything_else_stays_as_it_is(argument):
    assert through_wine.for_windows(argument) == argument


def test_response_files_are_translated_with_their_quotes():
    text = '/nologo "/tmp/a b/x.obj" /tmp/y.obj\n"/out:/tmp/a b/z.dll" kernel32.lib\r\n'
    assert through_wine.response_file(text) == (
        '/nologo "z:/tmp/a b/x.obj" z:/tmp/y.obj\n"/out:z:/tmp/a b/z.dll" kernel32.lib\r\n'
    )


def included(path: str) -> str:
    return f"Note: including file:   {path}\r\n"


def test_what_was_included_is_named_as_this_system_has_it(tmp_path):
    header = tmp_path / "Großes Verzeichnis" / "Windows.h"
    header.parent.mkdir()
    header.touch()
    lower = str(header).replace("/", "\\").replace("Windows.h", "windows.H")
    assert through_wine.said(included(f"Z:{lower}")) == f"Note: including file:   {header}\n"
    inside = str(tmp_path).replace("/", "\\")
    dotted = rf"z:{inside}\no\..\Großes Verzeichnis\.\Windows.h"
    assert through_wine.said(included(dotted)) == f"Note: including file:   {header}\n"


@pytest.mark.parametrize("path", [r"z:\no\such\file.h", r"C:\windows\system.h"])
def test_what_is_not_there_is_left_out(path):
    assert through_wine.said(included(path)) is None


def test_other_lines_are_said_as_they_are():
    line = r"z:\x.c(1): error C2065: 'a': undeclared identifier"
    assert through_wine.said(line) == line


# A program that stands for wine: it says what it was given.
ECHO = """\
import json, os, pathlib, sys
words = sys.argv[1:]
files = [pathlib.Path(w[3:]).read_text() for w in words if w.startswith("@z:")]
variables = {n: v for n, v in os.environ.items() if n.startswith("WINE")}
print(json.dumps([words, files, variables]), flush=True)
print("it failed", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    (tmp_path / "echo.py").write_text(ECHO, encoding="utf-8")
    return Calls(
        [Path(sys.executable), tmp_path / "echo.py"], {"WINEPREFIX": "/prefix"}, "WINEPATH"
    )


def test_a_script_calls_the_program_with_its_own_variables_and_folders(calls, tmp_path):
    script = calls.program(Path("/sdk/bin/cl.exe"), tmp_path, ["Z:\\a", "Z:\\b"])
    assert script == tmp_path / "cl"
    (tmp_path / "x.rsp").write_text("/tmp/y.obj", encoding="utf-8")
    done = subprocess.run(
        [script, "/tmp/x.c", "@x.rsp"], cwd=tmp_path, capture_output=True, encoding="utf-8",
        env={**os.environ, "WINEDEBUG": "+all"}, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    first, second = done.stdout.splitlines()
    words, files, variables = json.loads(first)
    assert words[:2] == ["/sdk/bin/cl.exe", "z:/tmp/x.c"] and words[2].startswith("@z:/")
    assert files == ["z:/tmp/y.obj"]
    assert variables == {"WINEPREFIX": "/prefix", "WINEPATH": "Z:\\a;Z:\\b"}
    assert second == "it failed"


def test_it_does_not_wait_for_what_the_program_leaves_behind(tmp_path):
    code = "import subprocess; subprocess.Popen(['sleep', '30']); print('done')"
    (tmp_path / "leaves.py").write_text(code, encoding="utf-8")
    calls = Calls([Path(sys.executable), tmp_path / "leaves.py"], path_variable="WINEPATH")
    script = calls.program(Path("cl.exe"), tmp_path, [])
    done = subprocess.run([script], capture_output=True, encoding="utf-8", timeout=15, check=True)
    assert done.stdout == "done\n"


def test_on_windows_a_program_is_called_as_it_is(tmp_path):
    program = tmp_path / "cl.exe"
    assert NATIVELY.program(program, tmp_path, []) == program
    assert not list(tmp_path.iterdir())
