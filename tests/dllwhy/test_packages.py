from pathlib import Path

import pytest
from installed_packages import install
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


def test_a_hidden_file_at_the_root_is_not_the_whole_folder(environment: Environment) -> None:
    folder = install(environment, "tidy", {"tidy/_fast.pyd": "", ".gitignore": ""})
    install(environment, "other", {"other/other.pyd": ""})
    assert packages.find_package("tidy", environment).modules == (folder / "tidy" / "_fast.pyd",)


def test_a_package_that_is_not_there_and_one_without_modules_are_told_apart(
    environment: Environment,
) -> None:
    install(environment, "pure", {"pure/__init__.py": ""})
    with pytest.raises(DiagnosisError, match="pure has no extension module and no DLL in"):
        packages.find_package("pure", environment)
    with pytest.raises(DiagnosisError, match="absent is not installed in"):
        packages.find_package("absent", environment)


@pytest.mark.parametrize("name", [".", "..", "/", "pure/", "C:", r"Lib\site-packages", ""])
def test_a_folder_is_no_name_of_a_package(environment: Environment, name: str) -> None:
    install(environment, "fast", {"fast/_c.pyd": ""})
    with pytest.raises(
        DiagnosisError, match=r"Give a file \(\.pyd or \.dll\), a folder that holds"
    ):
        packages.find_package(name, environment)
