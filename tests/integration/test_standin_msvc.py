"""The msvc profile's own path to FFCV's wheel, with a stand-in for Microsoft's compiler.

A Windows Python under Wine finds the stand-in as it would find Visual Studio, activates it with
cmd.exe, composes the build environment and lets FFCV build itself: setuptools' MSVC class,
unchanged, runs cl.exe and link.exe. See tests/standin for what is real in these.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import standin
import yaml
from support import ROOT, path_for_windows
from windows_runner import WindowsRunner

from dllwhy import pe
from dllwhy.logs import triage
from tasks.pythons.windows_python import last_json

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

DRIVER = Path(__file__).with_name("standin_driver.py")
WHEEL = "ffcv-1.0.2-cp311-cp311-win_amd64.whl"
PREFIXES = ("opencv", "libjpeg-turbo", "pthreads", "msvcr100")


class Machine:
    """A Windows machine with a made-up Visual Studio, and a clone of the project on it."""

    def __init__(
        self, runner: WindowsRunner, studio: standin.StandIn, root: Path, profile: str = "msvc"
    ):
        self.runner = runner
        self.studio = studio
        self.root = root
        self.profile = profile
        self.build = root / "build" / f"{profile}-cp311"

    @property
    def prefixes(self) -> list[Path]:
        return [self.build / "libs" / name for name in PREFIXES]

    @property
    def log(self) -> str:
        return (self.build / "logs" / "wheel-ffcv.log").read_text(encoding="utf-8")

    def lay_down(self, built: Path, change: Callable[[dict], None] = lambda config: None) -> None:
        """Lay down a clone whose libraries are those that zig built.

        Args:
            built: what the zig profile built: libs and source.
            change: edits the configuration.
        """
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(ROOT / "patches", self.root / "patches")
        config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        # zig builds two DLLs of OpenCV; the released one is a single DLL.
        opencv = config["libraries"]["opencv"]["recipes"]
        opencv["prebuilt"]["link"] = opencv["cmake"]["link"]
        change(config)
        text = yaml.safe_dump(config, sort_keys=False)
        (self.root / "config.yaml").write_text(text, encoding="utf-8")
        for name in PREFIXES:
            shutil.copytree(built / "libs" / name, self.build / "libs" / name)
        if self.profile == "msvc":
            static = self.build / "libs" / "libjpeg-turbo" / "lib" / "libturbojpeg.a"
            static.rename(static.with_name("turbojpeg.lib"))
        shutil.copytree(built / "source" / "ffcv", self.build / "source" / "ffcv")
        (self.build / "env").symlink_to(self.runner.python.parent)

    def make(self, task: str = "wheel:ffcv", **variables: str) -> dict[str, str]:
        """Do the work of a task in the Windows Python."""
        done = self.runner.run(
            [self.runner.python, path_for_windows(DRIVER), path_for_windows(self.root), task],
            cwd=self.root,
            variables={
                "VCVARS": path_for_windows(self.studio.vcvars),
                "FFCVWIN_PROFILE": self.profile,
                "FFCVWIN_PYTHON": "3.11",
                **variables,
            },
        )
        outcome = last_json(done.stdout.splitlines())
        assert outcome is not None, done.stdout
        return outcome

    def prompt(self, *options: str, lines: list[str], **variables: str) -> list[str]:
        """What cmd.exe prints for `lines`, typed in the folder of the activation scripts."""
        script = self.root / "lines.bat"
        text = ["@echo off", rf"cd /d build\{self.build.name}", *lines]
        script.write_bytes("".join(f"{line}\r\n" for line in text).encode("ascii"))
        done = self.runner.run(
            ["cmd", "/d", *options, "/c", r".\lines.bat"], cwd=self.root, variables=variables
        )
        return done.stdout.splitlines()

    def findings(self) -> list[triage.Finding]:
        return triage.triage(self.log, self.prefixes)


@pytest.fixture(scope="module")
def machine(windows_runner, tmp_path_factory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("Laufwerk C (a & b)")
    with standin.install(folder) as studio:
        yield Machine(windows_runner, studio, folder / "FFCV für ^Windows & (c)!")


@pytest.fixture(scope="module")
def wheel(machine, products) -> Path:
    """FFCV's wheel, made as the msvc profile makes it."""
    machine.lay_down(products)
    outcome = machine.make()
    assert "made" in outcome, f"{outcome}\n{machine.log}"
    return machine.build / "wheels" / "ffcv" / WHEEL


def test_the_wheel_is_for_the_windows_python_that_built_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert "ffcv/_libffcv.cp311-win_amd64.pyd" in archive.namelist()
        [info] = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
        assert "Tag: cp311-cp311-win_amd64" in archive.read(info).decode()


def test_the_extension_takes_each_library_from_its_prefix(wheel):
    imports = pe.read_pe(wheel.with_name("_libffcv.cp311-win_amd64.pyd")).imports
    assert {
        "libopencv_core460.dll", "libopencv_imgproc460.dll", "pthreadVC2.dll", "python311.dll",
    } <= set(imports)  # fmt: skip


def test_setuptools_ran_the_compiler_of_that_visual_studio(machine, wheel):
    asked = [entry for entry in machine.studio.programs("cl") if "/GL" in entry.request.arguments]
    assert len(asked) == 1
    [compiled] = asked
    source = next(a for a in compiled.request.arguments if a.startswith("/Tp"))
    assert source.endswith("libffcv.cpp")
    assert compiled.request.environment["CL"].endswith(" /DHAVE_STRUCT_TIMESPEC#1")
    assert "-DHAVE_STRUCT_TIMESPEC=1" in compiled.zig[0]
    included = compiled.request.folders("INCLUDE")
    for prefix in machine.prefixes[:3]:
        assert path_for_windows(prefix / "include") in included
    assert path_for_windows(machine.studio.tools / "include") in included


def test_setuptools_ran_the_linker_with_the_libraries_of_the_environment(machine, wheel):
    [linked] = [e for e in machine.studio.programs("link") if "/LTCG" in e.request.arguments]
    assert "/EXPORT:PyInit__libffcv" in linked.request.arguments
    assert linked.request.environment["LINK"].split() == [
        "/Brepro",
        "opencv_core460.lib", "opencv_imgproc460.lib", "turbojpeg.lib", "pthreadVC2.lib",
    ]  # fmt: skip
    assert not [a for a in linked.request.arguments if "opencv" in a and a.endswith(".lib")]


def test_the_module_is_imported_under_honest_wine(machine, wheel, tmp_path):
    """That it works is shown by test_msvc_graph.py, where all packages are there."""
    overlay = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(overlay)
    for prefix in machine.prefixes:
        for dll in (prefix / "bin").glob("*.dll"):
            shutil.copy(dll, overlay / "ffcv")
    code = (
        "import importlib.machinery as m, importlib.util as u, sys; "
        "loader = m.ExtensionFileLoader('_libffcv', sys.argv[1]); "
        "print(u.module_from_spec(u.spec_from_loader('_libffcv', loader)).__file__)"
    )
    module = path_for_windows(overlay / "ffcv" / "_libffcv.cp311-win_amd64.pyd")
    done = machine.runner.run([machine.runner.python, "-c", code, module], cwd=tmp_path)
    assert module in done.stdout


ACTIVATE = ["call .\\activate.cmd", "echo status %ERRORLEVEL%"]


@pytest.fixture(scope="module")
def activation(machine, wheel) -> str:
    """What the task says that wrote the scripts."""
    return machine.make("activate")["made"]


def test_in_an_activated_prompt_compiler_libraries_and_python_are_there(machine, activation):
    assert activation == r"for builds of your own: build\msvc-cp311\activate.cmd"
    (machine.build / "mine.cpp").write_text(
        "#include <opencv2/core.hpp>\n#include <turbojpeg.h>\n#include <pthread.h>\n"
        'extern "C" __declspec(dllexport) void *mine() { pthread_self(); return tjInitCompress(); }'
        "\n",
        encoding="utf-8",
    )
    lines = machine.prompt(
        lines=[*ACTIVATE, "cl /nologo /LD mine.cpp", "echo status %ERRORLEVEL%",
               'python -c "import sys; print(sys.prefix)"', "echo %DISTUTILS_USE_SDK%"]
    )  # fmt: skip
    assert lines[:2] == [
        "active: msvc 14.38.33130 for Windows Python 3.11, opencv, libjpeg-turbo, pthreads",
        "status 0",
    ]
    assert "status 0" in lines[2:]
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


@pytest.fixture
def another(machine, tmp_path) -> Machine:
    """A clone of its own on the same machine, for a build that fails."""
    return Machine(machine.runner, machine.studio, tmp_path / "FFCV")


def _only(findings: list[triage.Finding], identity: str) -> triage.Finding:
    assert [finding.id for finding in findings] == [identity]
    return findings[0]


def test_a_prefix_that_is_not_in_include_is_c1083_and_triage_names_its_folder(another, products):
    another.lay_down(
        products, lambda c: c["packages"]["ffcv"]["build"]["libraries"].remove("opencv")
    )
    assert another.make()["error"] == "python.exe ended with exit status 1"
    assert "fatal error C1083: Cannot open include file: 'opencv2/opencv.hpp'" in another.log
    finding = _only(another.findings(), "missing-header")
    assert str(another.build / "libs" / "opencv" / "include") in finding.remedy


def test_libraries_that_are_not_in_link_are_lnk2019_and_triage_names_them(another, products):
    def without_names(config: dict) -> None:
        for library in ("opencv", "libjpeg-turbo", "pthreads"):
            for recipe in config["libraries"][library]["recipes"].values():
                recipe["link"] = []

    another.lay_down(products, without_names)
    assert another.make()["error"] == "python.exe ended with exit status 1"
    assert "LNK2019: unresolved external symbol tjTransform referenced in" in another.log
    assert "LNK2019: unresolved external symbol __imp_pthread_once referenced in" in another.log
    assert "fatal error LNK1120: " in another.log
    finding = _only(another.findings(), "undefined-symbol")
    for library in (
        "opencv/lib/opencv_core460.lib", "libjpeg-turbo/lib/turbojpeg.lib",
        "pthreads/lib/pthreadVC2.lib",
    ):  # fmt: skip
        assert str(another.build / "libs" / library) in finding.remedy


def test_a_library_that_is_not_in_lib_is_lnk1181_and_triage_finds_it(another, products):
    another.lay_down(products)
    prefix = another.build / "libs" / "pthreads"
    # As the official release has it: lib/x64.
    (prefix / "elsewhere" / "lib").mkdir(parents=True)
    (prefix / "lib" / "pthreadVC2.lib").rename(prefix / "elsewhere" / "lib" / "pthreadVC2.lib")
    assert another.make()["error"] == "python.exe ended with exit status 1"
    assert "LINK : fatal error LNK1181: cannot open input file 'pthreadVC2.lib'" in another.log
    [finding] = triage.triage(another.log, [*another.prefixes, prefix / "elsewhere"])
    assert finding.id == "missing-library"
    assert str(prefix / "elsewhere" / "lib" / "pthreadVC2.lib") in finding.remedy


def test_on_windows_zig_builds_through_setuptools_other_class(
    machine, products, windows_runner, tmp_path
):
    zig = Machine(windows_runner, machine.studio, tmp_path / "FFCV mit zig", "zig")
    zig.lay_down(products)
    machine.studio.install_zig(tmp_path / "packages" / "ziglang")
    before = len(machine.studio.asked)
    outcome = zig.make(
        PYTHONPATH=path_for_windows(tmp_path / "packages"),
        # A cache keeps the zig of its version, and this one is not the real one.
        FFCVWIN_CACHE=path_for_windows(tmp_path / "cache"),
    )
    assert "made" in outcome, f"{outcome}\n{zig.log}"
    asked = [entry.request for entry in machine.studio.asked[before:]]
    assert {request.program for request in asked} == {"zig"}
    assert any("-lpthreadVC2" in request.arguments for request in asked)
    extension = zig.build / "wheels" / "ffcv" / "_libffcv.cp311-win_amd64.pyd"
    assert (extension.parent / WHEEL).is_file()
    assert {"python311.dll", "libopencv_core460.dll", "pthreadVC2.dll"} <= set(
        pe.read_pe(extension).imports
    )
