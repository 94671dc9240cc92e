"""The Windows Python environment: every file where Windows looks for it."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from wheel_files import make_wheel

from tasks.core import host
from tasks.pythons import portable
from tasks.pythons.portable import UV_PLATFORM, place_runtime, uv_environment


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


def test_uv_installs_where_no_python_is_on_path(tmp_path):
    line = make_wheel(tmp_path / "wheels", "thing", {"thing.py": "x = 1\n"})
    (tmp_path / "requirements.txt").write_text(line, encoding="utf-8")
    env = uv_environment(tmp_path / "cache") | {"PATH": os.environ.get("SYSTEMROOT", "")}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        env.pop(name, None)
    done = subprocess.run(
        [
            host.runner_program("uv"), "pip", "install", "--no-index",
            "--find-links", tmp_path / "wheels", "--python-platform", UV_PLATFORM,
            "--python-version", "3.12", "--target", tmp_path / "out", "--require-hashes",
            "--requirements", tmp_path / "requirements.txt",
        ],
        env=env, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "thing.py").is_file()


def test_uv_trusts_the_certificates_that_requests_is_told_to_trust(tmp_path, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "company.pem")
    assert uv_environment(tmp_path)["SSL_CERT_FILE"] == "company.pem"
    monkeypatch.setenv("SSL_CERT_FILE", "of-uv.pem")
    assert uv_environment(tmp_path)["SSL_CERT_FILE"] == "of-uv.pem"


def test_the_readme_names_the_versions_that_are_installed(tmp_path):
    for name in ("torch-2.15.0", "torchvision-0.29.2+cpu", "torchmetrics-1.0"):
        (tmp_path / f"{name}.dist-info").mkdir()
    text = portable.gpu_readme(tmp_path, "3.12")
    assert "Windows Python 3.12" in text
    assert "torch==2.15.0 torchvision==0.29.2\n" in text


def test_the_command_of_the_readme_has_options_that_uv_knows():
    helped = subprocess.run(
        [host.runner_program("uv"), "pip", "install", "--help"],
        capture_output=True, encoding="utf-8", check=True,
    ).stdout  # fmt: skip
    for option in re.findall(r"--[a-z-]+", portable.README.partition("uv pip")[2]):
        assert option in helped
