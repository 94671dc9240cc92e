"""The whole graph of the msvc profile: bootstrap.bat in Wine's cmd.exe, doit in a Windows Python.

Downloads, unpacking, two steps of Micromamba, staging, the search for Visual Studio, FFCV's own
build by setuptools' MSVC class with Microsoft's compiler, DLLs in Library/bin, the checks: the
code that runs is what runs on Windows. What cannot be had here is replaced by something that does
the same work:

    Micromamba           its command line on rattler, which solves and links (tests/micromamba)
    conda-forge          a channel made from the Windows Python and the wheels of the zig profile
    conda's Python       python.org's; it gets Library/bin by a sitecustomize, not by a patch
    OpenCV's release     an archive of that name and layout with the OpenCV that cl.exe built
    the installer        Microsoft's programs lie where it puts them (studio.py)

The runner, which bootstrap.bat makes at first, is there already; test_bootstrap_bat.py is about
that.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

import conda_packages
import py7zr
import pytest
import setuptools
import studio
import support
import yaml
from clone import Clone, MsvcClone
from conda_packages import Package
from http_server import Page, Server, serve
from micromamba import Micromamba, make_exe
from pe_files import zig
from support import ROOT, path_for_windows
from windows_runner import WindowsRunner

from dllwhy import pe

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]

# What builds wheels: envs/base.yml; the environment of the zig profile has no need of it.
BASE_PACKAGES = ("python-build", "pyproject-hooks", "wheel")
RUNTIME = ("concrt140*.dll", "msvcp140*.dll", "vc*140*.dll")
# https://github.com/conda-forge/python-feedstock adds this folder in C.
SITECUSTOMIZE = b"""\
import os, sys
os.add_dll_directory(os.path.join(sys.prefix, "Library", "bin"))
"""


def packages(built: Path, runner: WindowsRunner, work: Path) -> list[Package]:
    """What envs/*.yml name and need, from what the zig profile and the runner hold."""
    env, site = built / "env", PurePosixPath(conda_packages.SITE)
    runtime = {path.name: path for pattern in RUNTIME for path in env.glob(pattern)}
    python: dict[str, bytes | Path] = {
        path.relative_to(env).as_posix(): path
        for path in env.rglob("*")
        if path.is_file() and path.name not in runtime
        and not {"site-packages", "Scripts", "__pycache__"} & set(path.relative_to(env).parts)
    }  # fmt: skip
    python[f"{site}/sitecustomize.py"] = SITECUSTOMIZE
    wheels = conda_packages.from_installed(env / site, {"torch": "cpu_generic_py311_h1_0"})
    for_base = conda_packages.from_installed(runner.python.parent / site, {})
    opencv = next(wheel.version for wheel in wheels if wheel.name == "py-opencv")
    return [
        *(wheel for wheel in wheels if wheel.name not in ("ffcv", "fastxtend", "vc14_runtime")),
        *(wheel for wheel in for_base if wheel.name in BASE_PACKAGES),
        replace(conda_packages.python(), files=python),
        conda_packages.PYTHON_ABI,
        Package("vc14_runtime", "14.44.35112", files=runtime),
        Package("opencv", opencv, depends=(f"py-opencv {opencv}",)),
        jpeg(built / "libs" / "libjpeg-turbo", work),
    ]


def jpeg(prefix: Path, work: Path) -> Package:
    """libjpeg-turbo as conda-forge lays it down, with the DLL."""
    zig(
        work, "cc", "-target", "x86_64-windows-gnu", "-shared", "-o", "turbojpeg.dll",
        "-Wl,--whole-archive", str(prefix / "lib" / "libturbojpeg.a"), "-Wl,--no-whole-archive",
        "-Wl,--out-implib,turbojpeg.lib",
    )  # fmt: skip
    files = {
        "Library/bin/turbojpeg.dll": work / "turbojpeg.dll",
        "Library/include/turbojpeg.h": prefix / "include" / "turbojpeg.h",
        "Library/lib/turbojpeg.lib": work / "turbojpeg.lib",
    }
    return Package("libjpeg-turbo", "3.1.2", files=files)


def opencv_release(msvc: MsvcClone, work: Path) -> bytes:
    """A self-extracting archive like OpenCV's; its one import library leads to two DLLs."""
    prefix = msvc.build / "libs" / "opencv"
    libraries = sorted(map(str, (prefix / "lib").glob("*.lib")))
    msvc.call("lib", "/nologo", "/out:opencv_world460.lib", *libraries, cwd=work)
    stream = io.BytesIO()
    with py7zr.SevenZipFile(stream, "w", filters=[{"id": py7zr.FILTER_COPY}]) as archive:
        archive.writeall(prefix / "include", "opencv/build/include")
        archive.writeall(prefix / "bin", "opencv/build/x64/vc15/bin")
        archive.write(work / "opencv_world460.lib", "opencv/build/x64/vc15/lib/opencv_world460.lib")
    return Path(setuptools.__file__).with_name("cli-64.exe").read_bytes() + stream.getvalue()


def pthreads_release(built: Path) -> bytes:
    """An archive like pthreads-win32's."""
    prefix = built / "libs" / "pthreads"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for header in (prefix / "include").iterdir():
            archive.write(header, f"Pre-built.2/include/{header.name}")
        archive.write(prefix / "bin" / "pthreadVC2.dll", "Pre-built.2/dll/x64/pthreadVC2.dll")
        archive.write(prefix / "lib" / "pthreadVC2.lib", "Pre-built.2/lib/x64/pthreadVC2.lib")
    return stream.getvalue()


class Machine:
    """A Windows machine with a clone of the project."""

    def __init__(self, runner: WindowsRunner, folder: Path, variables: dict[str, str]):
        self.runner, self.folder, self.variables = runner, folder, variables

    @property
    def build(self) -> Path:
        return self.folder / "build" / "msvc-cp311"

    @property
    def library_bin(self) -> set[str]:
        return {path.name for path in (self.build / "env" / "Library" / "bin").iterdir()}

    @property
    def log(self) -> str:
        return (self.build / "logs" / "wheel-ffcv.log").read_text(encoding="utf-8")

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.runner.run(
            ["cmd", "/c", r".\bootstrap.bat", *arguments],
            cwd=self.folder, variables=self.variables, timeout=2000,
        )  # fmt: skip
        print(done.stdout)
        return done

    def prompt(self, *options: str, lines: list[str], **variables: str) -> list[str]:
        """What cmd.exe prints for `lines`, typed in the folder of the activation scripts."""
        script = self.folder / "lines.bat"
        text = ["@echo off", rf"cd /d build\{self.build.name}", *lines]
        script.write_bytes("".join(f"{line}\r\n" for line in text).encode("ascii"))
        done = self.runner.run(
            ["cmd", "/d", *options, "/c", r".\lines.bat"], cwd=self.folder, variables=variables
        )
        return done.stdout.splitlines()

    def change_config(self, change: Callable[[dict], None]) -> None:
        path = self.folder / "config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(config)
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def serve_releases(server: Server, config: dict, releases: dict[str, bytes]) -> None:
    """Put releases on the server, and point the configuration there.

    Args:
        releases: artifact -> the file that its first source is to give.
    """
    for name, content in releases.items():
        source = config["artifacts"][name]["sources"][0]
        path = urlsplit(source["url"]).path
        server.pages[path] = Page(content)
        source["url"] = server.url + path
        if source["sha256"] != "first-use":
            source["sha256"] = hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def machine(
    laid_down: Clone,
    msvc: MsvcClone,
    products: Path,
    windows_runner: WindowsRunner,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Machine]:
    # Hard links want one file system.
    root = ROOT / "build" / "tests" / "Windows (msvc) für alle"
    shutil.rmtree(root, ignore_errors=True)
    folder = root / "FFCV ^Windows & (c)!"
    folder.mkdir(parents=True)
    support.lay_files(folder)
    (folder / ".runner").symlink_to(windows_runner.python.parent)
    for name in ("bootstrap.yml", "runner.txt"):
        shutil.copy(folder / "envs" / name, folder / ".runner")
    cache = root / "cache"
    micromamba = Micromamba(root / "calls.jsonl")
    made = packages(products, windows_runner, tmp_path_factory.mktemp("jpeg"))
    channel = conda_packages.make_channel(root / "channel" / "conda-forge", made)
    pip = laid_down.build / "extracted" / "python-3.11" / "Lib" / "site-packages"
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    releases = {
        "micromamba": make_exe(windows_runner.python, pip),
        "opencv-release": opencv_release(msvc, tmp_path_factory.mktemp("opencv")),
        "pthreads-win32": pthreads_release(products),
    }
    # What was built from source are two DLLs.
    release = config["artifacts"]["opencv-release"]
    release["members"] = ["build"]
    release["sources"][0]["stage"]["bin"] = ["build/x64/vc15/bin/*.dll"]
    for name in ("ffcv", "fastxtend", "msvcr100"):
        sha256 = config["artifacts"][name]["sources"][0]["sha256"]
        shutil.copytree(support.cache() / "downloads" / sha256, cache / "downloads" / sha256)
    drive_c = windows_runner.prefix / "drive_c"
    with serve() as server, studio.installed(msvc.tools, drive_c, windows_runner.python):
        serve_releases(server, config, releases)
        text = yaml.safe_dump(config, sort_keys=False)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        variables = {
            **micromamba.variables,
            "MAMBA_CHANNEL_ALIAS": PureWindowsPath(path_for_windows(channel.parent)).as_uri(),
            "FFCVWIN_CACHE": path_for_windows(cache),
        }
        yield Machine(windows_runner, folder, variables)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def run(machine: Machine) -> subprocess.CompletedProcess[str]:
    """The full run: plain `bootstrap.bat`."""
    return machine.doit()


def test_the_full_run_succeeds(run):
    assert run.returncode == 0
    executed = re.findall(r"^ok    (\S+) ", run.stdout, re.MULTILINE)
    for task in (
        "prereqs", "fetch:micromamba", "extract:opencv-release", "toolchain", "env:python",
        "env:packages", "libs:opencv", "libs:libjpeg-turbo", "libs:pthreads", "libs:msvcr100",
        "source:ffcv", "wheel:ffcv", "install:ffcv", "install:fastxtend", "dlls",
        "verify:closure", "verify:import", "verify:roundtrip",
    ):  # fmt: skip
        assert task in executed


def test_visual_studio_was_found_and_activated_by_its_own_script(machine, run):
    told = json.loads((machine.build / "toolchain" / "msvc.json").read_text(encoding="utf-8"))
    chosen = told["chosen"]
    assert chosen["path"] == str(studio.STUDIO)
    assert chosen["vcvars"].endswith(r"\BuildTools\VC\Auxiliary\Build\vcvars64.bat")
    assert chosen["toolset"] == "14.44.35207"
    found = [place["found_by"] for place in told["tried"] if place["installation"]]
    assert found == ["vswhere", "standard folder"]


def test_setuptools_ran_that_compiler_in_the_environment_that_was_composed(machine, run):
    saved = machine.build / "logs" / "wheel-ffcv.environment.json"
    composed = json.loads(saved.read_text(encoding="utf-8"))
    tools = rf"{studio.STUDIO}\VC\Tools\MSVC\14.44.35207\bin\Hostx64\x64"
    assert tools.lower() in [folder.lower() for folder in composed["path"]]
    assert "/DHAVE_STRUCT_TIMESPEC#1" in composed["variables"]["CL"]
    libraries = ["opencv_world460.lib", "turbojpeg.lib", "pthreadVC2.lib"]
    assert composed["variables"]["LINK"].split() == ["/Brepro", *libraries]
    # What cl.exe prints, and what link.exe does for /LTCG, an option of setuptools' class.
    assert {"libffcv.cpp", "Finished generating code"} <= set(machine.log.splitlines())


def test_the_module_is_the_linkers_and_imports_what_link_named(machine, run):
    [path] = (machine.build / "wheels" / "ffcv").glob("*.pyd")
    module = pe.read_pe(path)
    assert module.linker_version == (14, 44)
    assert {
        "opencv_core460.dll", "opencv_imgproc460.dll", "turbojpeg.dll", "pthreadVC2.dll",
        "python311.dll", "VCRUNTIME140.dll",
    } <= set(module.imports)  # fmt: skip


def test_the_dlls_are_in_library_bin_beside_condas_own(machine, run):
    assert {"pthreadVC2.dll", "MSVCR100.dll", "turbojpeg.dll"} <= machine.library_bin
    rows = json.loads((machine.build / "dlls.json").read_text(encoding="utf-8"))
    new = {Path(row["to"].replace("\\", "/")).name: row["new"] for row in rows}
    assert new["pthreadVC2.dll"] and not new["turbojpeg.dll"]
    package = machine.build / "env" / "Lib" / "site-packages" / "ffcv"
    assert not list(package.glob("*.dll"))


def test_each_dll_was_found_by_the_rule_of_condas_python(machine, run):
    rows = json.loads((machine.build / "verify" / "closure.json").read_text(encoding="utf-8"))
    found = {row["import"].lower(): row for row in rows}
    for name in ("pthreadvc2.dll", "msvcr100.dll", "turbojpeg.dll"):
        assert "Library" in str(found[name]), found[name]


def test_every_check_of_the_round_trip_passed(machine, run):
    path = machine.build / "verify" / "roundtrip.json"
    checks = json.loads(path.read_text(encoding="utf-8"))["checks"]
    assert len(checks) >= 5
    assert {check["status"] for check in checks} == {"passed"}


def test_a_second_run_executes_nothing(machine, run):
    done = machine.doit()
    assert done.returncode == 0
    assert re.search(r"^0 of \d+ tasks executed", done.stdout, re.MULTILINE)


def test_another_file_of_a_dlls_name_in_library_bin_is_a_clash(machine, run):
    stranger = machine.build / "env" / "Library" / "bin" / "PTHREADVC2.DLL"
    own = machine.build / "env" / "Library" / "bin" / "pthreadVC2.dll"
    content = own.read_bytes()
    own.unlink()
    stranger.write_bytes(content + b"other")
    done = machine.doit("dlls")
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "is there already and differs from" in said
    stranger.unlink()
    assert machine.doit("dlls").returncode == 0
    assert "pthreadVC2.dll" in machine.library_bin


def test_clean_takes_back_what_was_copied_and_nothing_of_condas(machine, run):
    assert machine.doit("clean", "dlls").returncode == 0
    assert "turbojpeg.dll" in machine.library_bin
    assert "pthreadVC2.dll" not in machine.library_bin


ACTIVATE = ["call .\\activate.cmd", "echo status %ERRORLEVEL%"]


@pytest.fixture(scope="module")
def activation(machine, run) -> str:
    """What the task says that wrote the scripts."""
    return machine.doit("activate").stdout


def test_in_an_activated_prompt_compiler_libraries_and_python_are_there(machine, activation):
    assert r"for builds of your own: build\msvc-cp311\activate.cmd" in activation
    (machine.build / "mine.cpp").write_text(
        "#include <opencv2/core.hpp>\n#include <turbojpeg.h>\n#include <pthread.h>\n"
        'extern "C" __declspec(dllexport) void *mine() { pthread_self(); return tjInitCompress(); }'
        "\n",
        encoding="utf-8",
    )
    lines = machine.prompt(
        lines=[*ACTIVATE, "cl /nologo /EHsc /LD mine.cpp", "echo status %ERRORLEVEL%",
               'python -c "import sys; print(sys.prefix)"', "echo %DISTUTILS_USE_SDK%"]
    )  # fmt: skip
    assert lines[:2] == [
        "active: msvc 14.44.35207 for Windows Python 3.11, opencv, libjpeg-turbo, pthreads",
        "status 0",
    ]
    assert "status 0" in lines[2:], lines
    assert lines[-1] == "1"
    assert pe.exports(machine.build / "mine.dll") == {"mine"}
    assert "pthreadVC2.dll" in pe.read_pe(machine.build / "mine.dll").imports
    where = [line for line in lines if line.endswith(r"\msvc-cp311\env")]
    assert len(where) == 1, lines


def test_no_python_environment_is_put_over_another_unless_asked_for(machine, activation):
    other = r"C:\Users\me (& you)\env"
    again = [*ACTIVATE, "call .\\activate.cmd /f", "echo status %ERRORLEVEL%"]
    refused = f'not activated: a Python environment is active, "{other}"'
    for variable in ("CONDA_PREFIX", "VIRTUAL_ENV"):
        first, status, second, status_of_second = machine.prompt(lines=again, **{variable: other})
        assert first.startswith(refused) and status == "status 1"
        assert second.startswith("active: ") and status_of_second == "status 0"


def test_a_prompt_that_is_active_already_is_not_activated_twice(machine, activation):
    first, _, second, status = machine.prompt(lines=[*ACTIVATE, *ACTIVATE])
    assert first.startswith("active: ")
    assert second.startswith("not activated: ") and status == "status 1"


def test_a_prompt_that_would_lose_letters_of_paths_is_refused(machine, activation):
    said, status = machine.prompt("/v:on", lines=ACTIVATE)
    assert said.startswith("not activated: with delayed expansion") and status == "status 1"


def test_a_build_that_fails_is_explained(machine, run):
    machine.change_config(
        lambda config: config["packages"]["ffcv"]["build"]["libraries"].remove("opencv")
    )
    done = machine.doit("wheel:ffcv")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "C1083: Cannot open include file: 'opencv2/opencv.hpp'" in said
    assert r"libs\opencv\include" in said
