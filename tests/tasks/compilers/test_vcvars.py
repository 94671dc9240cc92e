"""Activating Microsoft's compiler: real scripts in a real cmd.exe, and what they changed."""

import os
import sys
import time
from pathlib import Path

import pytest
from support import under_wine

from tasks.compilers import vcvars
from tasks.core.errors import BuildError

on_windows = pytest.mark.skipif(os.name != "nt", reason="needs cmd.exe")


# Differences between environments, as data.


def test_names_are_the_same_in_any_case():
    changes = vcvars.difference({"Lib": "a", "path": "x"}, {"LIB": "a", "PATH": "n;x"})
    assert changes == vcvars.Difference({}, {"PATH": ["n"]}, [])


def test_new_changed_and_removed_variables_are_told_apart():
    changes = vcvars.difference({"A": "1", "B": "2", "C": "3"}, {"A": "1", "b": "4", "D": "5"})
    assert changes == vcvars.Difference({"B": "4", "D": "5"}, {}, ["C"])


def test_only_a_value_that_ends_with_the_old_one_is_prepended():
    before = {"X": "old", "Y": "old", "Z": "old", "EMPTY": ""}
    after = {"X": "a;b c;old", "Y": "old;a", "Z": "gold", "EMPTY": "a;"}
    changes = vcvars.difference(before, after)
    assert changes.prepended == {"X": ["a", "b c"]}
    assert changes.set == {"Y": "old;a", "Z": "gold", "EMPTY": "a;"}


def test_new_folders_of_path_count_wherever_they_were_put_and_once():
    before = {"PATH": r"C:\Windows\System32;C:\Windows"}
    after = {"PATH": r'C:\vs\bin;"C:\a b";c:\windows\system32\;;C:\VS\bin\;C:/Windows;C:\vs\cmake'}
    assert vcvars.difference(before, after).prepended == {
        "PATH": [r"C:\vs\bin", r"C:\a b", r"C:\vs\cmake"]
    }


def test_a_value_can_be_asked_for_in_any_case():
    changes = vcvars.Difference({"VCTOOLSVERSION": "14.3"}, {"LIB": ["a", "b"]}, [])
    assert changes.value("VCToolsVersion") == "14.3"
    assert changes.value("lib") == "a;b" and changes.value("other") == ""


def test_a_clean_environment_has_nothing_of_an_earlier_activation():
    kept = vcvars.clean(
        {
            "SystemRoot": r"D:\Win", "Path": "C:\\x" * 5000, "Include": "i", "LIB": "l",
            "Temp": "t",
            "VSCMD_ARG_TGT_ARCH": "x86", "VCToolsVersion": "14.0", "__VSCMD_PREINIT_PATH": "p",
            "WindowsSdkDir": "w", "VSINSTALLDIR": "v",
            "Platform": "x86", "ProgramFiles(x86)": "f", "CLASSPATH": "c",
        }
    )  # fmt: skip
    assert kept == {
        "SYSTEMROOT": r"D:\Win", "TEMP": "t", "PROGRAMFILES(X86)": "f", "CLASSPATH": "c",
        "VSCMD_SKIP_SENDTELEMETRY": "1",
        "PATH": r"D:\Win\System32;D:\Win;D:\Win\System32\Wbem;"
        r"D:\Win\System32\WindowsPowerShell\v1.0",
    }  # fmt: skip


def test_what_an_activated_prompt_has_set_is_taken_over():
    changes = vcvars.taken(
        {"Include": "i", "VSCMD_VER": "17", "__VSCMD_X": "", "PATH": "p", "USER": "me"}, ["tools"]
    )
    assert changes == vcvars.Difference(
        {"INCLUDE": "i", "VSCMD_VER": "17"}, {"PATH": ["tools"]}, []
    )


# Activation.

GOOD = """\
@echo off
set "VSINSTALLDIR=%~dp0"
set "VCToolsVersion=14.38.33130"
set "INCLUDE=%~dp0include;%INCLUDE%"
set "PATH=%~dp0bin;%PATH%"
"""


@pytest.fixture
def script(tmp_path: Path):
    """Writes a vcvars64.bat and activates it."""
    said: list[str] = []

    def run(
        text: str, folder: str = "vs", timeout: float = 60, **variables: str
    ) -> vcvars.Difference:
        path = tmp_path / folder / "vcvars64.bat"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8", newline="\r\n")
        return vcvars.activate(
            path, {**os.environ, **variables},
            log=tmp_path / "test.log", timeout=timeout, line=said.append,
        )  # fmt: skip

    run.said = said
    return run


@on_windows
@pytest.mark.parametrize(
    "folder",
    [
        "plain",
        "Program Files (x86)",
        "a!b! !c",
        "R&D & more",
        "a^b ^ c^^d",
        "Tom's, a=b @home {1} [2] ~x `y`",
        "Grün Ωmega 日本",
        "everything! (x86) & ^ 'Größe'",
        *("100% sure", "%PATH%", "a%%b"),
    ],
)
def test_an_installation_may_lie_in_a_folder_of_any_name(script, tmp_path, folder):
    if "%" in folder and under_wine():
        pytest.skip("Wine's cmd.exe expands the % that comes out of an expansion once more")
    changes = script(GOOD, folder)
    home = f"{tmp_path / folder}\\"
    assert changes.value("VSINSTALLDIR") == home
    assert changes.set.keys() == {"VSINSTALLDIR", "VCTOOLSVERSION", "INCLUDE"}
    assert changes.value("INCLUDE").startswith(f"{home}include;")
    assert changes.prepended["PATH"] == [f"{home}bin"]
    assert changes.removed == []


@on_windows
@pytest.mark.parametrize(
    "path",
    [
        'C:\\a"b;C:\\c',
        '"C:\\with quotes;and semicolon";C:\\d',
        "C:\\ends with backslash\\",
        "C:\\x (86)\\&\\^\\!\\%PATH%\\%",
        "C:\\Größe;C:\\日本;C:\\\U0001f600",
        "C:\\folder of many\\number;" * 170,
        "C:\\folder of many\\number;" * 1200,
        "",
    ],
    ids=[
        "a quote", "quoted", "backslash", "special", "letters", "4250 long", "30000 long", "empty",
    ],
)  # fmt: skip
def test_a_users_path_does_not_disturb(script, tmp_path, path):
    assert script(GOOD, PATH=path).prepended == {"PATH": [f"{tmp_path / 'vs'}\\bin"]}


@on_windows
def test_other_variables_may_hold_anything(script):
    odd = {
        "ODD_LINES": "one\ntwo=2\r\nthree",
        "ODD_LONG": "x" * 20000,
        "ODD_SIGNS": 'a&b|c>d<e^f"g!h%i%(j)',
        "ODD_LETTERS": "Größe 日本 \U0001f600",
    }
    changes = script(GOOD + "set ODD_LONG=\nset ODD_NEW=a^&b^^c 100%% !d! (e)\n", **odd)
    assert changes.removed == ["ODD_LONG"]
    assert changes.set["ODD_NEW"] == "a&b^c 100% !d! (e)"
    assert not changes.set.keys() & odd.keys()


@on_windows
def test_an_earlier_activation_leaves_no_trace(script):
    changes = script(GOOD, INCLUDE="old", VCToolsVersion="14.0", LIB="old", WindowsSdkDir="old")
    assert "old" not in changes.value("INCLUDE") and changes.value("VCToolsVersion") != "14.0"
    assert not changes.set.keys() & {"LIB", "WINDOWSSDKDIR"}


@on_windows
def test_the_scripts_private_variables_are_left_out(script):
    changes = script(GOOD + "set __VSCMD_PREINIT_PATH=x\n")
    assert "__VSCMD_PREINIT_PATH" not in changes.set and changes.value("VSINSTALLDIR")


@on_windows
def test_banners_and_warnings_go_to_the_log(script, tmp_path):
    banner = "** Visual Studio 2022 Developer Command Prompt v17.8"
    text = f"@echo {banner}\n@echo PATH=C:\\not a variable\n@echo [WARNING] something 1>&2\n"
    changes = script(text + GOOD)
    assert script.said[0].strip() == banner and len(script.said) == 3
    assert banner in (tmp_path / "test.log").read_text(encoding="utf-8")
    assert changes.prepended["PATH"] == [f"{tmp_path / 'vs'}\\bin"]


@on_windows
@pytest.mark.parametrize(
    "more",
    ["echo on\n", "cd /d C:\\\n", "setlocal\nset LOST=1\nendlocal\n",
     "prompt x\n", "cmd /c exit 5\nexit /b 0\n", "goto :eof\n", "title x\ncls\n"],
)  # fmt: skip
def test_a_script_may_leave_things_in_another_state(script, tmp_path, more):
    changes = script(GOOD + more)
    assert changes.prepended["PATH"] == [f"{tmp_path / 'vs'}\\bin"]
    assert changes.value("VSINSTALLDIR") and not changes.value("LOST")


@on_windows
@pytest.mark.parametrize("more", ["exit /b 1\n", "cmd /c exit 1\n"])
def test_a_script_that_fails_is_an_error_with_its_last_words(script, more):
    with pytest.raises(BuildError, match=r"vcvars64\.bat failed with exit status 1; .*Repair") as e:
        script(GOOD + "echo [ERROR:winsdk.bat] no SDK\n" + more)
    assert any("no SDK" in line for line in e.value.tail)
    assert e.value.log is not None and "\n" not in e.value.message


@on_windows
@pytest.mark.parametrize("status", [0, 7])
def test_a_script_that_ends_cmd_itself_is_an_error(script, status):
    with pytest.raises(BuildError, match=f"ended cmd.exe with exit status {status} before"):
        script(GOOD + f"exit {status}\n")


@on_windows
@pytest.mark.parametrize(
    "text",
    ["@rem nothing\n", "", "@echo off\nsetlocal\n" + GOOD, "@set VSINSTALLDIR=\n"],
)
def test_a_script_that_sets_nothing_is_an_error(script, text):
    with pytest.raises(BuildError, match="set no VSINSTALLDIR"):
        script(text, VSINSTALLDIR="of an earlier activation")


@on_windows
def test_a_script_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(BuildError, match=r"vcvars64\.bat"):
        vcvars.activate(
            tmp_path / "gone" / "vcvars64.bat", os.environ,
            log=tmp_path / "log", timeout=60, line=lambda line: None,
        )  # fmt: skip


@on_windows
def test_a_script_that_takes_long_is_ended(script):
    start = time.monotonic()
    with pytest.raises(BuildError, match=r"vcvars64\.bat: cmd\.exe was ended after 3 s"):
        script("@echo off\necho waiting\n:again\ngoto again\n", timeout=3)
    assert time.monotonic() - start < 20


@on_windows
@pytest.mark.skipif(under_wine(), reason="Wine's taskkill does not know /T")
def test_what_a_script_started_ends_with_it(script, tmp_path):
    beats = tmp_path / "beats"
    (tmp_path / "beat.py").write_text(
        "import sys, time\nfor i in range(300):\n"
        " open(sys.argv[1], 'a').write('x'); time.sleep(0.1)\n",
        encoding="utf-8",
    )
    with pytest.raises(BuildError, match="was ended after"):
        script(f'@"{sys.executable}" "{tmp_path / "beat.py"}" "{beats}"\n', timeout=3)
    before = beats.stat().st_size
    time.sleep(1)
    assert beats.stat().st_size == before > 0
