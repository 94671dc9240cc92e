"""env:python and env:packages of the msvc profile, run by doit in a Windows Python under Wine.

micromamba-win-64.exe and the packages come from a server on this machine. The program really
solves, downloads and links (tests/micromamba); the packages are small (tests/conda_packages.py).
"""

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import conda_packages
import pytest
import yaml
from clone import Clone
from http_server import Page, Server, serve
from micromamba import Micromamba, make_exe
from support import lay_files, path_for_windows
from wheel_files import make_wheel
from windows_runner import WindowsRunner

pytestmark = pytest.mark.integration

FILE = "micromamba-win-64.exe"
TORCH = "/conda-forge/win-64/pytorch-2.6.0-cuda126_generic_py311_h1_200.conda"


@dataclass
class Machine:
    """A clone of the project on a Windows machine."""

    runner: WindowsRunner
    folder: Path
    micromamba: Micromamba
    server: Server
    variables: dict[str, str]

    @property
    def build(self) -> Path:
        return self.folder / "build" / "msvc-cp311"

    @property
    def doit_command(self) -> list[str]:
        return [path_for_windows(self.runner.python), "-m", "doit"]

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.runner.run(
            [*self.doit_command, *arguments], cwd=self.folder, variables=self.variables
        )
        print(done.stdout)
        return done

    def executed(self, *arguments: str) -> list[str]:
        """The tasks that doit executed."""
        done = self.doit(*arguments)
        assert done.returncode == 0
        return re.findall(r"^(?:ok  |FAIL)  (\S+) ", done.stdout, re.MULTILINE)

    def until_linked(self, record: str) -> None:
        """Wait until a package is in the environment."""
        deadline = time.monotonic() + 120
        path = self.build / "env" / "conda-meta" / record
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert path.exists()


@pytest.fixture
def machine(laid_down: Clone, windows_runner: WindowsRunner, tmp_path: Path) -> Iterator[Machine]:
    folder = tmp_path / "a clone (1)"
    lay_files(folder)
    # `uv pip install --target` puts programs where Linux has them.
    home = windows_runner.python.parent
    (home / "Scripts").mkdir(exist_ok=True)
    shutil.copy(home / "Lib" / "site-packages" / "bin" / "uv.exe", home / "Scripts")
    # Without long paths, packages would be unpacked at the root of the drive: of this machine's.
    key = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem"
    long_paths = ["/v", "LongPathsEnabled", "/t", "REG_DWORD", "/d", "1", "/f"]
    assert windows_runner.run(["reg", "add", key, *long_paths], cwd=tmp_path).returncode == 0
    pip_folder = laid_down.build / "extracted" / "python-3.11" / "Lib" / "site-packages"
    program = make_exe(windows_runner.python, pip_folder)
    micromamba = Micromamba(tmp_path / "calls.jsonl")
    channel = tmp_path / "channel" / "conda-forge"
    conda_packages.make_channel(channel, conda_packages.small())
    pip = make_wheel(tmp_path / "wheels", "fastthing", {"fastthing.py": "x = 1\n"})
    request = folder / "envs" / "ffcv.yml"
    data = yaml.safe_load(request.read_text(encoding="utf-8"))
    data["dependencies"][-1] = {"pip": [pip]}
    request.write_text(yaml.safe_dump(data), encoding="utf-8")
    with serve() as server:
        server.pages.update(conda_packages.pages(channel))
        server.pages[f"/{FILE}"] = Page(program)
        config = folder / "config.yaml"
        data = yaml.safe_load(config.read_text(encoding="utf-8"))
        data["artifacts"]["micromamba"]["sources"] = [
            {"url": f"{server.url}/{FILE}", "sha256": hashlib.sha256(program).hexdigest()}
        ]
        config.write_text(yaml.safe_dump(data), encoding="utf-8")
        variables = {
            **micromamba.variables,
            "MAMBA_CHANNEL_ALIAS": server.url,
            "FFCVWIN_CACHE": path_for_windows(tmp_path / "cache"),
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": path_for_windows(tmp_path / "wheels"),
            "CONDA_OVERRIDE_CUDA": "12.6",
        }
        yield Machine(windows_runner, folder, micromamba, server, variables)


def test_the_environment_is_made_once_and_recovered_when_a_run_is_killed(machine):
    assert machine.executed("env:python") == ["fetch:micromamba", "env:python"]
    machine.server.pages[TORCH].head_delay_s = 600
    process = machine.runner.start(
        [*machine.doit_command, "env"], cwd=machine.folder, variables=machine.variables
    )
    machine.until_linked("numba-0.68.1-py311h1_0.json")  # while PyTorch is on its way
    machine.runner.stop()  # as if the machine lost its power
    process.communicate()
    assert machine.micromamba.commands() == ["create", "env", "install"]

    machine.server.pages[TORCH].head_delay_s = 0
    assert machine.executed("env") == ["env:packages"]
    commands = machine.micromamba.commands()[3:]
    assert commands == ["clean", "create", "install", "env", "env"]
    environment = machine.build / "env"
    for name in (
        "python.exe",
        "Library/bin/turbojpeg.dll",
        "Lib/site-packages/fastthing.py",
        "Scripts/pip.exe",
    ):
        assert (environment / name).is_file()
    asked = yaml.safe_load((machine.build / "env-packages.yml").read_text(encoding="utf-8"))
    assert asked["dependencies"][-1] == "pytorch=*=cuda*"
    packages = {call["environment"]["CONDA_PKGS_DIRS"] for call in machine.micromamba.calls()}
    assert packages == {path_for_windows(machine.folder.parent / "cache" / "pkgs")}

    assert machine.executed("env") == []  # nothing runs twice
    (environment / "Library" / "bin" / "turbojpeg.dll").write_text("altered", encoding="utf-8")
    assert machine.executed("env", "libs:libjpeg-turbo") == ["env:packages", "libs:libjpeg-turbo"]
    assert (machine.build / "libs" / "libjpeg-turbo" / "bin" / "turbojpeg.dll").is_file()


def test_a_conflict_ends_as_one_line_and_the_solvers_reason(machine):
    request = machine.folder / "envs" / "ffcv.yml"
    data = yaml.safe_load(request.read_text(encoding="utf-8"))
    data["dependencies"].insert(0, "numpy <2")
    request.write_text(yaml.safe_dump(data), encoding="utf-8")
    done = machine.doit("env")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "all that is asked for: numpy <2 and numba exclude each other." in said
    assert "numba 0.68.1 would require" in said
    assert "Traceback" not in done.stdout


def test_a_machine_without_the_cuda_that_is_asked_for_is_said(machine):
    machine.variables["CONDA_OVERRIDE_CUDA"] = "11.8"
    done = machine.doit("env")
    assert done.returncode == 1
    assert "update the driver" in " ".join(done.stdout.split())
