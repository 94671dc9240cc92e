"""Microsoft's compiler from the search to a DLL that it made."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from support import Recorder
from visual_studio import SCRIPTS, SETTINGS, install, make_program, tools

from dllwhy.errors import DiagnosisError
from tasks.compilers import msvc, toolchain
from tasks.compilers.windows_calls import NATIVELY
from tasks.core.errors import BuildError
from tasks.core.manifest import Made

on_windows = pytest.mark.skipif(os.name != "nt", reason="needs cmd.exe")


# A made-up installation, activated by the real cmd.exe; its cl.exe runs Python code.

VCVARS = """\
@echo off
for %%i in ("%~dp0..\\..\\..") do set "VSINSTALLDIR=%%~fi\\"
set "VCToolsVersion=14.38.33130"
set "INCLUDE=%VSINSTALLDIR%include;%INCLUDE%"
set "PATH=%VSINSTALLDIR%VC\\Tools\\MSVC\\14.38.33130\\bin\\Hostx64\\x64;%VSINSTALLDIR%kit;%PATH%"
"""

# Notes what it got; its DLL is one of Python's, which exports no "answer".
COMPILE = f"""\
import json, os, pathlib, shutil, sys
seen = {{"arguments": sys.argv[1:], **os.environ}}
pathlib.Path(__file__).with_name("seen.json").write_text(json.dumps(seen))
print("try.c")
shutil.copy(r"{Path(sys.executable).with_name("python3.dll")}", "try.dll")
"""


class Machine:
    """A machine whose one compiler is a made-up one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.project = folder / "project"
        self.folder = folder / "build" / "toolchain"
        self.recorder = Recorder(folder)
        for name in ("ProgramFiles(x86)", "ProgramW6432", "ProgramData", "CL"):
            monkeypatch.setenv(name, str(folder / "empty"))
        for name in ("VSINSTALLDIR", "VCVARS", "BUILDTOOLS", "MSBUILDTOOLS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ProgramFiles", str(folder / "Program Files (x64)"))
        self.path = (
            folder / "Program Files (x64)" / "Microsoft Visual Studio" / "2022" / "Community"
        )

    def install(self, code: str = COMPILE) -> None:
        install(self.path)
        (self.path / SCRIPTS / "vcvars64.bat").write_text(VCVARS, encoding="ascii")
        make_program(tools(self.path) / "cl.exe", code)
        (self.path / "kit").mkdir()
        (self.path / "kit" / "rc.exe").touch()

    def make(self) -> Made:
        return msvc.make(SETTINGS, self.project, self.folder, None, NATIVELY, self.recorder.job)

    def msvc_json(self) -> dict:
        return json.loads((self.folder / "msvc.json").read_text(encoding="utf-8"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@on_windows
def test_without_a_compiler_everything_that_was_tried_is_written_down(machine):
    with pytest.raises(BuildError, match="get it with: winget install tools") as caught:
        machine.make()
    written = machine.msvc_json()
    assert written["chosen"] is None
    assert str(machine.path) in [place["where"] for place in written["tried"]]
    assert str(machine.path) in caught.value.log.read_text(encoding="utf-8")
    assert not (machine.folder / "toolchain.json").exists()


@on_windows
def test_the_compiler_is_tried_out_in_its_own_environment(machine, monkeypatch):
    machine.install()
    with pytest.raises(BuildError, match=r"msvc 14\.38\.33130 made a DLL that is not one.*Repair"):
        machine.make()
    seen = json.loads((tools(machine.path) / "seen.json").read_text(encoding="utf-8"))
    assert seen["arguments"] == ["/nologo", "/LD", "try.c", "/Fetry.dll"]
    assert seen["INCLUDE"].startswith(f"{machine.path}\\include;")
    assert seen["PATH"].startswith(f"{tools(machine.path)};{machine.path}\\kit;")
    assert not seen.get("CL")
    assert not (machine.folder / "toolchain.json").exists()


@on_windows
def test_a_compiler_that_works_is_written_down(machine, monkeypatch):
    machine.install()
    monkeypatch.setattr(toolchain.pe, "exports", lambda path: {"answer"})
    made = machine.make()
    loaded = toolchain.load(machine.folder / "toolchain.json")
    assert (loaded.kind, loaded.version, loaded.target) == ("msvc", "14.38.33130", "x64")
    assert loaded.programs == {
        **{name: str(tools(machine.path) / f"{name}.exe") for name in ("cl", "link", "lib")},
        "rc": str(machine.path / "kit" / "rc.exe"),
    }
    assert loaded.path == [str(tools(machine.path)), str(machine.path / "kit")]
    assert loaded.environment.keys() == {
        "CL", "INCLUDE", "LINK", "VCTOOLSVERSION", "VSINSTALLDIR",
    }  # fmt: skip
    assert loaded.folders == [str(tools(machine.path)), str(machine.path / "kit")]
    written = Path(loaded.cmake_toolchain_file).read_text(encoding="utf-8")
    assert f'set(CMAKE_RC_COMPILER "{(machine.path / "kit" / "rc.exe").as_posix()}")' in written
    assert "CMAKE_MT" not in written
    assert machine.msvc_json()["chosen"] == made.details["chosen"]
    assert sorted(made.files) == ["toolchain.json", "windows.cmake"]
    assert str(machine.path) in made.summary


@on_windows
def test_a_compiler_that_fails_is_an_error_with_its_last_words(machine):
    machine.install("import sys\nprint('fatal error C1083: no such file')\nsys.exit(2)\n")
    with pytest.raises(BuildError, match=r"cl\.exe ended with exit status 2") as caught:
        machine.make()
    assert any("C1083" in line for line in caught.value.tail)


@on_windows
def test_a_compiler_that_makes_nothing_is_an_error(machine):
    machine.install("pass\n")
    with pytest.raises(DiagnosisError, match=r"try\.dll"):
        machine.make()


@on_windows
def test_a_missing_windows_sdk_is_named(machine):
    machine.install()
    shutil.rmtree(machine.path / "kit")
    with pytest.raises(BuildError, match=r"no rc\.exe, which belongs to the Windows SDK"):
        machine.make()
