"""The build environment: compiler and linker get everything, whatever the path looks like."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tasks import host
from tasks.build_environment import LinkedLibrary, compose, pkg_config_files
from tasks.project import Target
from tasks.toolchain import Toolchain


@pytest.fixture
def staged(tmp_path: Path) -> LinkedLibrary:
    prefix = tmp_path / "Bibliothèques für C" / "opencv"
    (prefix / "lib").mkdir(parents=True)
    (prefix / "lib" / "core.lib").touch()
    (prefix / "lib" / "libjpeg.a").touch()
    return LinkedLibrary(prefix, ["core", "jpeg"], "opencv4")


@pytest.fixture
def composed(staged, tmp_path: Path) -> dict[str, str]:
    programs = {role: f"/a b/zig-{role}" for role in ("cc", "cxx")}
    toolchain = Toolchain("zig", "0", "x86_64-windows-gnu", programs, "x.cmake", {"MORE": "1"})
    return compose(
        toolchain, Target("3.12"), tmp_path / "env", [staged], {"A": "1"}, tmp_path / "pc"
    )


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


def test_pkg_config_answers_without_a_single_path(staged, tmp_path):
    for name, text in pkg_config_files([staged]).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [host.runner_program("pkg-config"), "--cflags", "--libs", "opencv4"],
        env=host.environment({"PKG_CONFIG_LIBDIR": str(tmp_path)}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["-lcore", "-ljpeg"]


def test_what_the_user_has_set_for_other_builds_does_not_leak_in(monkeypatch):
    for name in ("CFLAGS", "CC", "PYTHONPATH", "PKG_CONFIG_PATH", "CMAKE_GENERATOR"):
        monkeypatch.setenv(name, "x")
    assert not {"CFLAGS", "CC", "PYTHONPATH", "PKG_CONFIG_PATH", "CMAKE_GENERATOR"} & set(
        host.environment()
    )
    assert host.environment()["PATH"].endswith(os.environ["PATH"])
