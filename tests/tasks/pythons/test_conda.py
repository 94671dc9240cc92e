"""The conda environment: what Micromamba is asked for, what it says, how a run that died goes on.

tests/micromamba stands in its place: it really solves, downloads and links, from a channel of small
packages on a server of this machine.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import conda_packages
import pytest
import yaml
from http_server import Page, Server, serve
from micromamba import Micromamba, make_here
from support import ROOT, Recorder, under_wine
from wheel_files import make_wheel

from tasks.core import manifest, process
from tasks.core import project as projects
from tasks.core.config import CondaEnvironment
from tasks.core.config_file import load
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import conda, micromamba

CONFIG = load(ROOT / "config.yaml")
SETTINGS, CUDA = CONFIG.profiles["msvc"].environment, CONFIG.cuda
assert isinstance(SETTINGS, CondaEnvironment)

CHANNEL = "/conda-forge"
PIP = f"{CHANNEL}/noarch/pip-24.0-pyhd8ed1ab_0.conda"
TORCH = f"{CHANNEL}/win-64/pytorch-2.6.0-cpu_generic_py311_h1_0.conda"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if under_wine():
        # A hundred calls of a second or two; and Wine's taskkill ends no children of a program.
        pytest.skip("takes minutes under Wine, where integration/test_conda_under_wine.py does it")
    return make_here(tmp_path_factory.mktemp("micromamba"))


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("channel") / "conda-forge"
    return conda_packages.make_channel(folder, conda_packages.small())


@dataclass
class World:
    """A project in the msvc profile, the Micromamba that it finds, and the server with packages."""

    project: Project
    settings: CondaEnvironment
    micromamba: Micromamba
    server: Server
    recorder: Recorder

    @property
    def prefix(self) -> Path:
        return self.project.environment

    def request(self) -> Path:
        return self.project.root / self.settings.packages

    def ask(self, *entries: str | dict[str, list[str]]) -> None:
        """Ask for these, too, and for nothing of pip's but what is among them."""
        data = yaml.safe_load(self.request().read_text(encoding="utf-8"))
        data["dependencies"] = [d for d in data["dependencies"] if isinstance(d, str)]
        data["dependencies"] += entries
        self.request().write_text(yaml.safe_dump(data), encoding="utf-8")

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
    channel: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    micromamba = Micromamba(tmp_path / "calls.jsonl")
    monkeypatch.setenv("MICROMAMBA_CALLS", str(micromamba.calls_file))
    monkeypatch.setenv("FFCVWIN_PROFILE", "msvc")
    # Otherwise packages would be unpacked at the root of a Windows machine's drive.
    monkeypatch.setattr("tasks.core.long_paths.enabled", lambda: True)
    monkeypatch.setenv("FFCVWIN_CACHE", str(tmp_path / "cache (1)"))
    for name in ("CONDA_OVERRIDE_CUDA", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    project = projects.load(clone)
    settings = project.profile.environment
    assert isinstance(settings, CondaEnvironment)
    made = Made("", where=program, root=program.parent, files=manifest.record(program.parent))
    manifest.write(project.manifest("fetch:micromamba"), made)
    with serve() as server:
        monkeypatch.setenv("MAMBA_CHANNEL_ALIAS", server.url)
        server.pages.update(conda_packages.pages(channel))
        world = World(project, settings, micromamba, server, recorder)
        world.ask()
        yield world


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


def test_the_first_step_has_the_pythons_own_files_and_programs_of_its_packages(world):
    world.make_python()
    record = json.loads(
        (world.prefix / "conda-meta" / "pip-24.0-pyhd8ed1ab_0.json").read_text(encoding="utf-8")
    )
    # A package for every Python lies where this one looks, and gets its programs now.
    assert "Lib/site-packages/pip/__init__.py" in record["files"]
    assert {"Scripts/pip.exe", "Scripts/pip3-script.py"} <= set(record["files"])
    assert all((world.prefix / name).is_file() for name in record["files"])


def test_a_package_finds_the_path_of_the_environment_in_its_files(world):
    world.make_python()
    world.install()
    text = (world.prefix / "Library/lib/pkgconfig/libturbojpeg.pc").read_text(encoding="utf-8")
    assert text == f"prefix={world.prefix.as_posix()}/Library\n"


def test_what_each_step_made_is_recorded_once(world):
    python = world.make_python()
    packages = world.install()
    assert sorted(python.files) == [
        "Lib/os.py",
        "libs/python311.lib",
        "python.exe",
        "python311.dll",
    ]
    assert "Lib/site-packages/pip/__init__.py" in packages.files
    assert "Library/bin/turbojpeg.dll" in packages.files
    assert not set(python.files) & set(packages.files)
    assert not any("__pycache__" in name for name in {*python.files, *packages.files})
    # It grows when people add packages of their own.
    assert (world.prefix / conda.HISTORY).is_file() and conda.HISTORY not in packages.files


def test_what_is_installed_is_exported_without_micromambas_own_messages(world):
    world.make_python()
    world.install()
    listed = yaml.safe_load((world.project.build / "environment.yml").read_text(encoding="utf-8"))
    assert "pytorch=2.6.0=cpu_generic_py311_h1_0" in listed["dependencies"]
    addresses = (world.project.build / "environment.txt").read_text(encoding="utf-8").splitlines()
    assert "@EXPLICIT" in addresses and not any("libmamba" in line for line in addresses)
    # Each where it came from: a mirror, here.
    assert any(line.startswith(f"{world.server.url}{TORCH}#") for line in addresses)


def test_offline_what_was_downloaded_once_is_enough(world, monkeypatch):
    world.make_python()
    world.install()
    world.server.pages.clear()
    monkeypatch.setenv("FFCVWIN_OFFLINE", "1")
    world.project = projects.load(world.project.root)
    remove_tree(world.prefix)
    world.make_python()
    world.install()
    calls = {call["arguments"][0]: call["arguments"] for call in world.micromamba.calls()}
    assert "--offline" in calls["create"] and "--offline" in calls["install"]


def test_offline_what_was_never_downloaded_is_said_to_be_missing(world, monkeypatch):
    monkeypatch.setenv("FFCVWIN_OFFLINE", "1")
    world.project = projects.load(world.project.root)
    assert "this run is offline" in refused(world.make_python).message


def test_what_conda_lacks_is_installed_pinned_and_hashed_and_alone(world, tmp_path, monkeypatch):
    modules = {"fastthing.py": "x = 1\n"}
    line = make_wheel(tmp_path / "wheels", "fastthing", modules, requires="another-torch")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    world.ask({"pip": [line]})
    world.make_python()
    made = world.install()
    assert "Lib/site-packages/fastthing.py" in made.files
    asked = (world.project.build / "env-packages.yml").read_text(encoding="utf-8")
    assert "fastthing" not in asked
    for wrong in (line[:-1] + ("1" if line[-1] == "0" else "0"), "fastthing==1.0"):
        world.ask({"pip": [wrong]})
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
@pytest.mark.parametrize("gpu", ["NVIDIA RTX A2000, 581.29, 8.6", "GTX 1080, 581.29, 6.1"])
def test_cuda_is_taken_where_the_driver_answers(world, tmp_path, monkeypatch, gpu):
    world.make_python()
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "13.0")  # what Micromamba itself sees
    made = world.install(override=None, nvidia_smi=nvidia_smi(tmp_path, 0, gpu))
    assert made.details["pytorch"] == "2.6.0=cuda126_generic_py311_h1_200"
    assert "for CUDA" in made.summary
    assert conda.accelerator(SETTINGS, CUDA, None, None, world.recorder.job) == ["pytorch=*=cpu*"]


@pytest.mark.parametrize(
    ("sees", "said"),
    [("", "pytorch cuda* wants __cuda, which this machine lacks"), ("11.8", "exclude each other")],
)
def test_a_machine_without_the_cuda_that_is_asked_for_is_said(world, monkeypatch, sees, said):
    world.make_python()
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", sees)
    message = refused(lambda: world.install(override="12.6")).message
    assert said in message
    assert "update the driver" in message and "CONDA_OVERRIDE_CUDA=0" in message


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


# --- Downloads that go wrong, and runs that died.


def cut_short(page: Page) -> None:
    """Break off a page as long as `mend` is not called; what is linked meanwhile stays."""
    page.head_delay_s, page.drops = 0.5, [100] * 20


def mend(page: Page) -> None:
    page.head_delay_s, page.drops = 0, []


def test_a_first_step_that_died_begins_anew(world):
    cut_short(world.server.pages[PIP])
    assert "could not be downloaded" in refused(world.make_python).message
    assert (world.prefix / "Lib").is_dir()  # half of it
    assert "pip" not in {record["name"] for record in conda.installed(world.prefix).values()}
    mend(world.server.pages[PIP])
    made = world.make_python()
    assert manifest.record(world.prefix, [world.prefix / n for n in made.files]) == made.files
    assert world.micromamba.commands() == ["create", "clean", "create", "env"]
    assert world.micromamba.calls()[1]["arguments"] == ["clean", "--no-rc", "--yes", "--locks"]


def test_a_second_step_that_died_begins_with_what_the_first_one_made(world):
    python = world.make_python()
    cut_short(world.server.pages[TORCH])
    assert "could not be downloaded" in refused(world.install).message
    mend(world.server.pages[TORCH])
    world.install()
    commands = world.micromamba.commands()
    assert commands == ["create", "env", "install", "clean", "create", "install", "env", "env"]
    again = world.micromamba.calls()[4]["arguments"]
    assert again[-2:] == ["--file", str(conda.base_lock(world.project))]
    assert manifest.record(world.prefix, [world.prefix / n for n in python.files]) == python.files


def test_a_base_that_was_half_made_again_is_not_taken_for_whole(world):
    world.make_python()
    world.install()
    remove_tree(world.project.cache / "pkgs")
    cut_short(world.server.pages[PIP])
    refused(world.install)
    assert not (world.prefix / conda.BEGUN).exists()
    mend(world.server.pages[PIP])
    made = world.install()
    assert "Lib/site-packages/pip/__init__.py" in made.files


def test_an_altered_package_is_not_accepted(world):
    world.make_python()
    page = world.server.pages[TORCH]
    whole = page.body
    page.body = whole[:-1] + bytes([whole[-1] ^ 1])
    error = refused(world.install)
    assert "a package arrived damaged" in error.message
    assert any(TORCH.rpartition("/")[2] in line for line in error.tail)
    page.body = whole
    assert "PyTorch 2.6.0" in world.install().summary


def test_a_mirror_that_lacks_the_channel_is_said(world):
    world.server.pages.clear()
    message = refused(world.make_python).message
    assert "MAMBA_CHANNEL_ALIAS" in message and "envs/" in message


def test_a_server_that_does_not_answer_is_said(world, monkeypatch):
    monkeypatch.setenv("MAMBA_CHANNEL_ALIAS", "http://127.0.0.1:9")
    assert "is the network there?" in refused(world.make_python).message


def test_nothing_of_an_older_request_stays(world):
    world.make_python()
    world.install()
    left = world.prefix / "Lib" / "site-packages" / "torch" / "left.py"
    left.write_text("of another version", encoding="utf-8")
    world.install()
    assert not left.exists()


def test_a_run_that_is_interrupted_goes_on(world):
    world.make_python()
    world.server.pages[TORCH].head_delay_s = 60
    errors: list[BuildError] = []
    thread = threading.Thread(target=lambda: errors.append(refused(world.install)))
    thread.start()
    deadline = time.monotonic() + 30
    numba = world.prefix / "conda-meta" / "numba-0.68.1-py311h1_0.json"
    while not numba.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert numba.exists()  # linked, while PyTorch is on its way
    process.kill_all()
    thread.join(30)
    assert not thread.is_alive() and len(errors) == 1
    world.server.pages[TORCH].head_delay_s = 0
    assert "PyTorch 2.6.0" in world.install().summary
    asked = [request.target for request in world.server.requests]
    assert asked.count("/conda-forge/win-64/numba-0.68.1-py311h1_0.conda") == 1


def test_another_python_than_asked_for_is_refused(world, tmp_path):
    files = [name for name in conda_packages.PYTHON_FILES if not name.startswith("libs/")]
    packages = [conda_packages.python(*files), *conda_packages.small()[1:]]
    folder = conda_packages.make_channel(tmp_path / "other" / "conda-forge", packages)
    world.server.pages.update(conda_packages.pages(folder))
    assert "did not give Python 3.11 for Windows" in refused(world.make_python).message


def test_a_windows_program_is_not_started_elsewhere(world, tmp_path):
    if os.name == "nt":
        pytest.skip("this is Windows")
    program = tmp_path / "micromamba-win-64.exe"
    program.write_bytes(b"MZ")
    made = Made("", where=program)
    manifest.write(world.project.manifest("fetch:micromamba"), made)
    assert "profile=zig" in refused(world.make_python).message


# --- What Micromamba says when it fails, and what is made of it.


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("numba =0.1", "no channel has numba 0.1.*"),
        ("numpy <2", "numpy <2 and numba exclude each other"),
    ],
)
def test_a_conflict_is_one_line_that_says_what_conflicts(world, asked, said):
    world.make_python()
    world.ask(asked)
    error = refused(world.install)
    assert f"no set of packages meets all that is asked for: {said}." in error.message
    assert "Loosen the versions in envs/" in error.message
    assert error.tail[0] == "error    libmamba Could not solve for environment specs"
    assert "numba" in "".join(error.tail[1:])  # the words of the solver itself
    assert world.prefix.is_dir() and (world.prefix / "python.exe").is_file()


# As libmamba writes it: libmamba/tests/src/solver/test_problems_graph.cpp and problems_graph.cpp,
# in https://github.com/mamba-org/mamba.
@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ("The following package could not be installed\n"
         "\u2514\u2500 pytorch >=9 * does not exist (perhaps a typo or a missing channel).",
         "no channel has pytorch >=9"),
        ("The following packages are incompatible\n"
         "\u251c\u2500 numpy <2 * is requested and can be installed;\n"
         "\u2514\u2500 numba =* * is not installable because it requires\n"
         "   \u2514\u2500 numpy >=2 *, which conflicts with any installable versions previously "
         "reported.",
         "numpy <2 and numba exclude each other"),
        ("The following package could not be installed\n"
         "\u2514\u2500 pytorch-gpu is not installable because it requires\n"
         "   \u2514\u2500 __cuda, which is missing on the system.",
         "pytorch-gpu wants __cuda, which this machine lacks"),
        ("The following package could not be installed\n"
         "\u2514\u2500 orphan 1.0 is not installable because it requires\n"
         "   \u2514\u2500 nowhere >=2 , which does not exist (perhaps a missing channel).",
         "orphan 1.0 wants nowhere >=2, which nothing that fits gives"),
        ("nothing provides requested numba 0.1", "no channel has requested numba 0.1"),
        ("another wording", "the conflict is below"),
    ],
)  # fmt: skip
def test_a_conflict_in_libmambas_words_is_understood(tree, said):
    lines = ["error    libmamba Could not solve for environment specs"]
    lines += [f"    {line}" for line in tree.splitlines()]
    assert micromamba.conflict(lines) == said
    assert said in micromamba.reason(lines, offline=False)
    assert "this run is offline" in micromamba.reason(lines, offline=True)


# Lines of libmamba's sources, filled in: see micromamba.py.
@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("critical libmamba Download error (6) Could not resolve hostname", "could not be downl"),
        ("error    libmamba Failed to load subdir: Download error (7) Could not connect\n"
         "critical libmamba Could not solve for environment specs", "could not be downloaded"),
        ("critical libmamba Download error (28) Timeout was reached", "could not be downloaded"),
        ("critical libmamba Transfer finalized, status: 404 [http://mirror/conda-forge/noarch/"
         "repodata.json] 0 bytes", "MAMBA_CHANNEL_ALIAS"),
        ("error    libmamba Failed to download package from http://mirror/x.conda (status 503)",
         "could not be downloaded"),
        ("critical libmamba Transfer finalized, status: 503 [http://mirror/x] 0 bytes",
         "could not be downloaded"),
        ("critical libmamba Subdir conda-forge/noarch not loaded!", "could not be downloaded"),
        ("error    libmamba Download didn't finish!", "could not be downloaded"),
        ("error libmamba [Errno 28] No space left on device", "the disk is full"),
        ("There is not enough space on the disk.", "the disk is full"),
        ("ERROR   The filename or extension is too long.", "LongPathsEnabled"),
        ("Windows long path support appears to be disabled.", "LongPathsEnabled"),
        ("ca-certificates.conda tarball has incorrect SHA256", "arrived damaged"),
        ("error    libmamba File not valid: file size doesn't match expectation x.conda\n"
         "critical libmamba Found incorrect downloads. Aborting", "arrived damaged"),
        ("error    libmamba Error when extracting package: Could not read archive",
         "arrived damaged"),
        ("python311.dll: Access is denied.", "in use"),
        ("something new", "its last lines are below"),
    ],
)  # fmt: skip
def test_a_failure_is_explained(said, meant):
    assert meant in micromamba.reason(said.splitlines(), offline=False)
