"""bootstrap.bat, run by Wine's cmd.exe: it really downloads, hashes, installs with pip and starts.

Wine has no curl.exe and tar.exe, and a certutil.exe that does nothing: tests/windows_programs has
programs in their place. micromamba.exe cannot be had here; tests/micromamba in its place really
solves and links a real Windows Python and its pip, which are packages on a server of this machine.
In it pip installs hash-locked wheels. Those are called doit and pytest, and print how they were
called; the last test here starts the real doit.

Wine's cmd.exe is not Microsoft's. Its && and || ignore the exit status, it takes no redirection
in the command of a for /f, it cannot compare strings with quotes in them, it loses a % of
%~dp0, and endlocal forgets a pushd. The batch file does without the first four; a path with a %
is not tried here.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import conda_packages
import pytest
from conda_packages import Package
from http_server import Page, Server, serve
from micromamba import Micromamba, make_exe
from support import ROOT, lay_files, path_for_windows
from wheel_files import make_wheel
from windows_programs import build
from windows_runner import WindowsRunner

pytestmark = pytest.mark.integration

NAME = "50 (x86) & a!b^c é"
EXE = "/2.9.0-0/micromamba-win-64.exe"
RELEASED = "/2.9.0-0/micromamba-win-64.sha256"
MAIN = """\
import json, os, sys
print(json.dumps({"module": __spec__.parent, "arguments": sys.argv[1:], "folder": os.getcwd()}))
sys.exit(int(os.environ.get("STATUS", "0")))
"""
NOT_NEEDED = {
    "tcl", "Tools", "include", "Scripts", "ensurepip", "idlelib", "lib2to3", "site-packages",
    "test", "tkinter", "turtledemo", "__pycache__",
}  # fmt: skip
CHANNEL = "/conda-forge"


@dataclass
class Machine:
    """A clone on a Windows machine, and the internet that it sees."""

    runner: WindowsRunner
    folder: Path
    cache: Path
    server: Server
    micromamba: Micromamba
    program: bytes
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def cached(self) -> Path:
        sha256 = hashlib.sha256(self.program).hexdigest()
        return self.cache / "downloads" / sha256 / "micromamba-win-64.exe"

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.command("bootstrap.bat", *arguments, **variables)

    def command(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = self.runner.run(
            ["cmd", "/c", *words], cwd=self.folder, variables=self.variables | variables
        )
        print(done.stdout)
        return done

    def refused(self, *arguments: str, **variables: str) -> str:
        """The one line that says why it stops."""
        done = self.run(*arguments, **variables)
        assert done.returncode == 1
        said = [line for line in done.stdout.splitlines() if line.startswith("bootstrap: ")]
        assert len(said) == 1
        return said[0]


def asked_of_the_release(machine: Machine) -> list[str]:
    """What was asked for beside packages."""
    asked = [request.target for request in machine.server.requests]
    return [target for target in asked if not target.startswith(CHANNEL)]


def started(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the stand-in for doit or pytest says of its call."""
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="session")
def kit(
    laid_down: Any, windows_runner: WindowsRunner, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Programs, a Windows Python with pip, and wheels."""
    folder = tmp_path_factory.mktemp("kit")
    for name in ("curl", "certutil"):
        build(folder / "programs", name)
    shutil.copy(folder / "programs" / "curl.exe", folder / "programs" / "tar.exe")
    python = laid_down.build / "extracted" / "python-3.11"
    site_packages = python / "Lib" / "site-packages"
    (folder / "micromamba.exe").write_bytes(make_exe(windows_runner.python, site_packages))
    files = {
        path.relative_to(python).as_posix(): path
        for path in python.rglob("*")
        if path.is_file() and not NOT_NEEDED & set(path.relative_to(python).parts)
    }
    packages = [p for p in conda_packages.from_installed(site_packages, {}) if p.name == "pip"]
    packages.append(Package("python", "3.11.9", "h631f459_0_cpython", files=files))
    conda_packages.make_channel(folder / "channel" / "conda-forge", packages)
    lines = [
        make_wheel(
            folder / "wheels", name, {f"{name}/__init__.py": "", f"{name}/__main__.py": MAIN}
        )
        for name in ("doit", "pytest")
    ]
    (folder / "runner.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def make_machine(kit: Path, folder: Path, runner: WindowsRunner, server: Server) -> Machine:
    program = (kit / "micromamba.exe").read_bytes()
    clone = folder / NAME
    (clone / "envs").mkdir(parents=True)
    shutil.copy(ROOT / "bootstrap.bat", clone)
    shutil.copy(ROOT / "envs" / "bootstrap.yml", clone / "envs")
    shutil.copy(kit / "runner.txt", clone / "envs")
    sha256 = hashlib.sha256(program).hexdigest()
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    text, urls = re.subn(r"https://\S+/micromamba-win-64\.exe", server.url + EXE, text)
    text, hashes = re.subn(
        rf"({re.escape(server.url + EXE)}\s+sha256: )[0-9a-f]{{64}}", rf"\g<1>{sha256}", text
    )
    assert urls == hashes == 1
    (clone / "config.yaml").write_text(text, encoding="utf-8", newline="\n")
    server.pages.update(conda_packages.pages(kit / "channel" / "conda-forge"))
    server.pages[EXE] = Page(program)
    server.pages[RELEASED] = Page(sha256.encode())
    cache = folder / "the cache (1)"
    micromamba = Micromamba(folder / "calls.jsonl")
    variables = {
        **micromamba.variables,
        "MAMBA_CHANNEL_ALIAS": server.url,
        "WINEPATH": path_for_windows(kit / "programs"),
        "FFCVWIN_CACHE": path_for_windows(cache),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": path_for_windows(kit / "wheels"),
    }
    return Machine(runner, clone, cache, server, micromamba, program, variables)


@pytest.fixture
def machine(kit: Path, tmp_path: Path, windows_runner: WindowsRunner) -> Iterator[Machine]:
    """A fresh one."""
    with serve() as server:
        yield make_machine(kit, tmp_path, windows_runner, server)


@pytest.fixture(scope="module")
def used(
    kit: Path, windows_runner: WindowsRunner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, subprocess.CompletedProcess[str]]]:
    """One on which bootstrap.bat has run, and that run."""
    with serve() as server:
        made = make_machine(kit, tmp_path_factory.mktemp("used"), windows_runner, server)
        yield made, made.run(
            CONDARC="x", CONDA_SUBDIR="linux-64", MAMBA_NO_PIN="1", MAMBA_SSL_VERIFY="C:\\ca.pem",
            PYTHONPATH="C:\\other",
        )  # fmt: skip


def without_packages(machine: Machine) -> None:
    """Take the packages off the server, so that Micromamba fails."""
    for path in [path for path in machine.server.pages if path.startswith(CHANNEL)]:
        del machine.server.pages[path]


# --- From nothing.


def test_the_first_run_makes_the_runner_and_starts_doit(used):
    machine, first = used
    assert first.returncode == 0
    call = started(first)
    assert call == {
        "module": "doit", "arguments": [], "folder": path_for_windows(machine.folder)
    }  # fmt: skip
    assert asked_of_the_release(machine) == [EXE, RELEASED]


def test_micromamba_is_where_the_graph_looks_for_it_and_nothing_else_is(used):
    machine, _ = used
    assert machine.cached.read_bytes() == machine.program
    assert [*machine.cached.parent.iterdir()] == [machine.cached]


def test_micromamba_gets_folders_of_its_own_and_none_of_the_users_settings(used):
    machine, _ = used
    (call,) = machine.micromamba.calls()
    root, packages = machine.cache / "mamba", machine.cache / "pkgs"
    assert call["arguments"] == [
        "create", "--no-rc", "--yes", "--root-prefix", path_for_windows(root),
        "--prefix", path_for_windows(machine.folder / ".runner"), "--file", "envs\\bootstrap.yml",
    ]  # fmt: skip
    steering = ("CONDA", "MAMBA", "PYTHON")
    theirs = machine.runner.environment()  # what the tests themselves run with
    given = {
        name: value
        for name, value in call["environment"].items()
        if name.startswith(steering) and name not in theirs
    }
    assert given == {
        "MAMBA_CHANNEL_ALIAS": machine.server.url,
        "MAMBA_ROOT_PREFIX": path_for_windows(root),
        "CONDA_PKGS_DIRS": path_for_windows(packages),
        "MAMBA_SSL_VERIFY": "C:\\ca.pem",
        "PYTHONNOUSERSITE": "1",
    }


# --- Again.


def test_a_second_run_goes_straight_to_doit_with_its_arguments(used):
    machine, _ = used
    asked, calls = len(machine.server.requests), len(machine.micromamba.calls())
    begun = time.monotonic()
    done = machine.run("profile=zig", "a,b;c", "d e", "x & y")
    print(f"{time.monotonic() - begun:.1f} s")
    assert started(done)["arguments"] == ["profile=zig", "a,b;c", "d e", "x & y"]
    assert (len(machine.server.requests), len(machine.micromamba.calls())) == (asked, calls)


def test_the_word_test_runs_pytest_with_the_rest(used):
    machine, _ = used
    call = started(machine.run("test", "-k", "a test & x=1,2", "--maxfail=1"))
    assert call["module"] == "pytest"
    assert call["arguments"] == ["-n", "auto", "-k", "a test & x=1,2", "--maxfail=1"]
    assert started(machine.run("TEST"))["arguments"] == ["-n", "auto"]


def test_the_words_test_fast_leave_out_the_integration(used):
    machine, _ = used
    fast = ["-n", "auto", "-m", "not integration"]
    assert started(machine.run("test", "fast"))["arguments"] == fast
    assert started(machine.run("test", "fast", "-k", "a & b"))["arguments"] == [
        *fast,
        "-k",
        "a & b",
    ]


@pytest.mark.parametrize("words", [("list",), ("test",)])
def test_the_exit_status_is_handed_on(used, words):
    machine, _ = used
    assert machine.run(*words, STATUS="3").returncode == 3


def test_it_can_be_started_from_another_folder(used):
    machine, _ = used
    link = machine.folder.with_name("clone")
    link.symlink_to(machine.folder)
    done = machine.runner.run(
        ["cmd", "/c", "clone\\bootstrap.bat", "list"],
        cwd=link.parent, variables=machine.variables,
    )  # fmt: skip
    assert started(done)["folder"] == path_for_windows(link)


@pytest.mark.parametrize("word", ["/?", "/h", "-h", "--help"])
def test_help_is_printed_and_nothing_is_made(machine, word):
    done = machine.run(word)
    assert done.returncode == 0 and "bootstrap.bat test" in done.stdout
    assert not machine.cache.exists()


# --- What is half made, or old.


def test_a_runner_that_is_half_made_is_made_anew(machine):
    (pip,) = (page for path, page in machine.server.pages.items() if "/pip-" in path)
    pip.head_delay_s, pip.drops = 3, [1000] * 20
    assert "could not make the Python that runs doit" in machine.refused()
    assert (machine.folder / ".runner" / "python.exe").is_file()
    pip.head_delay_s, pip.drops = 0, []
    assert started(machine.run())["module"] == "doit"
    # Requirements that changed are installed into a new one.
    requirements = machine.folder / "envs" / "runner.txt"
    text = requirements.read_text(encoding="utf-8")
    requirements.write_text(text + "# changed\n", encoding="utf-8")
    left = machine.folder / ".runner" / "left"
    left.touch()
    assert started(machine.run())["module"] == "doit"
    assert not left.exists() and machine.micromamba.commands() == ["create"] * 3
    assert len(asked_of_the_release(machine)) == 2  # Micromamba itself was there


def test_requirements_that_cannot_be_installed_leave_no_runner_that_is_believed(machine):
    requirements = machine.folder / "envs" / "runner.txt"
    text = requirements.read_text(encoding="utf-8")
    requirements.write_text(re.sub(r"sha256:.", "sha256:g", text, count=1), encoding="utf-8")
    assert "the requirements could not be installed" in machine.refused()
    assert not (machine.folder / ".runner" / "runner.txt").exists()


def test_a_cached_micromamba_that_was_altered_is_fetched_again(machine):
    machine.cached.parent.mkdir(parents=True)
    machine.cached.write_bytes(machine.program[:-1])
    without_packages(machine)
    machine.refused()
    assert machine.cached.read_bytes() == machine.program
    assert machine.micromamba.commands() == ["create"]


# --- Downloads that go wrong.


def not_accepted(machine: Machine) -> bool:
    """Whether nothing was left of the download, and nothing was run."""
    left = [*machine.cache.rglob("*.exe*")]
    return not left and not machine.micromamba.calls() and not (machine.folder / ".runner").exists()


def test_another_file_than_the_pinned_one_is_discarded(machine):
    machine.server.pages[EXE] = Page(machine.program + b"!")
    message = machine.refused()
    assert "is not the expected file and was discarded" in message
    assert hashlib.sha256(machine.program).hexdigest()[:12] in message
    assert hashlib.sha256(machine.program + b"!").hexdigest()[:12] in message
    assert not_accepted(machine)


def test_a_release_that_says_another_hash_is_not_trusted(machine):
    machine.server.pages[RELEASED] = Page(b"0" * 64)
    assert "000000000000... instead of" in machine.refused()
    assert not_accepted(machine)


@pytest.mark.parametrize("page", [Page(b'{"error": "log in <b>first</b>"}'), Page(b""), None])
def test_a_release_that_says_no_hash_is_no_obstacle(machine, page):
    if page is None:
        del machine.server.pages[RELEASED]
    else:
        machine.server.pages[RELEASED] = page
    without_packages(machine)
    assert "could not make the Python" in machine.refused()
    assert machine.micromamba.commands() == ["create"]
    assert [*machine.cached.parent.iterdir()] == [machine.cached]


def test_a_truncated_download_is_not_accepted(machine):
    machine.server.pages[EXE].drops.append(1000)
    assert "could not be downloaded" in machine.refused()
    assert not_accepted(machine)


def test_a_page_that_is_not_there_is_said_with_its_address(machine):
    del machine.server.pages[EXE]
    message = machine.refused()
    assert "could not be downloaded" in message and machine.server.url + EXE in message
    assert not_accepted(machine)


def test_a_config_without_a_pin_is_refused(machine):
    path = machine.folder / "config.yaml"
    path.write_text("artifacts:\n  micromamba:\n", encoding="utf-8")
    assert "config.yaml has no url with a sha256" in machine.refused()


# --- Where it cannot work.


@pytest.mark.parametrize("name", ["CONDA_PREFIX", "VIRTUAL_ENV"])
def test_an_activated_environment_is_refused(machine, name):
    message = machine.refused(**{name: "C:\\Users\\A (B) & C\\env"})
    assert "a Python environment is activated" in message
    assert '"C:\\Users\\A (B) & C\\env"' in message
    assert not machine.cache.exists()


def test_a_32_bit_windows_is_refused_but_not_a_32_bit_program_on_a_64_bit_one(machine):
    without_packages(machine)
    done = machine.command("set PROCESSOR_ARCHITECTURE=x86&bootstrap.bat")
    assert done.returncode == 1 and "this is a 32-bit Windows" in done.stdout
    wow64 = "set PROCESSOR_ARCHITECTURE=x86&set PROCESSOR_ARCHITEW6432=AMD64&bootstrap.bat"
    assert "32-bit" not in machine.command(wow64).stdout


@pytest.mark.parametrize("name", ["curl.exe", "tar.exe"])
def test_a_windows_without_curl_or_tar_is_refused(machine, kit, tmp_path, name):
    programs = tmp_path / "programs"
    shutil.copytree(kit / "programs", programs, ignore=shutil.ignore_patterns(name))
    message = machine.refused(WINEPATH=path_for_windows(programs))
    assert f"{name} was not found" in message and "1803" in message


def test_a_folder_that_cannot_be_written_is_refused(machine):
    # Root may write where permissions forbid it, but not where the file system does.
    chattr = shutil.which("chattr")
    if os.geteuid() != 0:
        machine.folder.chmod(0o555)
    elif chattr is None or subprocess.run([chattr, "+i", machine.folder], check=False).returncode:
        pytest.skip("this file system has no immutable folders, and root may write elsewhere")
    try:
        message = machine.refused()
    finally:
        if os.geteuid() != 0:
            machine.folder.chmod(0o755)
        else:
            subprocess.run([str(chattr), "-i", machine.folder], check=True)
    assert "cannot be written" in message and "copy it to a folder of your own" in message


def test_a_cache_that_cannot_be_made_is_refused(machine, tmp_path):
    (tmp_path / "file").touch()
    cache = path_for_windows(tmp_path / "file" / "cache")
    assert "set FFCVWIN_CACHE" in machine.refused(FFCVWIN_CACHE=cache)


# --- The real project.


def test_the_real_doit_lists_the_tasks_of_the_msvc_profile(windows_runner, tmp_path):
    lay_files(tmp_path)
    home = windows_runner.python.parent
    (tmp_path / ".runner").symlink_to(home)
    stamps = [home / "bootstrap.yml", home / "runner.txt"]
    for stamp in stamps:
        shutil.copy(ROOT / "envs" / stamp.name, stamp)
    try:
        done = windows_runner.run(["cmd", "/c", "bootstrap.bat", "list", "--all"], cwd=tmp_path)
    finally:
        for stamp in stamps:
            stamp.unlink()
    assert done.returncode == 0, done.stdout
    assert re.search(r"^env:packages +install what ffcv\.yml says", done.stdout, re.MULTILINE)
