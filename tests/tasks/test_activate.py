"""The scripts that make a prompt ready; tests/integration/test_msvc_graph.py runs them in cmd."""

import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path, PureWindowsPath

import pytest

from tasks import activate
from tasks.compilers.build_environment import BuildEnvironment
from tasks.compilers.toolchain import Toolchain
from tasks.core import host
from tasks.core.project import Project, load

BUILD = PureWindowsPath(r"C:\Jörg & Co\build\msvc-cp311")
MADE = BuildEnvironment(
    {
        "INCLUDE": rf"{BUILD}\libs\opencv\include;C:\100% (x86)\it's\include",
        "CL": "/DA#1",
    },
    [r"C:\VC\bin", rf"{BUILD}\env"],
)


def test_cmd_finds_what_lies_below_its_own_folder_from_there():
    text = activate.for_cmd(MADE, BUILD, "active")
    assert r'set "INCLUDE=%~dp0libs\opencv\include;C:\100%% (x86)\it' in text
    assert r'set "PATH=C:\VC\bin;%~dp0env;%PATH%"' in text
    assert text.isascii()


def test_powershell_takes_every_letter_as_it_is():
    text = activate.for_powershell(MADE, BUILD, "it's active")
    assert (
        r"${env:INCLUDE} = '' + $PSScriptRoot + '\libs\opencv\include;C:\100% (x86)\it''s\include'"
    ) in text
    assert r"$env:PATH = 'C:\VC\bin;' + $PSScriptRoot + '\env' + ';' + $env:PATH" in text
    assert text.splitlines()[-1] == "'it''s active'"


def test_powershells_other_quotes_are_letters_too():
    made = BuildEnvironment({"X": "C:\\d\u2019or"})
    assert "${env:X} = 'C:\\d\u2019\u2019or'" in activate.for_powershell(made, BUILD, "")


def test_powershell_is_asked_to_refuse_like_cmd():
    text = activate.for_powershell(MADE, BUILD, "active")
    asks, throws = (text.index(part) for part in ("if ($active -and -not $f)", "throw"))
    assert asks < throws < text.index("${env:INCLUDE}")


def test_condas_folders_come_after_the_compilers():
    made = activate.in_conda(BuildEnvironment({}, ["/VC"]), Path("/env"))
    assert made.path[:2] == ["/VC", str(Path("/env"))]
    assert made.path.index(str(Path("/env/Library/bin"))) > 0
    assert made.variables["CONDA_PREFIX"] == str(Path("/env"))


def laid_down(clone: Path, compiler: Toolchain) -> Project:
    """A project whose toolchain is made."""
    project = load(clone)
    file = project.toolchain_file
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(asdict(compiler)), encoding="utf-8")
    return project


@pytest.mark.skipif(os.name == "nt", reason="a script for sh")
def test_sh_gets_exactly_what_the_wheels_are_built_with(clone, tmp_path, job, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    folder = tmp_path / "it's $HOME for `C` & ü"
    clone = clone.rename(folder)
    compiler = Toolchain(
        "zig", "0", "x86_64-windows-gnu", {"cc": "/zig cc", "cxx": "/zig c++"}, "", "unix"
    )
    project = laid_down(clone, compiler)
    made = activate.write_scripts(project, ["opencv", "pthreads"], {"A": "1"}, job)
    assert made.summary == "for builds of your own: . build/zig-cp311/activate.sh"
    saved = activate.wheel.environment(
        project, ["opencv", "pthreads"], {"A": "1"}, activate.files_folder(project)
    )
    done = subprocess.run(
        ["sh", "-c", '. "$1" && env -0', "sh", made.where], capture_output=True, encoding="utf-8",
        check=True,
    )  # fmt: skip
    said, _, rest = done.stdout.partition("\n")
    assert said == "active: zig 0 for Windows Python 3.11, opencv, pthreads"
    active = dict(entry.split("=", 1) for entry in rest.split("\0") if entry)
    assert saved.variables.items() <= active.items()
    assert active["PATH"].endswith(f":{os.environ['PATH']}")
    assert Path(active["PKG_CONFIG_LIBDIR"], "opencv4.pc").is_file()


def test_windows_gets_two_scripts_in_its_own_text_format(clone, recorder, monkeypatch):
    monkeypatch.setattr(host, "PROMPTS", (".cmd", ".ps1"))
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    compiler = Toolchain(
        "msvc", "14.38", "x64", {}, "", "msvc", {"INCLUDE": r"C:\VC\include"}, [r"C:\VC"]
    )
    project = laid_down(clone, compiler)
    made = activate.write_scripts(project, ["opencv"], {}, recorder.job)
    assert made.summary == r"for builds of your own: build\msvc-cp311\activate.cmd"
    cmd, powershell = (script.read_bytes() for script in activate.scripts(project))
    assert powershell.startswith("\ufeff#".encode())
    for data in (cmd, powershell):
        assert data.count(b"\n") == data.count(b"\r\n") > 10
    assert recorder.warnings == []


def test_letters_that_cmd_may_misread_are_warned_of(clone, recorder, monkeypatch):
    monkeypatch.setattr(host, "PROMPTS", (".cmd", ".ps1"))
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    compiler = Toolchain("msvc", "14.38", "x64", {}, "", "msvc", {"INCLUDE": "C:\\Übersetzer"}, [])
    activate.write_scripts(laid_down(clone, compiler), ["opencv"], {}, recorder.job)
    assert ["chcp 65001" in warning for warning in recorder.warnings] == [True]


def test_the_task_covers_what_every_package_needs(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    monkeypatch.setattr(host, "PROMPTS", (".cmd", ".ps1"))
    [task] = activate.create(load(clone))
    names = {Path(name).name for name in task["file_dep"]}
    assert names == {
        "toolchain.json", "env-python.json", "libs-opencv.json", "libs-libjpeg-turbo.json",
        "libs-pthreads.json",
    }  # fmt: skip
    assert {Path(name).name for name in task["targets"]} == {
        "activate.json", "activate.cmd", "activate.ps1",
    }  # fmt: skip
