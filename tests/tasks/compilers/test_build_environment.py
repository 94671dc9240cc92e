"""The build environment: compiler and linker get everything, whatever the path looks like."""

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from setuptools import Distribution, _distutils
from setuptools._distutils.compilers.C import msvc

from tasks.compilers.build_environment import (
    DISTUTILS_CONFIG,
    BuildEnvironment,
    LinkedLibrary,
    compose,
    files_of,
    pkg_config_files,
)
from tasks.compilers.toolchain import Toolchain
from tasks.core import host
from tasks.core.project import Target


@pytest.fixture
def staged(tmp_path: Path) -> LinkedLibrary:
    prefix = tmp_path / "Bibliothèques für C" / "opencv"
    (prefix / "lib").mkdir(parents=True)
    (prefix / "lib" / "core.lib").touch()
    (prefix / "lib" / "libjpeg.a").touch()
    return LinkedLibrary(prefix, ["core", "jpeg"], "opencv4")


ZIG = Toolchain(
    kind="zig",
    version="0",
    target="x86_64-windows-gnu",
    programs={role: f"/a b/zig-{role}" for role in ("cc", "cxx")},
    cmake_toolchain_file="x.cmake",
    compiler_class="unix",
    environment={"MORE": "1"},
    flags=["-O2", "-g0"],
)

MSVC = Toolchain(
    kind="msvc",
    version="14.38.33130",
    target="x64",
    programs={},
    cmake_toolchain_file="",
    compiler_class="msvc",
    environment={
        "INCLUDE": r"C:\VC (x86)\include;C:\SDK\ucrt",
        "LIB": r"C:\VC (x86)\lib",
        "LIBPATH": r"C:\VC (x86)\ref",
        "VCTOOLSVERSION": "14.38.33130",
    },
    path=[r"C:\VC (x86)\bin", r"C:\SDK\bin"],
)


def made_by(
    toolchain: Toolchain, staged: LinkedLibrary, folder: Path, definitions: dict[str, str]
) -> BuildEnvironment:
    return compose(
        toolchain, Target("3.12"), folder / "env", [staged], definitions, folder / "pc"
    )  # fmt: skip


@pytest.fixture
def composed(staged, tmp_path: Path) -> dict[str, str]:
    made = made_by(ZIG, staged, tmp_path, {"A": "1"})
    assert made.path == ()
    return dict(made.variables)


def test_the_windows_pythons_headers_come_before_all_others(composed, staged, tmp_path):
    words = shlex.split(composed["CXX"])
    folders = [word for word in words if word.startswith("-I")]
    assert folders == [f"-I{tmp_path / 'env' / 'include'}", f"-I{staged.prefix / 'include'}"]
    assert words[0] == "/a b/zig-cxx" and "-DA=1" in words


def test_the_linker_gets_import_and_static_libraries_by_their_files(composed, staged, tmp_path):
    words = shlex.split(composed["LDCXXSHARED"])
    assert str(tmp_path / "env" / "libs" / "python312.lib") in words
    assert str(staged.prefix / "lib" / "core.lib") in words
    assert str(staged.prefix / "lib" / "libjpeg.a") in words


def test_names_follow_the_target_python(composed):
    assert composed["SETUPTOOLS_EXT_SUFFIX"] == ".cp312-win_amd64.pyd"
    assert composed["_PYTHON_HOST_PLATFORM"] == "win-amd64"


def test_the_toolchains_own_variables_are_kept(composed):
    assert composed["MORE"] == "1"


@pytest.mark.skipif(os.name == "nt", reason="the paths of this test are not those of Windows")
def test_the_whole_table_for_zig():
    # A change of it changes every wheel.
    library = LinkedLibrary(Path("/libs/pthreads"), ["pthreadVC2"], None)
    made = compose(ZIG, Target("3.11"), Path("/env"), [library], {"A": "1"}, Path("/pc"))
    compile_options = "-I/env/include -I/libs/pthreads/include -DA=1"
    link_options = (
        "-shared -s -Xlinker --out-implib -Xlinker /pc/unused.lib "
        "-L/libs/pthreads/lib /env/libs/python311.lib /libs/pthreads/lib/pthreadVC2.lib"
    )
    assert made.variables == {
        "MORE": "1",
        "CC": f"'/a b/zig-cc' {compile_options}",
        "CXX": f"'/a b/zig-cxx' {compile_options}",
        "LDSHARED": f"'/a b/zig-cc' {link_options}",
        "LDCXXSHARED": f"'/a b/zig-cxx' {link_options}",
        "CFLAGS": "-O2 -g0",
        "CXXFLAGS": "-O2 -g0",
        "PKG_CONFIG_LIBDIR": "/pc",
        "SETUPTOOLS_EXT_SUFFIX": ".cp311-win_amd64.pyd",
        "_PYTHON_HOST_PLATFORM": "win-amd64",
        "SOURCE_DATE_EPOCH": "315532800",
    }


def test_on_windows_setuptools_gets_zigs_libraries_from_a_file(staged, tmp_path, monkeypatch):
    zig = replace(ZIG, compiler_class="mingw32")
    file = tmp_path / DISTUTILS_CONFIG
    written = files_of(zig, tmp_path / "env", [staged])[DISTUTILS_CONFIG]
    file.write_text(written, encoding="utf-8")
    made = compose(zig, Target("3.12"), tmp_path / "env", [staged], {"A": "1"}, tmp_path)
    assert made.variables["DIST_EXTRA_CONFIG"] == str(file)
    assert not {"LDSHARED", "SETUPTOOLS_EXT_SUFFIX"} & made.variables.keys()
    monkeypatch.setenv("DIST_EXTRA_CONFIG", made.variables["DIST_EXTRA_CONFIG"])
    # setuptools' name for its own copy, which other imports may have taken away.
    monkeypatch.setitem(sys.modules, "distutils", _distutils)
    distribution = Distribution()
    distribution.parse_config_files()
    options = {
        name: value for name, (_, value) in distribution.command_options["build_ext"].items()
    }
    assert options == {
        "compiler": "mingw32",
        "library_dirs": f"{tmp_path / 'env' / 'libs'};{staged.prefix / 'lib'}",
        "libraries": "core jpeg",
    }


def test_the_whole_table_for_msvc(staged, tmp_path):
    made = made_by(MSVC, staged, tmp_path, {"HAVE_STRUCT_TIMESPEC": "1", "WORDS": "a b"})
    prefix = staged.prefix
    assert made == BuildEnvironment(
        variables={
            "INCLUDE": rf"{prefix / 'include'};C:\VC (x86)\include;C:\SDK\ucrt",
            "LIB": rf"{prefix / 'lib'};{tmp_path / 'env' / 'libs'};C:\VC (x86)\lib",
            "LIBPATH": r"C:\VC (x86)\ref",
            "VCTOOLSVERSION": "14.38.33130",
            "LINK": "core.lib libjpeg.a",
            "CL": '/DHAVE_STRUCT_TIMESPEC#1 "/DWORDS#a b"',
            "DISTUTILS_USE_SDK": "1",
            "VSLANG": "1033",
            "SOURCE_DATE_EPOCH": "315532800",
        },
        path=[r"C:\VC (x86)\bin", r"C:\SDK\bin", str(prefix / "bin")],
    )


def test_setuptools_search_exchanges_path_and_adds_folders_and_nothing_else(monkeypatch, tmp_path):
    found = {"path": "FOUND", "include": "FOUND/include", "lib": "FOUND/lib"}
    started = []
    monkeypatch.setattr(msvc, "_get_vc_env", lambda spec: found)
    monkeypatch.setattr(subprocess, "check_call", lambda *cmd, env: started.append((*cmd, env)))
    monkeypatch.setenv("INCLUDE", "MINE")
    monkeypatch.setenv("CL", "/DMINE")
    monkeypatch.chdir(tmp_path)
    compiler = msvc.Compiler()
    compiler.initialize("win-amd64")
    compiler.compile(["a.c"], include_dirs=["PACKAGE"])
    [(command, variables)] = started
    assert [word for word in command if word.startswith("-I")] == ["-IPACKAGE", "-IFOUND/include"]
    assert variables == {**os.environ, "PATH": "FOUND"}


def test_msvc_gets_no_variable_that_is_empty(tmp_path):
    bare = replace(MSVC, environment={})
    made = compose(bare, Target("3.12"), tmp_path, [], {}, tmp_path)
    assert not {"INCLUDE", "LINK", "CL"} & made.variables.keys()
    assert made.variables["LIB"] == str(tmp_path / "libs")


@pytest.mark.skipif(os.name == "nt", reason="on Windows no build asks pkg-config")
def test_pkg_config_answers_without_a_single_path(staged, tmp_path):
    for name, text in pkg_config_files([staged]).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [host.runner_program("pkg-config"), "--cflags", "--libs", "opencv4"],
        env=host.environment({"PKG_CONFIG_LIBDIR": str(tmp_path)}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["-lcore", "-ljpeg"]
