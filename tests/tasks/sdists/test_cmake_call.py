"""A setup.py that counts on Visual Studio, and CMake with Ninja."""

import pytest

from tasks.checks.cmake_call import for_ninja


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("cmake .. -A x64 -DA=1", "cmake .. -DA=1"),
        ("-Ax64 -T host=x64 ..", ".."),
        ("-DCMAKE_GENERATOR_PLATFORM=x64 -DCMAKE_BUILD_TYPE=Release", "-DCMAKE_BUILD_TYPE=Release"),
        ("--build . --config Release -- /m /p:Platform=x64", "--build . --config Release --"),
        ("--build . --target ALL_BUILD -- -m:4", "--build . --target all --"),
        ("--build . -- -j4", "--build . -- -j4"),
        ("-G Ninja ..", "-G Ninja .."),
    ],
)
def test_words_for_visual_studio_are_left_out(given, made):
    assert for_ninja(given.split()) == made.split()


def test_another_generator_is_not_asked_for():
    assert for_ninja(["-G", "Visual Studio 17 2022", ".."]) == [".."]
    assert for_ninja(["-GMinGW Makefiles", ".."]) == [".."]
