"""A recipe's words, as each compiler spells them."""

from pathlib import Path

import pytest

from tasks.core.recipe import PackageRecipe
from tasks.handover.words import Call
from tasks.sdists import spelling

RECIPE = PackageRecipe(
    std="c++17",
    definitions={"A": "1"},
    include=("inc",),
    system_libraries=("ws2_32",),
    forced_includes=("windows.h",),
)
TREE = Path("tree")


def test_a_standard_is_for_sources_of_its_language():
    words = spelling.for_gcc(RECIPE, TREE, [])
    assert "-std=c++17" in words(Call("cxx", ["-c", "a.cpp"]))
    assert "-std=c++17" not in words(Call("cc", ["-c", "a.c"]))
    in_c = spelling.for_gcc(PackageRecipe(std="c11"), TREE, [])
    assert in_c(Call("cc", ["-c", "a.c"])) == ["-std=c11"]
    assert in_c(Call("cxx", ["-c", "a.cpp"])) == []


def test_a_forced_include_is_in_front_of_every_source():
    words = spelling.for_gcc(RECIPE, TREE, [])(Call("cc", ["-c", "a.c"]))
    assert words[-2:] == ["-include", "windows.h"]


def test_libraries_are_linked_and_not_compiled():
    words = spelling.for_gcc(RECIPE, TREE, [])
    assert "-lws2_32" not in words(Call("cc", ["-c", "a.c"]))
    assert words(Call("cc", ["a.o"]))[-1] == "-lws2_32"
    assert words(Call("ar", ["rcs"])) == []


def test_microsofts_compiler_reads_variables():
    made = spelling.for_msvc(RECIPE, TREE, [], {"INCLUDE": "given", "LIB": "lib"}, str)
    assert made["CL"] == "/std:c++17 /DA#1 /FIwindows.h"
    assert made["INCLUDE"].split(";") == [str(TREE / "inc"), "given"]
    assert made["LINK"] == "ws2_32.lib"


@pytest.mark.parametrize("std", ["c++11", "c99"])
def test_cl_is_not_given_a_standard_that_it_has_no_word_for(std):
    assert "CL" not in spelling.for_msvc(PackageRecipe(std=std), TREE, [], {}, str)


def test_processors_beyond_the_baseline_are_for_what_is_compiled():
    recipe = PackageRecipe(cpu="x86-64-v3")
    words = spelling.for_gcc(recipe, TREE, [])
    assert words(Call("cc", ["-c", "a.c"])) == ["-mcpu=x86_64_v3"]
    assert words(Call("cc", ["a.o"])) == []
    assert spelling.for_msvc(recipe, TREE, [], {}, str)["CL"] == "/arch:AVX2"
