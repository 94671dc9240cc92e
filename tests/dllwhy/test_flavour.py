import os
from pathlib import Path

import pytest
from pe_files import make_dll, make_python

from dllwhy import flavour
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import detect_environment


def names(environment: flavour.Environment) -> list[str]:
    return [
        folder.relative_to(environment.root).as_posix() for folder in environment.added_directories
    ]


def test_an_installation_of_python_org_is_recognized(tmp_path: Path) -> None:
    environment = detect_environment(make_python(tmp_path / "Python311"))
    assert environment.title == "python.org Python 3.11 (x64)"
    assert (environment.layout, environment.version) == ("python.org", (3, 11))
    assert environment.python_dll == "python311.dll"
    assert environment.added_directories == ()


def test_a_free_threaded_python_has_its_own_dll_name(tmp_path: Path) -> None:
    environment = detect_environment(make_python(tmp_path, version="313t"))
    assert (environment.version, environment.python_dll) == ((3, 13), "python313t.dll")


def test_the_machine_is_that_of_the_python_dll(tmp_path: Path) -> None:
    assert detect_environment(make_python(tmp_path, machine="x86")).machine == "x86"


def test_a_pth_file_beside_python_makes_it_embeddable(tmp_path: Path) -> None:
    make_python(tmp_path)
    (tmp_path / "python311._pth").touch()
    assert detect_environment(tmp_path).layout == "embeddable"


def test_current_conda_adds_its_five_folders_in_the_order_of_its_patch(tmp_path: Path) -> None:
    environment = detect_environment(make_python(tmp_path, conda="3.11.8"))
    assert (environment.layout, environment.version) == ("conda", (3, 11, 8))
    assert names(environment) == [
        "Library/mingw-w64/bin",
        "Library/usr/bin",
        "Library/bin",
        "Scripts",
        "bin",
    ]
    assert not environment.searches_path


@pytest.mark.parametrize(
    ("version", "searches_path"),
    [
        ("3.8.12", True),
        ("3.8.13", False),
        ("3.8.20", False),
        ("3.9.5", True),
        ("3.9.9", True),
        ("3.9.10", False),
        ("3.10.4", False),
    ],
)
def test_early_conda_searched_path(tmp_path: Path, version: str, searches_path: bool) -> None:
    major, minor, _ = version.split(".")
    make_python(tmp_path, conda=version, version=major + minor)
    assert detect_environment(tmp_path).searches_path is searches_path


@pytest.mark.parametrize(("version", "searches_path"), [("37", True), ("38", False)])
def test_every_python_before_3_8_searched_path(
    tmp_path: Path, version: str, searches_path: bool
) -> None:
    python = make_python(tmp_path, version=version)
    assert detect_environment(python).searches_path is searches_path


@pytest.mark.parametrize(("version", "counts"), [("3.10.4", True), ("3.11.8", False)])
def test_condas_path_switch_counts_up_to_3_10(tmp_path: Path, version: str, counts: bool) -> None:
    major, minor, _ = version.split(".")
    make_python(tmp_path / "env", conda=version, version=major + minor)
    tools = tmp_path / "tools"
    environment = detect_environment(
        tmp_path / "env", path=(tools,), conda_search_modification=True
    )
    assert (tools in environment.added_directories) is counts


def test_folders_of_the_program_come_before_condas_own(tmp_path: Path) -> None:
    make_python(tmp_path, conda="3.12.1", version="312")
    environment = detect_environment(tmp_path, added_directories=(tmp_path / "mine",))
    assert names(environment)[0] == "mine"


def test_a_venv_runs_the_python_exe_of_its_base(tmp_path: Path) -> None:
    base = make_python(tmp_path / "base")
    venv = tmp_path / "venv"
    venv.mkdir()
    text = f"home = {base}\ninclude-system-site-packages = false\nversion = 3.11.9\n"
    (venv / "pyvenv.cfg").write_text(text, encoding="utf-8")
    environment = detect_environment(venv)
    assert (environment.root, environment.prefix) == (base, venv)
    assert environment.title == "venv of python.org Python 3.11.9 (x64)"
    assert environment.site_packages == venv / "Lib" / "site-packages"
    assert flavour.assumed_dlls(environment) == frozenset()


def test_a_venv_may_see_the_packages_of_its_base(tmp_path: Path) -> None:
    base = make_python(tmp_path / "base")
    venv = tmp_path / "venv"
    venv.mkdir()
    text = f"home = {base}\ninclude-system-site-packages = true\nversion = 3.11.9\n"
    (venv / "pyvenv.cfg").write_text(text, encoding="utf-8")
    assert detect_environment(venv).site_folders == (
        venv / "Lib" / "site-packages",
        base / "Lib" / "site-packages",
    )


def test_a_byte_order_mark_in_a_venvs_settings_is_passed_over(tmp_path: Path) -> None:
    base = make_python(tmp_path / "base")
    (tmp_path / "pyvenv.cfg").write_text(f"home = {base}\n", encoding="utf-8-sig")
    assert detect_environment(tmp_path).root == base


def test_a_venv_that_names_no_base_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("version = 3.11.9\n", encoding="utf-8")
    with pytest.raises(DiagnosisError, match=r"pyvenv\.cfg has no line `home = FOLDER`"):
        detect_environment(tmp_path)


def test_a_venv_whose_base_is_out_of_reach_stands_on_what_python_org_installs(
    tmp_path: Path,
) -> None:
    text = "home = C:\\Python310\nversion = 3.10.11\n"
    (tmp_path / "pyvenv.cfg").write_text(text, encoding="utf-8")
    environment = detect_environment(tmp_path)
    assert (environment.version, environment.python_dll) == ((3, 10, 11), "python310.dll")
    assert flavour.assumed_dlls(environment) == {
        "python310.dll",
        "python3.dll",
        "vcruntime140.dll",
        "vcruntime140_1.dll",
    }
    base = make_python(tmp_path / "copy", version="310")
    assert detect_environment(tmp_path, base=base).root == base


@pytest.mark.skipif(os.name == "nt", reason="a Wine prefix is looked into from outside")
def test_a_windows_path_is_found_in_the_wine_prefix_that_holds_the_venv(tmp_path: Path) -> None:
    base = tmp_path / "prefix" / "drive_c" / "Python311"
    base.mkdir(parents=True)
    venv = tmp_path / "prefix" / "drive_c" / "users" / "venv"
    assert flavour.host_path("C:\\Python311", near=venv) == base
    assert flavour.host_path("C:\\Python312", near=venv) is None
    assert flavour.host_path("Z:" + str(base).replace("/", "\\"), near=tmp_path) == base


@pytest.mark.parametrize(("machine", "name"), [("x64", "System32"), ("x86", "SysWOW64")])
def test_a_32_bit_python_has_another_folder_for_system32(
    tmp_path: Path, machine: str, name: str
) -> None:
    for folder in ("System32", "SysWOW64"):
        (tmp_path / "Windows" / folder).mkdir(parents=True)
    python = make_python(tmp_path / "Python311", machine=machine)
    environment = detect_environment(python, system32=tmp_path / "Windows" / "System32")
    assert environment.system32 == tmp_path / "Windows" / name


def test_a_folder_without_a_python_is_refused(tmp_path: Path) -> None:
    make_dll(tmp_path / "python3.dll")
    with pytest.raises(DiagnosisError, match="is not a Python environment for Windows"):
        detect_environment(tmp_path)


def test_a_damaged_pyvenv_cfg_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    text = f"home = {make_python(tmp_path / 'Python311')}\n".encode() + b"\xff\xfe\x00 = \xff\n"
    (tmp_path / "pyvenv.cfg").write_bytes(text)
    assert detect_environment(tmp_path).root == tmp_path / "Python311"
