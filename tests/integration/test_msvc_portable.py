"""Microsoft's own compiler in the graph: fetched, checked, called through Wine, and used.

The session's clone (conftest.py, `msvc`) has libjpeg-turbo and OpenCV as it makes them. Here it
builds FFCV's wheel, well and badly; test_msvc_graph.py uses it as a Windows machine would.
"""

import json
import os
import shutil
import subprocess
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
from clone import MsvcClone
from support import ROOT, Recorder

from dllwhy import pe
from dllwhy.logs import triage
from tasks import wheel
from tasks.compilers import portable_tools
from tasks.core import manifest, project
from tasks.core.errors import BuildError
from tasks.sdists import check

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]

WHEEL = "ffcv-1.0.2-cp311-cp311-win_amd64.whl"


class Attempt:
    """A build of FFCV's wheel in the clone: the work of its task."""

    def __init__(self, msvc: MsvcClone, folder: Path):
        self.recorder = Recorder(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FFCVWIN_PROFILE", msvc.PROFILE)
            self.project = project.load(msvc.folder)

    def make(self, **changes: object) -> manifest.Made:
        build = self.project.config.packages["ffcv"].build
        assert build is not None
        build = build.model_copy(update=changes)
        assert build.extension is not None
        job = self.recorder.job
        return wheel.build_wheel(self.project, "ffcv", build, build.extension, job)

    def failure(self, *message: str, **changes: object) -> triage.Finding:
        """What triage finds in the log of a build that has to fail.

        Args:
            message: parts of what Microsoft's programs print.
        """
        with pytest.raises(BuildError) as caught:
            self.make(**changes)
        assert caught.value.log is not None
        text = caught.value.log.read_text(encoding="utf-8")
        for part in message:
            assert part in text, text
        libs = self.project.build / "libs"
        [finding] = triage.triage(text, [path for path in libs.iterdir() if path.is_dir()])
        return finding


@pytest.fixture
def attempt(msvc: MsvcClone, tmp_path: Path) -> Attempt:
    return Attempt(msvc, tmp_path)


@pytest.fixture(scope="module")
def extension(msvc: MsvcClone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FFCV's extension module, built by its own setup.py in the Windows Python."""
    made = Attempt(msvc, tmp_path_factory.mktemp("wheel")).make()
    assert made.where is not None and made.where.name == WHEEL
    return made.where.with_name("_libffcv.cp311-win_amd64.pyd")


def test_the_compiler_was_fetched_and_its_signatures_were_checked(msvc):
    made = manifest.read(msvc.build / "manifests" / "extract-msvc-buildtools.json")
    assert int(made.summary.split(", ")[1].split()[0]) >= 20, made.summary
    assert "signatures verified" in made.summary


def test_it_is_the_one_that_the_toolchain_names(msvc):
    told = json.loads((msvc.build / "toolchain" / "msvc.json").read_text(encoding="utf-8"))
    assert told["chosen"]["toolset"] == "14.44.35207"
    assert told["chosen"]["sdk"] == "10.0.26100.0"
    assert told["tried"][-1]["found_by"] == "fetched by this build"


def test_libjpeg_turbo_has_its_simd_code(msvc):
    made = manifest.read(msvc.build / "manifests" / "libs-libjpeg-turbo.json")
    assert "SIMD: on" in made.summary
    library = msvc.build / "libs" / "libjpeg-turbo" / "lib" / "turbojpeg.lib"
    members = msvc.call("lib", "/nologo", "/list", str(library), cwd=msvc.folder)
    assert "jidctint-avx2" in members


def test_the_same_source_makes_the_same_bytes_wherever_it_lies(msvc, tmp_path):
    text = 'extern "C" __declspec(dllexport) const char* f() { return __FILE__ __DATE__; }\n'
    made = []
    for name in ("a", "b c (für) & %d"):
        folder = msvc.build / "work" / name
        folder.mkdir(parents=True, exist_ok=True)
        source = folder.parent / "f.cpp"
        source.write_text(text, encoding="utf-8")
        msvc.call("cl", "/nologo", "/LD", str(source), "/Fef.dll", cwd=folder)
        made.append((folder / "f.dll").read_bytes())
    assert made[0] == made[1]
    assert b"./work/f.cpp" in made[0].replace(b"\\", b"/")


def test_ninja_knows_the_headers_that_a_source_has_read(msvc, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(x C)\nadd_library(x SHARED x.c)\n",
        encoding="utf-8",
    )
    (tmp_path / "Value.h").write_text("#define VALUE 1\n", encoding="utf-8")
    (tmp_path / "x.c").write_text(
        '#include <Windows.h>\n#include "value.h"\n'
        "__declspec(dllexport) int answer(void) { return VALUE; }\n",
        encoding="utf-8",
    )
    toolchain = msvc.toolchain()

    def cmake(*arguments: str) -> str:
        return subprocess.run(
            ["cmake", *arguments], cwd=tmp_path, check=True, stdout=subprocess.PIPE,
            encoding="utf-8", env={**os.environ, **toolchain["environment"]},
        ).stdout  # fmt: skip

    cmake(
        "-G", "Ninja", "-B", "tree", "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_TOOLCHAIN_FILE={toolchain['cmake_toolchain_file']}",
    )  # fmt: skip
    cmake("--build", "tree")
    assert pe.exports(tmp_path / "tree" / "x.dll") == {"answer"}
    assert "no work to do" in cmake("--build", "tree")
    (tmp_path / "Value.h").write_text("#define VALUE 2\n", encoding="utf-8")
    assert "Building C object" in cmake("--build", "tree")


def test_the_module_is_the_linkers_and_takes_each_library_from_its_prefix(extension):
    module = pe.read_pe(extension)
    assert module.machine == "x64" and module.linker_version == (14, 44)
    own = {name for name in module.imports if not name.startswith("api-ms-")}
    assert own == {
        "opencv_core460.dll", "opencv_imgproc460.dll", "pthreadVC2.dll", "python311.dll",
        "VCRUNTIME140.dll", "KERNEL32.dll",
    }  # fmt: skip
    assert {"PyInit__libffcv", "imdecode", "resize"} <= pe.exports(extension)


def test_a_prefix_that_is_not_in_include_is_c1083_and_triage_names_its_folder(attempt):
    finding = attempt.failure(
        "fatal error C1083: Cannot open include file: 'opencv2/opencv.hpp'",
        libraries=("libjpeg-turbo", "pthreads"),
    )
    assert finding.id == "missing-header"
    assert str(attempt.project.prefix("opencv") / "include") in finding.remedy


def test_a_library_that_is_not_in_link_is_lnk2001_and_triage_names_it(msvc, tmp_path):
    recipes = ("libraries", "libjpeg-turbo", "recipes", "cmake")
    msvc.change_config(lambda config: reduce(getitem, recipes, config).update(link=[]))
    try:
        attempt = Attempt(msvc, tmp_path)
    finally:
        msvc.restore()
    finding = attempt.failure(
        "LNK2001: unresolved external symbol tjTransform", "fatal error LNK1120: "
    )
    assert finding.id == "undefined-symbol"
    library = attempt.project.prefix("libjpeg-turbo") / "lib" / "turbojpeg.lib"
    assert str(library) in finding.remedy


def test_a_library_that_is_not_in_lib_is_lnk1181_and_triage_finds_it(attempt):
    prefix = attempt.project.prefix("pthreads")
    # As the official release has it: lib/x64.
    library = prefix / "lib" / "pthreadVC2.lib"
    moved = prefix / "lib" / "x64" / library.name
    moved.parent.mkdir()
    library.rename(moved)
    try:
        finding = attempt.failure(
            "LINK : fatal error LNK1181: cannot open input file 'pthreadVC2.lib'"
        )
    finally:
        moved.rename(library)
        moved.parent.rmdir()
    assert finding.id == "missing-library"


def test_real_tools_in_several_versions_are_told_apart(msvc):
    folder = ROOT / "build" / "tests" / "linked tools"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(msvc.tools, folder, copy_function=os.link)
    try:
        msvc_folder, kits = folder / "VC/Tools/MSVC", folder / "Windows Kits/10"
        newer = msvc_folder / "14.50.35717"
        shutil.copytree(msvc_folder / "14.44.35207", newer, copy_function=os.link)
        (newer / "bin/Hostx64/x64/link.exe").unlink()
        for part in ("Include", "Lib", "bin"):
            shutil.copytree(
                kits / part / "10.0.26100.0", kits / part / "10.0.28000.0", copy_function=os.link
            )
        shutil.rmtree(kits / "Lib/10.0.28000.0/um")
        found = {t.version: t.missing for t in portable_tools.toolsets(folder)}
        assert found == {"14.44.35207": "", "14.50.35717": "has no link.exe"}
        sdks = {sdk.version: sdk.missing for sdk in portable_tools.sdks(folder)}
        assert sdks["10.0.26100.0"] == ""
        assert sdks["10.0.28000.0"] == "has no Lib/10.0.28000.0/um/x64/kernel32.lib"
    finally:
        shutil.rmtree(folder)


def test_a_second_run_executes_nothing(msvc):
    run = msvc.doit(*msvc.TASKS)
    assert (run.status, run.executed) == (0, [])


def test_a_package_in_cpp_brings_its_runtime_and_is_imported(msvc, tmp_path):
    tree = tmp_path / "in cpp"
    tree.mkdir()
    (tree / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        "setup(name='in-cpp', version='1', ext_modules=[Extension('in_cpp', ['a.cpp'])])\n"
    )
    (tree / "a.cpp").write_text(
        "#include <Python.h>\n#include <iostream>\n"
        'static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "in_cpp", nullptr, -1, nullptr};\n'
        "PyMODINIT_FUNC PyInit_in_cpp(void)\n"
        "{ std::cout << 1 << std::endl; return PyModule_Create(&definition); }\n"
    )
    run = msvc.doit("build", "--package", str(tree))
    assert run.status == 0, run.output
    assert "1 of 1 modules imported" in run.output
    wheel = msvc.folder / "wheelhouse" / "in_cpp-1-cp311-cp311-win_amd64.whl"
    assert any("msvcp140" in name for name in check.files(wheel))
    wheel.unlink()
