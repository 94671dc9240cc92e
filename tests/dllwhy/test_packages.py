from pathlib import Path

import pytest
from installed_packages import DELVEWHEEL, install, make_venv
from pe_files import make_python

from dllwhy import packages
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment, detect_environment


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    environment = detect_environment(make_python(tmp_path / "Python311"))
    environment.site_packages.mkdir(parents=True)
    return environment


def test_a_package_is_found_by_the_name_of_its_distribution_or_of_its_import(
    environment: Environment,
) -> None:
    folder = install(environment, "opencv_python", {"cv2/cv2.pyd": "", "cv2/__init__.py": ""})
    for name in ("opencv-python", "OpenCV.Python", "cv2"):
        assert packages.find_package(name, environment).modules == (folder / "cv2" / "cv2.pyd",)


def test_a_module_that_is_one_file_is_found(environment: Environment) -> None:
    folder = install(environment, "fast-thing", {"_fast.cp311-win_amd64.pyd": ""})
    module = folder / "_fast.cp311-win_amd64.pyd"
    assert packages.find_package("fast_thing", environment).modules == (module,)
    assert packages.find_package("_fast", environment).modules == (module,)


def test_a_package_that_is_not_there_and_one_without_modules_are_told_apart(
    environment: Environment,
) -> None:
    install(environment, "pure", {"pure/__init__.py": ""})
    with pytest.raises(DiagnosisError, match="pure has no extension module in"):
        packages.find_package("pure", environment)
    with pytest.raises(DiagnosisError, match="absent is not installed in"):
        packages.find_package("absent", environment)


@pytest.mark.parametrize("name", [".", "..", "/", "pure/", "C:", r"Lib\site-packages", ""])
def test_a_folder_is_no_name_of_a_package(environment: Environment, name: str) -> None:
    install(environment, "fast", {"fast/_c.pyd": ""})
    with pytest.raises(DiagnosisError, match=r"give a file \(\.pyd or \.dll\), or the name of"):
        packages.find_package(name, environment)


def test_folders_that_a_packages_source_adds_are_read_off_it(environment: Environment) -> None:
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/core/_core.pyd": "blas.dll",
        "numeric.libs/blas.dll": "",
        "other.libs/blas.dll": "",
    }
    folder = install(environment, "numeric", files)
    package = packages.find_package("numeric", environment)
    assert package.dll_directories == (folder / "numeric.libs",)


def test_a_venv_that_sees_its_bases_packages_finds_them(
    tmp_path: Path, environment: Environment
) -> None:
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/_core.pyd": "blas.dll",
        "numeric.libs/blas.dll": "",
    }
    folder = install(environment, "numeric", files)
    venv = make_venv(tmp_path / "venv", environment, sees_base=True)
    install(venv, "user", {"user/_c.pyd": "blas.dll"}, ("numeric",))
    assert packages.find_package("user", venv).dll_directories == (folder / "numeric.libs",)
    package = packages.find_package("numeric", venv)
    assert package.modules == (folder / "numeric" / "_core.pyd",)
    assert package.dll_directories == (folder / "numeric.libs",)


def test_a_venvs_own_package_hides_that_of_its_base(
    tmp_path: Path, environment: Environment
) -> None:
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/_core.pyd": "blas.dll",
        "numeric.libs/blas.dll": "",
    }
    install(environment, "numeric", files)
    venv = make_venv(tmp_path / "venv", environment, sees_base=True)
    folder = install(venv, "numeric", files)
    package = packages.find_package("numeric", venv)
    assert package.modules == (folder / "numeric" / "_core.pyd",)
    assert package.dll_directories == (folder / "numeric.libs",)


def test_other_venvs_do_not_see_the_packages_of_their_base(
    tmp_path: Path, environment: Environment
) -> None:
    install(environment, "numeric", {"numeric/_core.pyd": ""})
    venv = make_venv(tmp_path / "venv", environment, sees_base=False)
    with pytest.raises(DiagnosisError, match="numeric is not installed in"):
        packages.find_package("numeric", venv)


def test_folders_of_what_a_package_requires_count_too(environment: Environment) -> None:
    install(environment, "numeric", {"numeric/__init__.py": DELVEWHEEL, "numeric.libs/b.dll": ""})
    install(environment, "vision", {"vision/_c.pyd": ""}, ("Numeric>=1.0",))
    folder = install(environment, "top", {"top/_c.pyd": ""}, ("vision", "pure; extra == 'test'"))
    directories = packages.find_package("top", environment).dll_directories
    assert directories == (folder / "numeric.libs",)


def test_the_scripts_folder_that_all_share_ties_no_packages_together(
    environment: Environment,
) -> None:
    install(environment, "numeric", {"numeric/__init__.py": DELVEWHEEL, "numeric.libs/b.dll": ""})
    install(environment, "alone", {"alone/_c.pyd": ""})
    assert packages.find_package("alone", environment).dll_directories == ()


def test_a_folder_added_by_a_pth_file_counts_for_every_package(environment: Environment) -> None:
    bootstrap = "import os, system_dlls\nos.add_dll_directory(system_dlls.__path__[0])\n"
    files = {
        "start.pth": "tools\nimport tools_bootstrap\n",
        "tools/tools_bootstrap.py": bootstrap,
        "system_dlls/base.dll": "",
    }
    install(environment, "tools", files)
    folder = install(environment, "user", {"user/_c.pyd": "base.dll"})
    directories = packages.find_package("user", environment).dll_directories
    assert directories == (folder / "system_dlls",)


def test_a_source_that_does_not_add_folders_adds_none(environment: Environment) -> None:
    files = {"plain/__init__.py": "name = 'lib'\n", "plain/lib/a.dll": "", "plain/_c.pyd": ""}
    install(environment, "plain", files)
    assert packages.find_package("plain", environment).dll_directories == ()
