"""The conda environment: what Micromamba is asked for, and how a run that died is recovered.

A stand-in for Micromamba, compiled for this machine, is really run: tests/micromamba_standin.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from micromamba_standin import Micromamba, build, lay_conda_packages, make_wheel
from support import ROOT, Recorder

from tasks.core import manifest, process
from tasks.core import project as projects
from tasks.core.config import CondaEnvironment
from tasks.core.config_file import load
from tasks.core.errors import BuildError
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import conda, micromamba

CONFIG = load(ROOT / "config.yaml")
SETTINGS, CUDA = CONFIG.profiles["msvc"].environment, CONFIG.cuda
assert isinstance(SETTINGS, CondaEnvironment)

CONFLICT = """\
conda-forge/win-64   Using cache
error    libmamba Could not solve for environment specs
    The following packages are incompatible
    \u251c\u2500 numpy <2 is requested and can be installed;
    \u2514\u2500 pytorch >=9 does not exist (perhaps a typo or a missing channel).
critical libmamba Could not solve for environment specs
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("standin"), "micromamba", windows=os.name == "nt")


@dataclass
class World:
    """A project in the msvc profile, and the Micromamba that it finds."""

    project: Project
    settings: CondaEnvironment
    micromamba: Micromamba
    recorder: Recorder

    @property
    def prefix(self) -> Path:
        return self.project.environment

    def request(self) -> Path:
        return self.project.root / self.settings.packages

    def make_python(self) -> Made:
        made = conda.make_python(self.project, self.settings, self.recorder.job)
        manifest.write(self.project.manifest("env:python"), made)
        return made

    def install(self, *, override: str | None = "0", nvidia_smi: Path | None = None) -> Made:
        files = [self.request()]
        job = self.recorder.job
        return conda.install_packages(self.project, self.settings, files, override, nvidia_smi, job)


@pytest.fixture
def world(
    clone: Path,
    tmp_path: Path,
    program: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    micromamba = Micromamba(tmp_path / "standin")
    lay_conda_packages(micromamba)
    monkeypatch.setenv("STANDIN", str(micromamba.folder))
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    # Otherwise packages would be unpacked at the root of a Windows machine's drive.
    monkeypatch.setattr("tasks.core.long_paths.enabled", lambda: True)
    monkeypatch.setenv("FFCVWIN_CACHE", str(tmp_path / "cache (1)"))
    project = projects.load(clone)
    settings = project.profile.environment
    assert isinstance(settings, CondaEnvironment)
    made = Made("", where=program, root=program.parent, files=manifest.record(program.parent))
    manifest.write(project.manifest("fetch:micromamba"), made)
    world = World(project, settings, micromamba, recorder)
    data = yaml.safe_load(world.request().read_text(encoding="utf-8"))
    data["dependencies"] = [d for d in data["dependencies"] if isinstance(d, str)]
    world.request().write_text(yaml.safe_dump(data), encoding="utf-8")
    return world


def refused(work: Callable[[], object]) -> BuildError:
    with pytest.raises(BuildError) as caught:
        work()
    assert "\n" not in caught.value.message
    return caught.value


# --- What is asked for.


def test_environment_files_are_put_together_with_pip_apart(clone):
    request = conda.read_request([clone / "envs" / "ffcv.yml", clone / "envs" / "extras.yml"])
    assert request.channels == ("conda-forge",)
    assert "fastai >=2.8" in request.packages and "jupyterlab" in request.packages
    assert all("==" in line and "--hash=sha256:" in line for line in request.pip)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [numpy]", "is no conda environment file"),
        ("channels: [x]\ndependencies: [{conda: [numpy]}]", "is no conda environment file"),
        ("channels: [", "not YAML"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_environment_file_is_refused(tmp_path, text, said):
    path = tmp_path / "x.yml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    message = refused(lambda: conda.read_request([path])).message
    assert message.startswith("x.yml") and said in message


def test_settings_of_the_users_other_environments_do_not_count(monkeypatch):
    for name in ("CONDARC", "CONDA_SUBDIR", "MAMBA_NO_PIN", "MAMBARC", "PYTHONPATH", "CONDA_EXE"):
        monkeypatch.setenv(name, "x")
    for name in ("CONDA_OVERRIDE_CUDA", "MAMBA_CHANNEL_ALIAS", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "kept")
    environment = micromamba.environment(Path("root"), Path("packages"))
    steering = ("CONDA", "MAMBA", "PYTHON")
    assert {n: v for n, v in environment.items() if n.upper().startswith(steering)} == {
        "CONDA_OVERRIDE_CUDA": "kept",
        "MAMBA_CHANNEL_ALIAS": "kept",
        "MAMBA_ROOT_PREFIX": "root",
        "CONDA_PKGS_DIRS": "packages",
        "PYTHONNOUSERSITE": "1",
    }
    assert environment["HTTPS_PROXY"] == "kept"


def test_packages_are_unpacked_near_the_root_where_paths_are_short():
    cache = Path("/home/somebody/AppData/Local/ffcv-windows/Cache")
    drive = Path("/")
    assert micromamba.package_cache(cache, drive, unlimited=True) == cache / "pkgs"
    assert micromamba.package_cache(cache, drive, unlimited=False) == drive / "ffcvwin-pkgs"
    assert micromamba.package_cache(Path("/ffcv"), drive, unlimited=False) == Path("/ffcv/pkgs")


def test_both_steps_ask_micromamba_and_nobody_else(world):
    world.make_python()
    world.install()
    create, export, install, *exports = world.micromamba.calls()
    own = ["--no-rc", "--yes", "--root-prefix", str(world.project.cache / "mamba")]
    prefix = ["--prefix", str(world.prefix)]
    base = world.project.root / "envs" / "base.yml"
    assert create["arguments"] == ["create", *own, *prefix, "--file", str(base), "python=3.11"]
    wanted = world.project.build / "env-packages.yml"
    assert install["arguments"] == ["install", *own, *prefix, "--file", str(wanted)]
    for call in (export, *exports):
        assert call["arguments"][:2] == ["env", "export"] and "--no-rc" in call["arguments"]
    for call in world.micromamba.calls():
        assert call["environment"]["CONDA_PKGS_DIRS"] == str(world.project.cache / "pkgs")


def test_the_second_step_keeps_the_python_that_is_there(world):
    world.make_python()
    world.install()
    wanted = (world.project.build / "env-packages.yml").read_text(encoding="utf-8")
    asked = yaml.safe_load(wanted)["dependencies"]
    assert asked[0] == "python=3.11.9=h631f459_0_cpython"
    assert {"pip", "setuptools"} <= set(asked)
    assert asked[-1] == "pytorch=*=cpu*"


def test_what_each_step_made_is_recorded_once(world):
    python = world.make_python()
    packages = world.install()
    assert sorted(python.files) == [
        "Lib/os.py",
        "libs/python311.lib",
        "python.exe",
        "python311.dll",
    ]
    assert "Lib/site-packages/pip/main.py" in packages.files
    assert "Library/bin/turbojpeg.dll" in packages.files
    assert not set(python.files) & set(packages.files)
    assert not any("__pycache__" in name for name in {*python.files, *packages.files})
    # It grows when people add packages of their own.
    assert (world.prefix / conda.HISTORY).is_file() and conda.HISTORY not in packages.files


def test_what_is_installed_is_exported_without_micromambas_own_messages(world):
    world.make_python()
    world.install()
    listed = yaml.safe_load((world.project.build / "environment.yml").read_text(encoding="utf-8"))
    assert "pytorch-2.6.0-cpu_mkl_py311_h1" in listed["dependencies"]
    addresses = (world.project.build / "environment.txt").read_text(encoding="utf-8").splitlines()
    assert "@EXPLICIT" in addresses and not any("libmamba" in line for line in addresses)


def test_offline_micromamba_is_told_so(world, monkeypatch):
    monkeypatch.setenv("FFCVWIN_OFFLINE", "1")
    world.project = projects.load(world.project.root)
    world.make_python()
    world.install()
    calls = {call["arguments"][0]: call["arguments"] for call in world.micromamba.calls()}
    assert "--offline" in calls["create"] and "--offline" in calls["install"]


def with_pip(world: World, line: str) -> None:
    """Change the request: this line, and no other, is in its pip: section."""
    data = yaml.safe_load(world.request().read_text(encoding="utf-8"))
    data["dependencies"] = [d for d in data["dependencies"] if isinstance(d, str)]
    data["dependencies"].append({"pip": [line]})
    world.request().write_text(yaml.safe_dump(data), encoding="utf-8")


def test_what_conda_lacks_is_installed_pinned_and_hashed_and_alone(world, tmp_path, monkeypatch):
    modules = {"fastthing.py": "x = 1\n"}
    line = make_wheel(tmp_path / "wheels", "fastthing", modules, requires="another-torch")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    with_pip(world, line)
    world.make_python()
    made = world.install()
    assert "Lib/site-packages/fastthing.py" in made.files
    asked = (world.project.build / "env-packages.yml").read_text(encoding="utf-8")
    assert "fastthing" not in asked
    for wrong in (line[:-1] + ("1" if line[-1] == "0" else "0"), "fastthing==1.0"):
        with_pip(world, wrong)
        assert any("hash" in text.lower() for text in refused(world.install).tail)


# --- CUDA or CPU.


def nvidia_smi(folder: Path, status: int, prints: str = "") -> Path:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\necho '{prints}'\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(("override", "cuda"), [("12.6", True), ("0", False), ("", False)])
def test_the_override_of_conda_says_what_gpu_there_is(override, cuda, job):
    found = conda.accelerator(SETTINGS, CUDA, override, Path("no-such-program"), job)
    assert found == [*(SETTINGS.accelerator.cuda if cuda else SETTINGS.accelerator.cpu)]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_cuda_is_taken_where_the_driver_answers(world, tmp_path):
    world.make_python()
    made = world.install(
        override=None, nvidia_smi=nvidia_smi(tmp_path, 0, "NVIDIA RTX A2000, 581.29, 8.6")
    )
    asked = yaml.safe_load((world.project.build / "env-packages.yml").read_text(encoding="utf-8"))
    assert asked["dependencies"][-1] == "pytorch=*=cuda*"
    assert "for CUDA" in made.summary
    assert conda.accelerator(SETTINGS, CUDA, None, None, world.recorder.job) == ["pytorch=*=cpu*"]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_a_driver_that_does_not_answer_is_said(tmp_path, recorder):
    asked = conda.accelerator(SETTINGS, CUDA, None, nvidia_smi(tmp_path, 9), recorder.job)
    assert asked == ["pytorch=*=cpu*"]
    assert "nvidia-smi is there but finds no GPU" in recorder.warnings[0]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_an_old_gpu_keeps_the_solver_from_builds_that_have_no_code_for_it(tmp_path, recorder):
    program = nvidia_smi(tmp_path, 0, "NVIDIA GeForce GTX 1080, 581.29, 6.1")
    asked = conda.accelerator(SETTINGS, CUDA, None, program, recorder.job)
    assert asked == ["pytorch=*=cuda*", "cuda-version <13"]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_a_driver_that_is_too_old_is_said_with_what_to_do(tmp_path, recorder):
    program = nvidia_smi(tmp_path, 0, "NVIDIA GeForce RTX 3080, 471.41, 8.6")
    assert conda.accelerator(SETTINGS, CUDA, None, program, recorder.job) == ["pytorch=*=cpu*"]
    assert "too old a driver for CUDA 12" in recorder.warnings[0]


# --- Runs that died.


def test_a_first_step_that_died_begins_anew(world):
    world.micromamba.misbehave("create", "die")
    refused(world.make_python)
    assert (world.prefix / "Lib").is_dir()  # half of it
    world.micromamba.behave()
    made = world.make_python()
    assert manifest.record(world.prefix, [world.prefix / n for n in made.files]) == made.files
    assert world.micromamba.commands() == ["create", "clean", "create", "env"]
    assert world.micromamba.calls()[1]["arguments"] == ["clean", "--no-rc", "--yes", "--locks"]


def test_a_second_step_that_died_begins_with_what_the_first_one_made(world):
    python = world.make_python()
    world.micromamba.misbehave("install", "die")
    refused(world.install)
    world.micromamba.behave()
    world.install()
    commands = world.micromamba.commands()
    assert commands == ["create", "env", "install", "clean", "create", "install", "env", "env"]
    again = world.micromamba.calls()[4]["arguments"]
    assert again[-2:] == ["--file", str(conda.base_lock(world.project))]
    assert manifest.record(world.prefix, [world.prefix / n for n in python.files]) == python.files


def test_a_base_that_was_half_made_again_is_not_taken_for_whole(world):
    world.make_python()
    world.install()
    world.micromamba.misbehave("create", "die")
    refused(world.install)
    assert not (world.prefix / conda.BEGUN).exists()
    world.micromamba.behave()
    made = world.install()
    assert "Lib/site-packages/pip/main.py" in made.files


def test_nothing_of_an_older_request_stays(world):
    world.make_python()
    world.install()
    left = world.prefix / "Lib" / "site-packages" / "torch" / "left.py"
    left.write_text("of another version", encoding="utf-8")
    world.install()
    assert not left.exists()


def test_a_run_that_is_interrupted_is_recovered(world):
    world.make_python()
    world.micromamba.misbehave("install", "hang")
    errors: list[BuildError] = []
    thread = threading.Thread(target=lambda: errors.append(refused(world.install)))
    thread.start()
    deadline = time.monotonic() + 30
    while "install" not in world.micromamba.commands() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.kill_all()
    thread.join(30)
    assert not thread.is_alive() and len(errors) == 1
    world.micromamba.behave()
    assert "PyTorch 2.6.0" in world.install().summary


def test_another_python_than_asked_for_is_refused(world):
    (world.micromamba.folder / "base" / "libs" / "python311.lib").unlink()
    assert "did not give Python 3.11 for Windows" in refused(world.make_python).message


def test_a_windows_program_is_not_started_elsewhere(world, tmp_path):
    if os.name == "nt":
        pytest.skip("this is Windows")
    program = tmp_path / "micromamba-win-64.exe"
    program.write_bytes(b"MZ")
    made = Made("", where=program)
    manifest.write(world.project.manifest("fetch:micromamba"), made)
    assert "profile=zig" in refused(world.make_python).message


# --- What Micromamba says when it fails, as it says it, and what is made of it.


def test_a_conflict_is_shown_with_the_solvers_reason(world):
    world.make_python()
    world.micromamba.misbehave("install", "fail", CONFLICT)
    error = refused(world.install)
    assert "no set of packages meets all that is asked for" in error.message
    assert error.tail[0] == "error    libmamba Could not solve for environment specs"
    assert any("pytorch >=9 does not exist" in line for line in error.tail)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("critical libmamba Download error (6) Could not resolve hostname", "could not be downl"),
        ("error    libmamba Failed to load subdir: Download error (7) Could not connect\n"
         "critical libmamba Could not solve for environment specs", "could not be downloaded"),
        ("critical libmamba Download error (28) Timeout was reached", "could not be downloaded"),
        ("error libmamba [Errno 28] No space left on device", "the disk is full"),
        ("There is not enough space on the disk.", "the disk is full"),
        ("ERROR   The filename or extension is too long.", "LongPathsEnabled"),
        ("Windows long path support appears to be disabled.", "LongPathsEnabled"),
        ("ca-certificates.conda tarball has incorrect SHA256", "arrived damaged"),
        ("python311.dll: Access is denied.", "in use"),
        ("something new", "its last lines are below"),
    ],
)  # fmt: skip
def test_a_failure_is_explained(said, meant):
    assert meant in micromamba.reason(said.splitlines(), offline=False)


def test_a_conflict_offline_is_a_package_that_is_missing():
    assert "this run is offline" in micromamba.reason(CONFLICT.splitlines(), offline=True)
