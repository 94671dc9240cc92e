"""doit build, for real: a source that asks where it is, built and used under Wine."""

import hashlib
import zipfile

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]

SETUP = """
import os, platform, sys, sysconfig
from setuptools import Extension, setup
seen = [sys.platform, os.name, platform.system(), sysconfig.get_platform()]
assert seen == ["win32", "nt", "Windows", "win-amd64"], seen
assert sys.getwindowsversion().major >= 6
setup(name="seen-here", version="1", ext_modules=[Extension(
    "seen_here", ["seen.cpp"], libraries=["Ws2_32"],
    extra_compile_args=["/std:c++17", "-march=native", "-ffast-math"])])
"""
SOURCE = """
#include <Python.h>
#include <WinSock2.h>
#include <string>
static_assert(SIZEOF_VOID_P == 8 && SIZEOF_SIZE_T == 8 && SIZEOF_TIME_T == 8, "64 bits");
#if defined __FAST_MATH__ || defined __AVX__ || !defined __SSE4_2__
#error "not the baseline"
#endif
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "seen_here", nullptr, -1, nullptr};
PyMODINIT_FUNC PyInit_seen_here(void)
{
    std::string text = std::to_string(htons(1));
    PyObject *module = PyModule_Create(&definition);
    PyModule_AddStringConstant(module, "order", text.c_str());
    return module;
}
"""


def test_the_build_sees_windows_and_the_wheel_is_imported(built, tmp_path):
    tree = tmp_path / "seen here"
    tree.mkdir()
    (tree / "setup.py").write_text(SETUP)
    (tree / "seen.cpp").write_text(SOURCE)
    run = built.doit("build", "--package", str(tree))
    assert run.status == 0, run.output
    assert "left out of compiler calls: -march=native" in run.output
    assert "left out of compiler calls: -ffast-math" in run.output
    assert "1 of 1 modules imported under Wine: seen_here" in run.output
    wheel = "seen_here-1-cp311-cp311-win_amd64.whl"
    assert f"wheelhouse/{wheel}" in run.output
    (built.folder / "wheelhouse" / wheel).unlink()


def test_a_failure_says_what_the_log_means(built, tmp_path):
    (tmp_path / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        "setup(name='x', ext_modules=[Extension('x', ['x.c'])])\n"
    )
    (tmp_path / "x.c").write_text("#include <zlib.h>\n")
    run = built.doit("build", "--package", str(tmp_path))
    assert run.status == 1
    assert "zlib.h" in run.output
    assert "to do: " in run.output
    assert f"build --package {tmp_path} --compiler msvc" in run.output
    assert "Traceback" not in run.output


def test_a_build_that_went_on_without_its_compiled_part_is_no_success(built, tmp_path):
    (tmp_path / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        "setup(name='slow', version='1', py_modules=['slow'],\n"
        "      ext_modules=[Extension('fast', ['fast.c'], optional=True)])\n"
    )
    (tmp_path / "slow.py").write_text("")
    (tmp_path / "fast.c").write_text("#error no\n")
    run = built.doit("build", "--package", str(tmp_path))
    assert run.status == 1
    assert "went on without its compiled part" in run.output
    assert "1 of 1 modules imported under Wine: slow" in run.output
    (built.folder / "wheelhouse" / "slow-1-cp311-cp311-win_amd64.whl").unlink()


def test_a_build_that_went_on_without_one_of_its_modules_is_no_success(built, tmp_path):
    (tmp_path / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        "setup(name='half', version='1', ext_modules=[\n"
        "    Extension('half', ['half.c']), Extension('fast', ['fast.c'], optional=True)])\n"
    )
    (tmp_path / "half.c").write_text(
        "#include <Python.h>\n"
        'static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "half", NULL, -1, NULL};\n'
        "PyMODINIT_FUNC PyInit_half(void) { return PyModule_Create(&definition); }\n"
    )
    (tmp_path / "fast.c").write_text("#error no\n")
    run = built.doit("build", "--package", str(tmp_path))
    assert run.status == 1
    assert "the build went on without fast, which it began to compile" in run.output
    (built.folder / "wheelhouse" / "half-1-cp311-cp311-win_amd64.whl").unlink()


RECIPE = """
environment: {SAID: from the recipe}
definitions: {ANSWER: "42"}
std: c++20
include: [headers]
libraries: [summing]
system_libraries: [ws2_32]
patches: [name.patch]
check:
  code: |
    import told
    print(told.answer, told.order, told.sum)
  expected: EXPECTED
"""
# A library that is built with another one, from an archive of this machine.
SUMMING = """
artifacts:
  summing:
    sources: [{url: "ARCHIVE", sha256: SHA256}]
    added_files:
      CMakeLists.txt: |
        cmake_minimum_required(VERSION 3.20)
        project(summing C)
        find_package(ZLIB REQUIRED)
        add_library(summing STATIC summing.c)
        target_link_libraries(summing PRIVATE ZLIB::ZLIB)
        set_target_properties(summing PROPERTIES PREFIX "" SUFFIX .lib)
        install(TARGETS summing)
libraries:
  summing:
    recipes:
      cmake:
        artifact: summing
        needs: [zlib]
        link: [summing]
        defines: {CMAKE_BUILD_TYPE: Release}
        stage: {lib: [lib/summing.lib]}
"""
SUMMING_C = """
#include <zlib.h>
unsigned long sum(const char *text) { return adler32(1, (const Bytef *)text, 3); }
"""
TOLD_SETUP = """
import os
from setuptools import Extension, setup
assert os.environ["SAID"] == "from the recipe"
setup(name="untold", version="1", ext_modules=[
    Extension("told", ["told.cpp"], extra_compile_args=["-std=c++11"])])
"""
TOLD = """
#include <Python.h>
#include <winsock2.h>
#include "own.h"
#include <concepts>
template <std::integral T> T same(T value) { return value; }
extern "C" unsigned long sum(const char *);
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "told", nullptr, -1, nullptr};
PyMODINIT_FUNC PyInit_told(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyModule_AddIntConstant(module, "answer", same(ANSWER + OWN));
    PyModule_AddIntConstant(module, "order", htons(1));
    PyModule_AddIntConstant(module, "sum", sum("abc"));
    return module;
}
"""
PATCH = """--- a/setup.py
+++ b/setup.py
@@ -2,5 +2,5 @@
 import os
 from setuptools import Extension, setup
 assert os.environ["SAID"] == "from the recipe"
-setup(name="untold", version="1", ext_modules=[
+setup(name="told", version="1", ext_modules=[
     Extension("told", ["told.cpp"], extra_compile_args=["-std=c++11"])])
"""


def _told(folder, expected):
    """A source that builds with its recipe only; returns the recipe."""
    (folder / "headers").mkdir(parents=True)
    (folder / "headers" / "own.h").write_text("#define OWN 1\n")
    (folder / "setup.py").write_text(TOLD_SETUP)
    (folder / "told.cpp").write_text(TOLD)
    (folder / "name.patch").write_text(PATCH)
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.replace("EXPECTED", expected))
    return recipe


@pytest.fixture
def summing(built, tmp_path):
    """recipes/libraries/summing.yaml."""
    archive = tmp_path / "summing.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("summing.c", SUMMING_C)
    described = SUMMING.replace("ARCHIVE", archive.as_uri())
    described = described.replace("SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    path = built.folder / "recipes" / "libraries" / "summing.yaml"
    path.write_text(described)
    yield
    path.unlink()


@pytest.mark.usefixtures("summing")
def test_a_recipe_says_what_a_build_cannot_know(built, tmp_path):
    recipe = _told(tmp_path / "told", "43 256 38600999")
    run = built.doit("build", "--package", str(tmp_path / "told"), "--recipe", str(recipe))
    assert run.status == 0, run.output
    assert "library zlib: z.lib, zlib.lib" in run.output
    assert "library summing: summing.lib" in run.output
    assert "name.patch changes setup.py" in run.output
    assert "it does what the recipe expects" in run.output
    (built.folder / "wheelhouse" / "told-1-cp311-cp311-win_amd64.whl").unlink()


@pytest.mark.usefixtures("summing")
def test_a_wheel_that_gives_a_wrong_answer_is_no_success(built, tmp_path):
    recipe = _told(tmp_path / "told", "44 256 38600999")
    run = built.doit("build", "--package", str(tmp_path / "told"), "--recipe", str(recipe))
    assert run.status == 1
    assert "its check printed '43 256 38600999', expected '44 256 38600999'" in run.output
    (built.folder / "wheelhouse" / "told-1-cp311-cp311-win_amd64.whl").unlink()
