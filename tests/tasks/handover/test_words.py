"""Compiler calls that were meant for Windows, in zig's words."""

import pytest

from tasks.core import host
from tasks.handover.request import Request
from tasks.handover.words import call_of

pytestmark = pytest.mark.skipif(host.WINDOWS, reason="paths are those of Wine's drives")


def asked(program: str, *words: str) -> Request:
    texts = [program, "/prefix/drive_c/", "Z:\\src", str(len(words)), *words]
    return Request.read(texts)


def call(program: str, *words: str):
    return call_of(asked(program, *words), {"ws2_32", "advapi32"}.__contains__)


def test_windows_paths_become_those_of_the_host():
    made = call("gcc", "-c", "Z:\\src\\a.c", "-IZ:\\py dir\\include", "-o", "build\\a.o",
                "-Wl,--out-implib,Z:\\out\\a.lib", "-Wl,--out-implib=src\\b.lib")  # fmt: skip
    assert made.words == ["-c", "/src/a.c", "-I/py dir/include", "-o", "build/a.o",
                          "-Wl,--out-implib,/out/a.lib", "-Wl,--out-implib=src/b.lib"]  # fmt: skip


def test_drive_c_is_the_prefix():
    assert call("gcc", "-c", "C:\\users\\x.c").words[-1] == "/prefix/drive_c/users/x.c"


def test_a_definition_keeps_its_backslashes():
    assert call("gcc", "-c", '-DNAME="a\\b"', "-D", 'X="c\\d"', "x.c").words == [
        "-c", '-DNAME="a\\b"', "-D", 'X="c\\d"', "x.c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "word",
    ["-march=native", "-mtune=native", "-ffast-math", "-Ofast", "/arch:AVX2", "/fp:fast",
     "-fopenmp", "/openmp"],
)  # fmt: skip
def test_what_is_for_one_machine_or_changes_results_is_left_out_and_said(word):
    made = call("gcc", "-c", word, "x.c")
    assert made.words == ["-c", "x.c"]
    assert made.left_out[word]


def test_cls_words_are_translated_and_those_without_meaning_dropped():
    made = call("g++", "-c", "/std:c++17", "/EHsc", "/O2", "/DA=1", "/Iinc\\x", "/bigobj", "x.cc")
    assert made.words == ["-c", "-std=c++17", "-DA=1", "-Iinc/x", "x.cc"]
    assert not made.left_out


def test_optimisation_of_the_whole_program_would_make_zig_build_its_runtime_anew():
    made = call("g++", "-shared", "-flto=thin", "-flto", "-ffat-lto-objects", "-O3", "a.o")
    assert made.words == ["-shared", "a.o"]


def test_a_link_has_no_words_of_code_generation():
    given = ["-shared", "-mavx2", "-mwindows", "-ffp-contract=off", "-std=c++17", "-o", "b.pyd"]
    assert call("g++", *given, "a.obj").words == ["-shared", "-mwindows", "-o", "b.pyd", "a.obj"]
    assert "-mavx2" in call("g++", "-c", "-mavx2", "a.cpp").words
    assert "-mavx2" in call("g++", *given, "a.cpp").words


def test_libraries_of_windows_are_found_in_any_spelling():
    assert call("gcc", "-shared", "a.o", "-lWs2_32", "-lAdvapi32.lib", "ADVAPI32.LIB").words == [
        "-shared", "a.o", "-lws2_32", "-ladvapi32", "-ladvapi32",
    ]  # fmt: skip


def test_a_link_of_objects_brings_the_runtime_of_cxx():
    assert call("gcc", "-shared", "a.o", "-o", "a.pyd").role == "cxx"


def test_c_stays_c():
    assert call("gcc", "-c", "a.c").role == "cc"
    assert call("gcc", "-shared", "a.c", "-o", "a.pyd").role == "cc"


def test_cxx_sources_are_compiled_as_such_by_gcc_too():
    assert call("gcc", "-c", "a.cpp").role == "cxx"


def test_a_resource_is_compiled_to_an_object():
    made = call("windres", "-i", "Z:\\src\\a.rc", "-o", "a.o")
    assert made.role == "rc"
    assert made.words == ["/:output-format", "coff", "/fo", "a.o", "--", "/src/a.rc"]


def test_response_files_are_read(tmp_path):
    (tmp_path / "x.rsp").write_text('-c "a b.c"\n-DX=\\"y\\"')
    windows = "Z:" + str(tmp_path).replace("/", "\\")
    assert asked("gcc", f"@{windows}\\x.rsp").arguments == ("-c", "a b.c", '-DX="y"')


def test_a_folder_is_found_in_any_case_below_the_working_folder_too(tmp_path):
    (tmp_path / "Temp" / "Modules").mkdir(parents=True)
    folder = "Z:" + str(tmp_path).replace("/", "\\")
    words = ["-c", "Modules\\a.c", "-o", "temp\\modules\\a.o"]
    request = Request.read(["gcc", "/prefix/drive_c/", folder, str(len(words)), *words])
    made = call_of(request, {"ws2_32"}.__contains__)
    assert made.words == ["-c", "Modules/a.c", "-o", "Temp/Modules/a.o"]


def test_a_static_library_of_cmake_is_found_by_the_name_that_it_has_with_visual_studio(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libmade.a").touch()
    (tmp_path / "lib" / "there.lib").touch()
    folder = "Z:" + str(tmp_path).replace("/", "\\")
    words = [
        "-shared",
        "a.o",
        "lib\\made.lib",
        f"{folder}\\lib\\made.lib",
        "lib\\there.lib",
        "no.lib",
    ]
    request = Request.read(["g++", "/prefix/drive_c/", folder, str(len(words)), *words])
    assert call_of(request, {"ws2_32"}.__contains__).words == [
        "-shared", "a.o", "lib/libmade.a", f"{tmp_path}/lib/libmade.a", "lib/there.lib", "no.lib",
    ]  # fmt: skip


def test_folders_of_unix_are_not_those_of_the_host():
    made = call("gcc", "-c", "-I/usr/include/libxml2", "-I", "/usr/local/include", "-L\\opt\\lib",
                "-IZ:\\usr\\src\\own", "-I\\\\?\\Z:\\long", "-Iinc", "x.c")  # fmt: skip
    assert made.words[0] == "-c" and made.words[1] == "-I/usr/src/own"
    assert made.words[-3:] == ["-I/long", "-Iinc", "x.c"]
    assert set(made.left_out) == {"-I/usr/include/libxml2", "-I/usr/local/include", "-L\\opt\\lib"}
