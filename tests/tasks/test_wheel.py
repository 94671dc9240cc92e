"""The wheel's stage: which Python builds. tests/integration builds real wheels."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tasks import wheel
from tasks.compilers.toolchain import Toolchain, write
from tasks.core.errors import BuildError
from tasks.core.project import load

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "3.10" if RUNNING != "3.10" else "3.11"
ZIG = Toolchain("zig", "0", "x", {"cc": "cc", "cxx": "c++"}, "", compiler_class="unix")
ZIG_ON_WINDOWS = replace(ZIG, compiler_class="mingw32")
MSVC = Toolchain("msvc", "14.44", "x64", {}, "", compiler_class="msvc")


def test_with_msvc_the_windows_python_builds_its_own_wheel(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    project = load(clone)
    assert wheel.building_python(project, MSVC) == project.environment / "python.exe"


def test_with_zig_the_python_that_runs_doit_builds_for_any_other(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    monkeypatch.setenv("FFCVWIN_PYTHON", OTHER)
    assert wheel.building_python(load(clone), ZIG) == Path(sys.executable)


def test_on_windows_zig_refuses_a_python_whose_dll_it_would_not_link(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    monkeypatch.setenv("FFCVWIN_PYTHON", OTHER)
    with pytest.raises(BuildError, match=f"run doit python={RUNNING}"):
        wheel.building_python(load(clone), ZIG_ON_WINDOWS)


@pytest.mark.parametrize("compiler", [ZIG, ZIG_ON_WINDOWS], ids=lambda c: c.compiler_class)
def test_the_build_environment_brings_the_files_that_belong_to_it(
    clone, tmp_path, monkeypatch, compiler
):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    project = load(clone)
    project.toolchain_file.parent.mkdir(parents=True)
    write(compiler, project.toolchain_file.parent)
    made = wheel.environment(project, ["opencv"], {}, tmp_path / "files")
    from_file = compiler.compiler_class == "mingw32"
    assert ("DIST_EXTRA_CONFIG" in made.variables) is from_file
    assert (tmp_path / "files" / "distutils.cfg").exists() is from_file
    assert (tmp_path / "files" / "opencv4.pc").is_file()
