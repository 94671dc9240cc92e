"""env:python and env:packages of the msvc profile, run by doit in a Windows Python under Wine.

micromamba-win-64.exe comes from a server on this machine, and is a stand-in that writes down how
it was called and lays down a small environment: tests/micromamba_standin/micromamba.c.
"""

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from http_server import Page, serve
from micromamba_standin import Micromamba, build, lay_conda_packages, make_wheel
from support import lay_files, path_for_windows
from windows_runner import WindowsRunner

pytestmark = pytest.mark.integration

FILE = "micromamba-win-64.exe"


@dataclass
class Machine:
    """A clone of the project on a Windows machine."""

    runner: WindowsRunner
    folder: Path
    micromamba: Micromamba
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


@pytest.fixture
def machine(windows_runner: WindowsRunner, tmp_path: Path) -> Iterator[Machine]:
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
    program = build(tmp_path / "program", "micromamba", windows=True).read_bytes()
    micromamba = Micromamba(tmp_path / "standin")
    lay_conda_packages(micromamba)
    pip = make_wheel(tmp_path / "wheels", "fastthing", {"fastthing.py": "x = 1\n"})
    request = folder / "envs" / "ffcv.yml"
    data = yaml.safe_load(request.read_text(encoding="utf-8"))
    data["dependencies"][-1] = {"pip": [pip]}
    request.write_text(yaml.safe_dump(data), encoding="utf-8")
    with serve() as server:
        server.pages[f"/{FILE}"] = Page(program)
        config = folder / "config.yaml"
        data = yaml.safe_load(config.read_text(encoding="utf-8"))
        data["artifacts"]["micromamba"]["sources"] = [
            {"url": f"{server.url}/{FILE}", "sha256": hashlib.sha256(program).hexdigest()}
        ]
        config.write_text(yaml.safe_dump(data), encoding="utf-8")
        variables = {
            "STANDIN": path_for_windows(micromamba.folder),
            "FFCVWIN_CACHE": path_for_windows(tmp_path / "cache"),
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": path_for_windows(tmp_path / "wheels"),
            "CONDA_OVERRIDE_CUDA": "12.6",
        }
        yield Machine(windows_runner, folder, micromamba, variables)


def test_the_environment_is_made_once_and_recovered_when_a_run_is_killed(machine):
    assert machine.executed("env:python") == ["fetch:micromamba", "env:python"]
    machine.micromamba.misbehave("install", "hang")
    process = machine.runner.start(
        [*machine.doit_command, "env"], cwd=machine.folder, variables=machine.variables
    )
    deadline = time.monotonic() + 120
    while "install" not in machine.micromamba.commands() and time.monotonic() < deadline:
        time.sleep(0.2)
    machine.runner.stop()  # as if the machine lost its power
    process.communicate()
    assert machine.micromamba.commands() == ["create", "env", "install"]

    machine.micromamba.behave()
    assert machine.executed("env") == ["env:packages"]
    commands = machine.micromamba.commands()[3:]
    assert commands == ["clean", "create", "install", "env", "env"]
    environment = machine.build / "env"
    for name in ("python.exe", "Library/bin/turbojpeg.dll", "Lib/site-packages/fastthing.py"):
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
    machine.micromamba.misbehave(
        "install", "fail",
        "error    libmamba Could not solve for environment specs\n"
        "    The following package could not be installed\n"
        "    \u2514\u2500 numba =0.1 does not exist (perhaps a typo or a missing channel).\n",
    )  # fmt: skip
    done = machine.doit("env")
    assert done.returncode == 1
    assert "no set of packages meets all that is asked for" in " ".join(done.stdout.split())
    assert "numba =0.1 does not exist" in done.stdout
    assert "Traceback" not in done.stdout
