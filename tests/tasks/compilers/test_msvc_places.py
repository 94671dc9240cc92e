"""Where Microsoft's compiler may be: made-up installations of real files."""

import json
import os
import shutil
from pathlib import Path

import pytest
from visual_studio import SCRIPTS, Machine, install, tools

from tasks.compilers.msvc_places import report, visual_studio
from tasks.core.errors import BuildError


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("release", "toolset", "version"),
    [
        ("2017", "14.16.27023", 15),
        ("2019", "14.29.30133", 16),
        ("2022", "14.44.35207", 17),
        ("18", "14.50.35717", 18),
    ],
)
@pytest.mark.parametrize(
    "edition", ["BuildTools", "Community", "Professional", "Enterprise", "Preview", "Insiders"]
)
def test_every_release_and_edition_is_found_in_both_program_folders(
    machine, release, toolset, version, edition
):
    for base in (machine.x64, machine.x86):
        folder = install(base / "Microsoft Visual Studio" / release / edition, toolset)
        found = machine.chosen()
        assert (found.path, found.edition, found.toolset, found.version) == (
            str(folder), edition, toolset, version,
        )  # fmt: skip
        assert found.vcvars == str(folder / SCRIPTS / "vcvars64.bat")
        assert found.tools == str(tools(folder, toolset))
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["BUILDTOOLS", "MSBUILDTOOLS", "MsBuildTools", "VSINSTALLDIR"])
def test_a_variable_leads_to_an_installation(machine, tmp_path, name):
    folder = install(tmp_path / "my tools")
    machine.variables[name] = f"{folder}{os.sep}"
    assert Path(machine.chosen().path) == folder


@pytest.mark.parametrize("target", ["", "VC/Auxiliary/Build", "VC/Auxiliary/Build/vcvars64.bat"])
def test_vcvars_names_a_folder_or_a_script(machine, tmp_path, target):
    folder = install(tmp_path / "my tools")
    machine.variables["VCVARS"] = f'"{folder / target}"'
    assert machine.chosen().path == str(folder)


def test_a_script_outside_of_an_installation_is_none(machine, tmp_path):
    (tmp_path / "own.bat").touch()
    machine.variables["VCVARS"] = str(tmp_path / "own.bat")
    assert "has no C++ tools" in machine.reasons("VCVARS")[0]
    machine.variables["VCVARS"] = str(tmp_path / "gone.bat")
    assert machine.reasons("VCVARS") == ["is not there"]


def test_vcvarsall_on_path_leads_to_its_installation(machine, tmp_path):
    folder = install(tmp_path / "somewhere")
    machine.prepend(Path(f'"{folder / SCRIPTS}"'))
    assert machine.chosen().path == str(folder)


def test_build_tools_on_path_or_below_a_folder_on_path(machine, tmp_path):
    folder = install(tmp_path / "apps" / "BuildTools")
    machine.prepend(folder)
    assert machine.chosen().path == str(folder)
    machine.variables["Path"] = str(folder.parent)
    assert machine.chosen().path == str(folder)


@pytest.mark.parametrize("name", ["MSBuildTools", "BuildTools"])
def test_a_folder_beside_the_project_is_found(machine, name):
    folder = install(machine.root.parent / name)
    assert machine.chosen().path == str(folder)


def test_dev_on_the_projects_drive_is_looked_at(machine):
    drive = Path(machine.root.anchor)
    looked_at = [Path(place.where) for place in machine.tried()]
    assert drive / "dev" / "MSBuildTools" in looked_at
    assert drive / "dev" / "BuildTools" in looked_at


def test_places_that_cannot_be_looked_at_are_passed_over(machine):
    too_long = "x" * 5000
    machine.prepend(Path(too_long))
    for name in ("VCVARS", "BUILDTOOLS", "VSINSTALLDIR", "ChocolateyInstall"):
        machine.variables[name] = too_long
    folder = install(machine.x64 / "Microsoft Visual Studio/2022/Community")
    assert machine.chosen().path == str(folder)
    assert machine.reasons("BUILDTOOLS") == ["is not there"]


def test_every_place_is_reported_in_order_with_its_reason(machine):
    tried = machine.tried()
    order = list(dict.fromkeys(place.found_by for place in tried))
    assert order == [
        "VSINSTALLDIR", "instance record", "standard folder", "VCVARS", "vcvarsall.bat on PATH",
        "BuildTools on PATH", "BUILDTOOLS", "MSBUILDTOOLS", "beside the project",
    ]  # fmt: skip
    assert all(place.rejected and place.installation is None for place in tried)
    assert "VCVARS: is not set" in report(tried)
    folder = machine.x64 / "Microsoft Visual Studio" / "18" / "BuildTools"
    assert f"standard folder: {folder}: is not there" in report(tried)


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ("vcvars64.bat", "is not complete"),
        ("cl.exe", "is not complete"),
        ("link.exe", "is not complete"),
    ],
)
def test_an_installation_that_cannot_build_says_what_is_missing(machine, without, reason):
    install(machine.x64 / "Microsoft Visual Studio/2022/Community", without=without)
    with pytest.raises(BuildError) as caught:
        machine.chosen()
    assert reason in caught.value.message and without in caught.value.message


def test_without_the_file_that_names_it_the_newest_toolset_with_a_compiler_counts(machine):
    folder = machine.x64 / "Microsoft Visual Studio" / "18" / "BuildTools"
    for toolset in ("14.9.1", "14.44.35207", "14.50.35717"):
        install(folder, toolset, without="Microsoft.VCToolsVersion.default.txt")
    (folder / SCRIPTS / "Microsoft.VCToolsVersion.default.txt").unlink(missing_ok=True)
    (tools(folder, "14.50.35717") / "cl.exe").unlink()
    assert machine.chosen().toolset == "14.44.35207"


def test_an_installation_for_other_languages_is_told_apart(machine):
    (machine.x64 / "Microsoft Visual Studio/2022/Community" / SCRIPTS).mkdir(parents=True)
    with pytest.raises(BuildError, match=r"Community has no C\+\+ tools"):
        machine.chosen()


def test_visual_studios_own_records_lead_to_custom_folders(machine, tmp_path):
    folder = install(tmp_path / "Werkzeuge für C++", "14.44.35207")
    machine.record("0a1b2c3d", "\ufeff" + json.dumps(
        {"installationPath": str(folder), "installationVersion": "18.1.36310.24"}
    ))  # fmt: skip
    found = machine.chosen()
    assert found.path == str(folder) and found.version == 18


def test_records_that_say_nothing_are_passed_over(machine, tmp_path):
    machine.record("1", "{")
    machine.record("2", "[]")
    machine.record("3", json.dumps({"installationPath": 3}))
    machine.record("4", json.dumps({"installationPath": str(tmp_path / "removed")}))
    assert machine.reasons("instance record") == [
        "cannot be read", "names no installationPath", "names no installationPath",
        "is not there",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("toolset", "version"),
    [("14.0", 14), ("14.16.1", 15), ("14.29", 16), ("14.30", 17), ("14.44", 17), ("14.51", 18)],
)
def test_a_toolset_tells_its_visual_studio(toolset, version):
    assert visual_studio(toolset) == version
