from pathlib import Path

import pytest
from installed_packages import DELVEWHEEL, install
from pe_files import make_dll, make_python

from dllwhy.errors import DiagnosisError
from dllwhy.explain import explain
from dllwhy.flavour import detect_environment
from dllwhy.unpacked import import_folder

GEOMETRY = "geos-6dd9fd91.dll"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """An unpacked wheel whose package gives its folder of DLLs to add_dll_directory."""
    made = detect_environment(make_python(tmp_path / "made"))
    made.site_packages.mkdir(parents=True)
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/lib.cp312-win_amd64.pyd": f"{GEOMETRY} python312.dll VCRUNTIME140.dll",
        f"numeric.libs/{GEOMETRY}": "KERNEL32.dll",
    }
    return install(made, "numeric", files).rename(tmp_path / "unpacked")


@pytest.mark.parametrize("named", ["", "numeric", "numeric/lib.cp312-win_amd64.pyd"])
def test_an_unpacked_wheel_finds_what_its_own_package_adds(wheel: Path, named: str) -> None:
    explanation = explain(str(wheel / named))
    assert explanation.exit_status == 0
    assert wheel / "numeric.libs" / GEOMETRY in explanation.closures[0].files


def test_an_unpacked_wheel_finds_it_in_an_environment_as_well(wheel: Path, tmp_path: Path) -> None:
    python = make_python(tmp_path / "Python312", version="312")
    assert explain(str(wheel), python).exit_status == 0


def test_a_dll_that_is_not_in_the_wheel_is_missing(wheel: Path) -> None:
    (wheel / "numeric.libs" / GEOMETRY).unlink()
    explanation = explain(str(wheel))
    assert [r.name for r in explanation.closures[0].missing] == [GEOMETRY]
    assert any("--env FOLDER" in note for note in explanation.notes)


def test_the_python_that_is_assumed_is_the_one_that_the_module_imports(tmp_path: Path) -> None:
    module = make_dll(tmp_path / "m.pyd", ["python313t.dll"])
    environment = explain(str(module)).environment
    assert (environment.abi, environment.version) == ("313t", (3, 13))
    assert environment.title == "assumed python.org Python 3.13 (x64)"


def test_a_module_of_the_stable_abi_has_the_version_of_its_wheels_tag(wheel: Path) -> None:
    module = make_dll(wheel / "numeric" / "stable.pyd", ["python3.dll"])
    (wheel / "numeric-1.0.dist-info" / "WHEEL").write_text(
        "Wheel-Version: 1.0\nTag: cp39-abi3-win_amd64\n", encoding="utf-8"
    )
    explanation = explain(str(module))
    assert explanation.environment.version == (3, 9)
    assert explanation.exit_status == 0


def test_a_package_in_a_build_folder_is_imported_from_the_folder_that_holds_it(
    tmp_path: Path,
) -> None:
    inner = tmp_path / "lib" / "package" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    assert import_folder(inner / "m.pyd") == tmp_path / "lib"
    assert import_folder(tmp_path / "m.pyd") is None


def test_a_folder_without_modules_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(DiagnosisError, match="holds no extension module"):
        explain(str(tmp_path))


def test_a_wheel_that_is_still_packed_is_told_with_how_to_unpack_it(wheel: Path) -> None:
    import shutil

    packed = shutil.make_archive(str(wheel.parent / "numeric"), "zip", wheel)
    with pytest.raises(DiagnosisError, match="python -m zipfile -e"):
        explain(str(Path(packed).rename(wheel.parent / "numeric.whl")))
