import re
from typing import Any

import pytest
import yaml

from dllwhy import windows
from dllwhy.errors import DiagnosisError


def data() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(windows.DATA.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("name", ["KERNEL32.dll", "ucrtbase.dll", "d3d12.dll", "WINSPOOL.DRV"])
def test_a_clean_windows_has_its_own_dlls(name: str) -> None:
    for machine in ("x64", "x86", "arm64"):
        assert windows.dll_name(name) in windows.system_dlls(machine, "11")


@pytest.mark.parametrize(
    "name", ["msvcr100", "msvcp140", "vcruntime140", "vcruntime140_1", "vcomp140", "python311"]
)
def test_a_clean_windows_has_no_visual_c_runtime(name: str) -> None:
    for machine in ("x64", "x86", "arm64"):
        assert f"{name}.dll" not in windows.system_dlls(machine, "10")


@pytest.mark.parametrize("edition", ["N", "server"])
def test_editions_without_media_foundation_lack_it(edition: str) -> None:
    lost = windows.system_dlls("x64", "11") - windows.system_dlls("x64", edition)
    assert {"mf.dll", "mfplat.dll", "mfreadwrite.dll"} <= lost
    # Not all that starts with mf is Media Foundation.
    assert "mfc42.dll" not in lost and "mf3216.dll" not in lost
    provider = windows.provider("MFPlat.DLL", edition)
    assert provider and "Media" in provider.remedy
    assert windows.provider("MFPlat.DLL", "11") is None


def test_an_unknown_edition_is_answered_with_those_that_exist() -> None:
    with pytest.raises(DiagnosisError, match="use one of 10, 11, N, server"):
        windows.system_dlls("x64", "12")


def test_api_sets_are_told_from_files_by_their_name() -> None:
    assert windows.is_api_set("API-MS-Win-crt-heap-l1-1-0.dll")
    assert windows.is_api_set("ext-ms-win-gdi-draw-l1-1-0")
    assert not windows.is_api_set("apicalls.dll")


def test_names_without_an_extension_get_dll() -> None:
    assert windows.dll_name("KERNEL32") == "kernel32.dll"
    assert windows.is_known_dll("Kernel32")
    assert not windows.is_known_dll("dbghelp.dll")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("MSVCR100.dll", "2010"),
        ("VCRUNTIME140_1.dll", "2015-2022"),
        ("VCRUNTIME140D.dll", "debug"),
        ("msvcp140d.dll", "debug"),
        ("pthreadVC2.dll", "pthreads-win32"),
        ("opencv_world460.dll", "OpenCV"),
        ("libopencv_core460.dll", "OpenCV"),
        ("opencv_world460d.dll", "debug"),
        ("cudart64_110.dll", "CUDA"),
        ("nvcuda.dll", "driver"),
        ("libgcc_s_seh-1.dll", "MinGW"),
        ("python39.dll", "another version of Python"),
        ("python39_d.dll", "debug"),
    ],
)
def test_a_missing_dll_is_traced_to_who_brings_it(name: str, what: str) -> None:
    provider = windows.provider(name)
    assert provider and what in provider.what and provider.remedy


@pytest.mark.parametrize("machine", ["x64", "x86", "arm64"])
def test_the_runtime_to_install_is_that_for_the_machine_of_python(machine: str) -> None:
    provider = windows.provider("MSVCP140.dll", machine=machine)
    assert provider and f"vc_redist.{machine}.exe" in provider.remedy
    provider = windows.provider("MSVCR100.dll", machine=machine)
    assert provider and f'Redistributable ({machine})"' in provider.remedy


@pytest.mark.parametrize(
    "name",
    [
        "geos_c-a5c4fe61ccd9c5b8e23dd0a7f2ac8f79.dll",
        "msvcp140-263139962577ecda4cd9469ca360a746.dll",
    ],
)
def test_no_other_package_brings_a_dll_that_delvewheel_renamed(name: str) -> None:
    provider = windows.provider(name)
    assert provider and "delvewheel" in provider.what
    assert "install the package of the importer again" in provider.remedy


def test_an_unknown_dll_has_no_provider() -> None:
    assert windows.provider("frobnicate.dll") is None


def test_no_list_names_what_another_list_has_already() -> None:
    from delvewheel import _dll_list

    listed = _dll_list.ignore_names_x64 | _dll_list.ignore_names_arm64
    assert not [name for name in data()["also"] if windows.dll_name(name) in listed]
    everywhere = listed | {windows.dll_name(name) for name in data()["also"]}
    for edition in data()["editions"].values():
        lacking = map(windows.dll_name, edition.get("lacks", ()))
        assert [name for name in lacking if name not in everywhere] == []


def test_every_provider_has_a_pattern_that_compiles_and_a_remedy() -> None:
    for entry in data()["providers"]:
        assert set(entry) == {"match", "what", "remedy"}
        re.compile(entry["match"])


def test_a_dll_that_programs_do_without_is_known_as_such() -> None:
    assert windows.is_optional("QUSEREX.DLL")
    assert not windows.is_optional("pthreadVC2.dll")


def test_an_edition_is_found_whatever_the_case_of_its_letters() -> None:
    assert [windows.find_edition(name) for name in ("10", "n", "SERVER")] == ["10", "N", "server"]
    with pytest.raises(DiagnosisError, match="use one of 10, 11, N, server"):
        windows.find_edition("XP")
