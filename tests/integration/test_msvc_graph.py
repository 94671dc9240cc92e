"""The whole graph of the msvc profile: bootstrap.bat in Wine's cmd.exe, doit in a Windows Python.

Downloads, unpacking, two steps of Micromamba, staging, the search for Visual Studio, FFCV's own
build by setuptools' MSVC class, DLLs in Library/bin, the checks: the code that runs is what runs
on Windows. What cannot be had here is replaced by something that does the same work:

    Micromamba           lays down files that are here (tests/micromamba_standin)
    conda's packages     the Windows Python and the wheels of the zig profile
    conda's Python       python.org's; it gets Library/bin by a sitecustomize, not by a patch
    OpenCV's release     an archive of that name and layout with the OpenCV that zig built
    Visual Studio        programs that translate for zig (tests/standin)

The runner, which bootstrap.bat makes at first, is there already; test_bootstrap_bat.py is about
that.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import py7zr
import pytest
import setuptools
import standin
import support
import yaml
from http_server import Page, Server, serve
from micromamba_standin import Micromamba, build
from pe_files import zig
from support import ROOT, path_for_windows
from windows_runner import WindowsRunner

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]

# What builds wheels: envs/base.yml.
BASE_PACKAGES = ("build", "colorama", "packaging", "pyproject_hooks", "setuptools", "wheel")
# https://github.com/conda-forge/python-feedstock adds this folder in C.
SITECUSTOMIZE = """\
import os, sys
os.add_dll_directory(os.path.join(sys.prefix, "Library", "bin"))
"""


def link_tree(source: Path, target: Path, leave_out: tuple[str, ...] = ()) -> None:
    """Copy a tree by hard links, which takes no time."""
    ignore = shutil.ignore_patterns("__pycache__", *leave_out)
    shutil.copytree(source, target, copy_function=os.link, ignore=ignore, dirs_exist_ok=True)


def lay_record(folder: Path, name: str, version: str, build: str) -> None:
    """conda's record of a package that brought every file that is in `folder`."""
    files = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    record = {"name": name, "version": version, "build": build, "files": files}
    path = folder / "conda-meta" / f"{name}-{version}-{build}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")


def lay_packages(standin: Micromamba, built: Path, runner: WindowsRunner) -> None:
    """The packages that Micromamba finds, from what the zig profile and the runner hold."""
    site = Path("Lib", "site-packages")
    base, packages = standin.folder / "base", standin.folder / "packages"
    link_tree(built / "env", base, ("site-packages",))
    (base / site).mkdir()
    lay_record(base, "python", "3.11.9", "h631f459_0_cpython")
    for name in BASE_PACKAGES:
        for folder in (runner.python.parent / site).glob(f"{name}*"):
            if folder.name == name or folder.name.startswith(f"{name}-"):
                link_tree(folder, base / site / folder.name)
    (base / site / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    link_tree(built / "env" / site, packages / site, ("ffcv*", "fastxtend*", "setuptools*"))
    library = packages / "Library"
    for folder in ("bin", "include", "lib"):
        (library / folder).mkdir(parents=True)
    jpeg = built / "libs" / "libjpeg-turbo"
    shutil.copy(jpeg / "include" / "turbojpeg.h", library / "include")
    zig(
        library / "bin", "cc", "-target", "x86_64-windows-gnu", "-shared", "-o", "turbojpeg.dll",
        "-Wl,--whole-archive", str(jpeg / "lib" / "libturbojpeg.a"), "-Wl,--no-whole-archive",
        "-Wl,--out-implib,turbojpeg.lib",
    )  # fmt: skip
    (library / "bin" / "turbojpeg.lib").rename(library / "lib" / "turbojpeg.lib")
    (library / "bin" / "turbojpeg.pdb").unlink(missing_ok=True)
    lay_record(packages, "pytorch", "2.6.0", "cpu_mkl_py311_h1")


def opencv_release(built: Path, work: Path) -> bytes:
    """A self-extracting archive like OpenCV's."""
    prefix = built / "libs" / "opencv"
    names = [path.name for path in sorted((prefix / "lib").glob("*.lib"))]
    script = ["CREATE opencv_world460.lib", *(f"ADDLIB {n}" for n in names), "SAVE", "END", ""]
    for name in names:
        shutil.copy(prefix / "lib" / name, work)
    import ziglang

    subprocess.run(
        [Path(ziglang.__file__).with_name("zig"), "ar", "-M"],
        input="\n".join(script), cwd=work, text=True, check=True,
    )  # fmt: skip
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

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.runner.run(
            ["cmd", "/c", r".\bootstrap.bat", *arguments],
            cwd=self.folder, variables=self.variables, timeout=2000,
        )  # fmt: skip
        print(done.stdout)
        return done


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
    products: Path, windows_runner: WindowsRunner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    # Hard links want one file system.
    root = ROOT / "build" / "tests" / "Windows (msvc) für alle"
    shutil.rmtree(root, ignore_errors=True)
    folder = root / "FFCV on Windows"
    folder.mkdir(parents=True)
    support.lay_files(folder)
    (folder / ".runner").symlink_to(windows_runner.python.parent)
    for name in ("bootstrap.yml", "runner.txt"):
        shutil.copy(folder / "envs" / name, folder / ".runner")
    cache = root / "cache"
    micromamba = Micromamba(root / "standin")
    lay_packages(micromamba, products, windows_runner)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    releases = {
        "micromamba": build(root / "programs", "micromamba", windows=True).read_bytes(),
        "opencv-release": opencv_release(products, tmp_path_factory.mktemp("opencv")),
        "pthreads-win32": pthreads_release(products),
    }
    # What zig built are two DLLs.
    release = config["artifacts"]["opencv-release"]
    release["members"] = ["build"]
    release["sources"][0]["stage"]["bin"] = ["build/x64/vc15/bin/*.dll"]
    for name in ("ffcv", "fastxtend", "msvcr100"):
        sha256 = config["artifacts"][name]["sources"][0]["sha256"]
        shutil.copytree(support.cache() / "downloads" / sha256, cache / "downloads" / sha256)
    request = folder / "envs" / "ffcv.yml"
    data = yaml.safe_load(request.read_text(encoding="utf-8"))
    # The wheels of the zig profile have these already.
    data["dependencies"] = [entry for entry in data["dependencies"] if isinstance(entry, str)]
    request.write_text(yaml.safe_dump(data), encoding="utf-8")
    with serve() as server, standin.install(root / "C") as studio:
        serve_releases(server, config, releases)
        text = yaml.safe_dump(config, sort_keys=False)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        variables = {
            **micromamba.variables,
            "STANDIN": path_for_windows(micromamba.folder),
            "FFCVWIN_CACHE": path_for_windows(cache),
            "VCVARS": path_for_windows(studio.vcvars),
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
