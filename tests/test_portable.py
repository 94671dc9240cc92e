"""The Windows Python environment: every file where Windows looks for it."""

from pathlib import Path

import pytest

from tasks.portable import place_runtime


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    folder = tmp_path / "Lib" / "site-packages"
    (folder / "Scripts").mkdir(parents=True)
    (folder / "torch").mkdir()
    for name in ("msvcp140.dll", "vcruntime140.dll", "Scripts/msvcp140.dll", "torch/c10.dll"):
        (folder / name).write_text("of the wheel", encoding="utf-8")
    return folder


def test_runtime_dlls_of_a_wheel_go_beside_python_exe(site_packages, tmp_path):
    (tmp_path / "vcruntime140.dll").write_text("Python's own", encoding="utf-8")
    placed = place_runtime(site_packages, tmp_path, {"vcruntime140.dll"})
    assert placed == [tmp_path / "msvcp140.dll"]
    assert (tmp_path / "vcruntime140.dll").read_text(encoding="utf-8") == "Python's own"
    left = [p.relative_to(site_packages).as_posix() for p in site_packages.rglob("*.dll")]
    assert left == ["torch/c10.dll"]


def test_placing_again_replaces_what_an_older_wheel_brought(site_packages, tmp_path):
    (tmp_path / "msvcp140.dll").write_text("older", encoding="utf-8")
    place_runtime(site_packages, tmp_path, set())
    assert (tmp_path / "msvcp140.dll").read_text(encoding="utf-8") == "of the wheel"
