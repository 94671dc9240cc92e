"""The wheel's stage: which Python builds. tests/integration builds real wheels."""

import sys
from pathlib import Path

import pytest

from tasks import wheel
from tasks.core.errors import BuildError
from tasks.core.project import load

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "3.10" if RUNNING != "3.10" else "3.11"


def test_with_msvc_the_windows_python_builds_its_own_wheel(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    project = load(clone)
    assert wheel.building_python(project) == project.environment / "python.exe"


def test_with_zig_the_python_that_runs_doit_builds_for_any_other(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    monkeypatch.setenv("FFCVWIN_PYTHON", OTHER)
    monkeypatch.setattr(wheel, "WINDOWS", False)
    assert wheel.building_python(load(clone)) == Path(sys.executable)


def test_on_windows_zig_refuses_a_python_whose_dll_it_would_not_link(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    monkeypatch.setenv("FFCVWIN_PYTHON", OTHER)
    monkeypatch.setattr(wheel, "WINDOWS", True)
    with pytest.raises(BuildError, match=f"run doit python={RUNNING}"):
        wheel.building_python(load(clone))


def test_on_windows_the_build_environment_brings_setuptools_file(clone, tmp_path, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    project = load(clone)
    file = wheel.toolchain.toolchain_file(project)
    file.parent.mkdir(parents=True)
    file.write_text(
        '{"kind": "zig", "version": "0", "target": "x", "programs": {"cc": "cc", "cxx": "c++"}, '
        '"cmake_toolchain_file": ""}',
        encoding="utf-8",
    )
    for windows in (True, False):
        monkeypatch.setattr(wheel, "WINDOWS", windows)
        made = wheel.environment(project, ["opencv"], {}, tmp_path / "files")
        assert ("DIST_EXTRA_CONFIG" in made.variables) is windows
        assert (tmp_path / "files" / "distutils.cfg").exists() is windows
        assert (tmp_path / "files" / "opencv4.pc").is_file()
