from pathlib import Path

import pytest
from pe_files import RESIZE, make_dll, make_prefix

from dllwhy.errors import DiagnosisError
from dllwhy.logs.triage_lookup import LOOKED_UP, places_of, plain


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_prefix(tmp_path_factory.mktemp("prefix"))


def test_a_header_is_in_the_folder_from_which_its_name_leads_to_it(prefix: Path) -> None:
    opencv = str(prefix / "include" / "opencv4")
    for name in ("opencv2/opencv.hpp", "opencv2\\OpenCV.hpp"):
        assert places_of("header", [name], [prefix]) == {opencv: [name]}
    assert places_of("header", ["opencv3/opencv.hpp"], [prefix]) == {}
    assert places_of("header", ["../turbojpeg.h"], [prefix]) == {}


@pytest.mark.parametrize(
    "name", ["turbojpeg.lib", "libturbojpeg.a", "turbojpeg", "turbojpeg-3.lib"]
)
def test_a_library_is_found_by_its_name_in_other_spellings(prefix: Path, name: str) -> None:
    assert places_of("library", [name], [prefix]) == {str(prefix / "lib" / "turbojpeg.lib"): [name]}


def test_a_library_of_another_name_is_not_taken_for_it(prefix: Path) -> None:
    assert places_of("library", ["jpeg.lib"], [prefix]) == {}


def test_symbols_are_found_in_the_import_library_that_has_them(prefix: Path) -> None:
    library = str(prefix / "lib" / "turbojpeg.lib")
    assert places_of("symbol", ["tjFree", "tjNothing", "tjTransform"], [prefix]) == {
        library: ["tjFree", "tjTransform"]
    }


def test_a_cpp_symbol_is_found_mangled_and_in_words(prefix: Path) -> None:
    library = str(prefix / "lib" / "turbojpeg.lib")
    names = [RESIZE, "cv::resize(cv::_InputArray const&)", "cv::Mat::~Mat()"]
    assert places_of("symbol", names, [prefix]) == {library: names}
    assert places_of("symbol", ["cv::Mat::Mat()", "cv::resized()"], [prefix]) == {}


def test_a_symbol_that_no_library_has_is_looked_for_in_the_dlls(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "bin" / "some.dll", exports=["some_function"])
    assert places_of("symbol", ["some_function"], [tmp_path]) == {str(dll): ["some_function"]}


def test_a_dll_is_found_whatever_the_case_and_the_folder_in_its_name(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "bin" / "PthreadVC2.dll")
    name = "C:\\tools\\pthreadvc2.DLL"
    assert places_of("dll", [name], [tmp_path]) == {str(dll): [name]}


def test_the_marks_of_an_import_are_no_part_of_a_symbol() -> None:
    assert plain("__imp_tjFree") == plain(" __declspec(dllimport) tjFree") == "tjFree"


def test_a_damaged_library_is_told(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    damaged = tmp_path / "lib" / "some.lib"
    damaged.write_bytes(b"!<arch>\n" + b"/".ljust(48) + b"no number".ljust(12))
    with pytest.raises(DiagnosisError, match=r"some\.lib cannot be read as a library"):
        places_of("symbol", ["x"], [tmp_path])


def test_prefixes_that_are_not_there_have_nothing(tmp_path: Path) -> None:
    for group in LOOKED_UP:
        assert places_of(group, ["x"], [tmp_path / "absent"]) == {}
