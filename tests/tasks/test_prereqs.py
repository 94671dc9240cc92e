"""What the machine has is said in a line each; nothing that is missing makes the stage fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from visual_studio import lay_portable

from tasks import prereqs
from tasks.core import long_paths, project
from tasks.core.job import Job


@pytest.fixture
def lines(clone: Path, job: Job) -> dict[str, prereqs.Line]:
    return {line.what: line for line in prereqs.look(project.load(clone), job)}


def test_every_line_says_something(lines):
    assert all(line.detail for line in lines.values())
    assert {line.state for line in lines.values()} <= {"ok", "missing", "info"}


def enormous(config: dict) -> None:
    """No machine has room for such a build."""
    for profile in config["profiles"].values():
        profile["disk_gb"] = 100_000


def test_a_full_disk_is_missing_space(clone, edit_config, job):
    edit_config(enormous)
    disk = {line.what: line for line in prereqs.look(project.load(clone), job)}["disk, build"]
    assert disk.state == "missing"
    assert "a full build takes" in disk.detail


def test_what_is_missing_is_a_warning_and_no_failure(clone, edit_config, recorder):
    edit_config(enormous)
    loaded = project.load(clone)
    made = prereqs.report(loaded, recorder.job)
    assert made.summary.startswith("missing: ")
    assert any("disk" in warning for warning in recorder.warnings)
    assert made.where is not None
    assert isinstance(json.loads(made.where.read_text(encoding="utf-8")), list)


@pytest.mark.skipif(sys.platform != "win32", reason="reads the registry of Windows")
def test_the_long_path_setting_is_what_reg_says(lines):
    key = rf"HKLM\{long_paths.KEY}"
    asked = subprocess.run(
        ["reg", "query", key, "/v", long_paths.VALUE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    on = asked.returncode == 0 and "0x1" in asked.stdout
    line = lines["long paths"]
    assert line.state == ("ok" if on else "info")
    assert on or "reg add" in line.detail


@pytest.mark.skipif(sys.platform != "win32", reason="looks for Visual Studio")
def test_without_a_compiler_the_command_that_installs_one_is_given(lines):
    compiler = lines["compiler"]
    assert compiler.state == "ok" or "winget install" in compiler.detail


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has a compiler of its own")
def test_the_msvc_profile_is_for_windows(clone, monkeypatch, job):
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    found = {line.what: line for line in prereqs.look(project.load(clone), job)}
    assert "needs Windows; here, run doit profile=msvc-portable" in found["compiler"].detail


@pytest.mark.skipif(sys.platform == "win32", reason="looks for Visual Studio")
def test_a_compiler_in_a_folder_is_named(clone, monkeypatch, job, tmp_path):
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc-portable")
    monkeypatch.setenv("BUILDTOOLS", str(lay_portable(tmp_path / "tools")))
    compiler = {line.what: line for line in prereqs.look(project.load(clone), job)}["compiler"]
    assert (compiler.state, compiler.detail) == (
        "ok",
        f"toolset 14.44.35207, Windows SDK 10.0.26100.0, in {tmp_path / 'tools'}",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has these settings")
def test_only_windows_is_asked_for_windows_settings(lines):
    assert not {"long paths", "virus scanner"} & set(lines)
