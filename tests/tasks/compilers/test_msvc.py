"""Which compiler is used: the active one, the newest one, or an error that says what to do."""

import json
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest
from visual_studio import SETTINGS, Machine, answer, install, make_vswhere, tools

from tasks.compilers import msvc
from tasks.compilers.msvc_places import ACTIVE, report
from tasks.compilers.vcvars import Difference
from tasks.core import host
from tasks.core.errors import BuildError


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_toolset_is_chosen_wherever_it_is(machine):
    install(machine.x64 / "Microsoft Visual Studio/2022/Community", "14.38.33130")
    newest = install(machine.x86 / "Microsoft Visual Studio/2022/BuildTools", "14.44.35207")
    install(machine.root.parent / "BuildTools", "14.9.1")
    assert machine.chosen().path == str(newest)


def test_versions_are_compared_as_numbers(machine):
    install(machine.x64 / "Microsoft Visual Studio/2022/Community", "14.9.99999")
    with pytest.raises(BuildError, match=r"toolset 14\.9\.99999 is older than 14\.10"):
        machine.chosen()


def test_of_equal_ones_the_first_is_chosen(machine):
    first = install(machine.x64 / "Microsoft Visual Studio/2022/Community")
    install(machine.root.parent / "BuildTools")
    assert machine.chosen().path == str(first)


def test_without_a_compiler_the_one_command_is_named(machine, monkeypatch):
    monkeypatch.setattr(host, "WINDOWS", True)
    with pytest.raises(BuildError) as caught:
        machine.chosen()
    message = caught.value.message
    assert "get it with: winget install tools;" in message and "\n" not in message
    assert f"none of {len(machine.tried())} places" in message


def test_an_installation_found_in_three_ways_is_named_once(machine):
    folder = install(machine.x64 / "Microsoft Visual Studio/2022/Community", without="cl.exe")
    machine.variables["BUILDTOOLS"] = machine.variables["VSINSTALLDIR"] = str(folder)
    with pytest.raises(BuildError) as caught:
        machine.chosen()
    assert caught.value.message.count("cl.exe is missing") == 1


# A prompt in which a compiler is active already.


def activate(machine: Machine, folder: Path, **variables: str) -> Path:
    machine.prepend(tools(folder))
    machine.variables |= {"VSINSTALLDIR": f"{folder}{os.sep}", **variables}
    return folder


def test_an_active_compiler_is_used_as_it_is(machine, tmp_path):
    folder = activate(
        machine, install(tmp_path / "active"), VSCMD_ARG_TGT_ARCH="x64",
        VCToolsVersion="14.38.33130", VisualStudioVersion="17.0", INCLUDE="i", LIB="l",
    )  # fmt: skip
    install(machine.x64 / "Microsoft Visual Studio/18/Community", "14.50.35717")
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "rc.exe").touch()
    machine.prepend(kit)
    found = machine.chosen()
    assert (found.vcvars, found.toolset, found.version) == ("", "14.38.33130", 17)
    changes = msvc.active_difference(machine.variables, found)
    assert changes.prepended == {"PATH": [str(tools(folder)), str(kit)]}
    assert changes.value("include") == "i" and changes.value("VSCMD_ARG_TGT_ARCH") == "x64"
    assert "PROGRAMFILES" not in changes.set


@pytest.mark.parametrize("target", ["x86", "arm64"])
def test_a_prompt_for_another_target_is_refused(machine, tmp_path, target):
    activate(machine, install(tmp_path / "active"), VSCMD_ARG_TGT_ARCH=target)
    install(machine.x64 / "Microsoft Visual Studio/2022/Community")
    with pytest.raises(BuildError, match=f"compiler is for {target} programs.*x64 Native Tools"):
        machine.chosen()


def test_the_target_of_a_prompt_without_that_variable_is_its_compilers(machine, tmp_path):
    folder = install(tmp_path / "active")
    x86 = tools(folder).with_name("x86")
    tools(folder).rename(x86)
    machine.prepend(x86)
    machine.variables["VCToolsVersion"] = "14.38.33130"
    with pytest.raises(BuildError, match="compiler is for x86 programs"):
        machine.chosen()


@pytest.mark.parametrize("version", ["14.0", ""])
def test_a_prompt_with_an_old_or_unknown_compiler_is_refused(machine, tmp_path, version):
    folder = tmp_path / "VC" / "bin" / "amd64"
    folder.mkdir(parents=True)
    for name in ("cl.exe", "link.exe"):
        (folder / name).touch()
    machine.prepend(folder)
    machine.variables |= {"VSINSTALLDIR": str(tmp_path), "VCToolsVersion": version}
    with pytest.raises(BuildError, match=r"toolset (14\.0|\(unknown\)) is older than 14\.10"):
        machine.chosen()


def test_a_cl_on_path_alone_is_not_an_active_compiler(machine, tmp_path):
    machine.prepend(tools(install(tmp_path / "half")))
    assert ACTIVE not in [place.found_by for place in machine.tried()]


def test_vsinstalldir_without_cl_on_path_is_a_place_like_others(machine, tmp_path):
    machine.variables["VSINSTALLDIR"] = str(install(tmp_path / "stale"))
    assert machine.chosen().vcvars


def activation(folder: Path) -> Difference:
    """What a vcvars64.bat says that has chosen the toolset in this folder."""
    variables = {"VCTOOLSVERSION": folder.name, "VCTOOLSINSTALLDIR": f"{folder}{os.sep}"}
    return Difference(variables, {}, [])


def test_the_compiler_is_that_of_the_toolset_that_its_script_has_chosen(machine):
    folder = machine.x64 / "Microsoft Visual Studio" / "2022" / "Community"
    for toolset in ("14.31.31103", "14.32.31326"):
        install(folder, toolset)
    found = machine.chosen()
    assert found.toolset == "14.32.31326"
    used = msvc.activated(found, activation(tools(folder, "14.31.31103").parents[2]))
    assert (used.toolset, used.tools) == ("14.31.31103", str(tools(folder, "14.31.31103")))
    assert msvc.activated(found, activation(folder / "gone")) == found


# vswhere: a real program that answers as it does.


@pytest.mark.parametrize("where", ["Installer", "PATH", "Chocolatey"])
def test_vswhere_is_found_and_asked(machine, tmp_path, job, where):
    folder = install(tmp_path / "Eigene Größe", "14.44.35207")
    place = {
        "Installer": machine.x86 / "Microsoft Visual Studio" / "Installer",
        "PATH": tmp_path / "tools",
        "Chocolatey": tmp_path / "choco" / "lib" / "vswhere" / "tools",
    }[where]
    make_vswhere(place, answer(folder, tmp_path / "gone"))
    if where == "PATH":
        machine.prepend(place)
    machine.variables["ChocolateyInstall"] = str(tmp_path / "choco")
    tried = machine.tried(ask=partial(msvc.ask_vswhere, job))
    found = [place for place in tried if place.found_by == "vswhere"]
    assert [place.rejected for place in found] == ["", "is not there"]
    assert msvc.choose(tried, SETTINGS).path == str(folder)
    arguments = json.loads((place / "arguments.json").read_text(encoding="utf-8"))
    assert arguments == msvc.VSWHERE_ARGUMENTS


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("[]\n", 0, "knows no installation"),
        ("Error 0x57: unknown\n", 87, "gave no answer (exit status 87; it said: Error 0x57"),
        ("", 0, "gave no answer"),
        ("[{", 0, "gave no answer"),
        ('{"a": 1}', 0, "gave no answer"),
    ],
)
def test_a_vswhere_without_an_answer_is_one_place_less(machine, job, said, status, reason):
    make_vswhere(machine.x86 / "Microsoft Visual Studio" / "Installer", said, status)
    folder = install(machine.x64 / "Microsoft Visual Studio" / "2022" / "Community")
    tried = machine.tried(ask=partial(msvc.ask_vswhere, job))
    (place,) = [place for place in tried if place.found_by == "vswhere"]
    assert reason in place.rejected
    assert msvc.choose(tried, SETTINGS).path == str(folder)


def test_a_vswhere_that_prints_its_banner_is_understood(machine, tmp_path, job):
    folder = install(tmp_path / "tools")
    banner = "Visual Studio Locator version 3.1.7 [query version 4.8.41.48107]\r\n"
    make_vswhere(machine.x86 / "Microsoft Visual Studio" / "Installer", banner + answer(folder))
    tried = machine.tried(ask=partial(msvc.ask_vswhere, job))
    assert msvc.choose(tried, SETTINGS).path == str(folder)


def test_without_vswhere_that_is_said(machine, job):
    tried = machine.tried(ask=partial(msvc.ask_vswhere, job))
    assert "vswhere: vswhere.exe is not there" in report(tried)


# What prereqs and doit's up-to-date check ask.


def test_the_summary_names_compiler_and_sdk(machine, monkeypatch):
    monkeypatch.setattr(host, "WINDOWS", True)
    folder = install(machine.x64 / "Microsoft Visual Studio/2022/Community")
    ok, text = msvc.summary(machine.variables, machine.root, SETTINGS, None)
    assert ok and text == (
        f"Visual Studio 2022 Community, toolset 14.38.33130, in {folder}; no Windows SDK was seen"
    )
    for version in ("10.0.9600.0", "10.0.22621.0", "10.0.19041.0"):
        kit = machine.x86 / "Windows Kits" / "10" / "bin" / version / "x64"
        kit.mkdir(parents=True)
        (kit / "rc.exe").touch()
    ok, text = msvc.summary(machine.variables, machine.root, SETTINGS, None)
    assert ok and text.endswith(f"10.0.22621.0{os.sep}x64")


def test_the_summary_without_a_compiler_says_how_to_get_one(machine, monkeypatch):
    monkeypatch.setattr(host, "WINDOWS", True)
    ok, text = msvc.summary(machine.variables, machine.root, SETTINGS, None)
    assert not ok and "winget install tools" in text


def test_the_fingerprint_changes_with_the_compiler_that_would_be_used(machine, monkeypatch):
    monkeypatch.setattr(host, "WINDOWS", True)

    def fingerprint() -> dict[str, str]:
        return msvc.fingerprint(machine.variables, machine.root, SETTINGS)

    assert fingerprint() == {}
    folder = install(machine.x64 / "Microsoft Visual Studio/2022/Community")
    before = fingerprint()
    assert before["toolset"] == "14.38.33130"
    install(machine.x86 / "Microsoft Visual Studio/2019/BuildTools", "14.29.30133")
    assert fingerprint() == before
    install(folder, "14.44.35207")
    assert fingerprint()["toolset"] == "14.44.35207"


@pytest.mark.parametrize("folder", [r"C:\b\msvc-cp311", r"Z:\a & b (c)\für alle"])
def test_a_prompt_gets_options_without_quotes(folder):
    named = subprocess.list2cmdline([f"/pathmap:{folder}=."])
    made = msvc.without_places(f"/experimental:deterministic {named} /DA#1")
    assert made.split() == ["/experimental:deterministic", "/DA#1"]
