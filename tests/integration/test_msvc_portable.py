"""Microsoft's own compiler in the graph: fetched, checked, called through Wine, and used.

libjpeg-turbo is built by it as everybody's is. OpenCV takes minutes: where the store has it (a
full run of the profile msvc-portable puts it there) FFCV's wheel is built against that, imported
and put to the checks of the round trip; elsewhere lib.exe makes import libraries of what FFCV
calls, and the wheel is looked at, not run.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clone import Clone, Run
from support import ROOT, Recorder, lay_files

from dllwhy import pe
from dllwhy.logs import triage
from tasks import libs, wheel
from tasks.compilers import portable_tools
from tasks.core import files, manifest, project
from tasks.core.config import Build, CMakeRecipe
from tasks.core.errors import BuildError
from tasks.core.store import Store
from tasks.sdists import check

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

PROFILE = "msvc-portable"
TASKS = (
    "toolchain", "libs:libjpeg-turbo", "libs:pthreads", "source", "env:python",
    "extract:opencv-source",
)  # fmt: skip
WHEEL = "ffcv-1.0.2-cp311-cp311-win_amd64.whl"
# What FFCV calls of OpenCV, by the names that Microsoft's compiler gives.
OPENCV = {
    "opencv_core460": [
        "??0Mat@cv@@QEAA@AEBV01@AEBVRange@1@1@Z",
        "??0Mat@cv@@QEAA@HHHPEAX_K@Z",
        "??1Mat@cv@@QEAA@XZ",
    ],
    "opencv_imgproc460": ["?resize@cv@@YAXAEBV_InputArray@1@AEBV_OutputArray@1@V?$Size_@H@1@NNH@Z"],
}


class Msvc(Clone):
    """A clone that is built with Microsoft's compiler."""

    @property
    def build(self) -> Path:
        return self.folder / "build" / f"{PROFILE}-cp311"

    def doit(self, *arguments: str) -> Run:
        return super().doit(f"profile={PROFILE}", *arguments)

    def call(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Call a program of the toolchain, in the environment of a build."""
        text = (self.build / "toolchain" / "toolchain.json").read_text(encoding="utf-8")
        toolchain = json.loads(text)
        return subprocess.run(
            [toolchain["programs"][program], *arguments], cwd=cwd, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            env={**os.environ, **toolchain["environment"]},
        )  # fmt: skip


@pytest.fixture(scope="module")
def msvc() -> Iterator[Msvc]:
    """A clone with toolchain, libjpeg-turbo, and the sources of OpenCV and FFCV."""
    if os.name == "nt":
        pytest.skip("calls the compiler through Wine")
    if shutil.which("wine") is None:
        pytest.skip("wine was not found; on Debian or Ubuntu: sudo apt-get install wine wine64")
    if not project.load(ROOT).accept_msvc_licence:
        pytest.skip(
            "Microsoft's compiler is used by those who accept its licence: "
            'FFCVWIN_ACCEPT_MSVC_LICENCE=yes (README, "Microsoft\'s compiler")'
        )
    made = Msvc(ROOT / "build" / "tests" / "FFCV mit Microsofts Übersetzer")
    made.folder.mkdir(parents=True, exist_ok=True)
    lay_files(made.folder)
    run = made.doit(*TASKS)
    if "cannot be reached" in run.output or "cannot be resolved" in run.output:
        pytest.skip("the package registry cannot be reached")
    assert run.status == 0, run.output
    yield made
    lay_files(made.folder)


@pytest.fixture(scope="module")
def opencv(msvc: Msvc) -> Path:
    """OpenCV's headers, and import libraries that lib.exe makes of what FFCV calls."""
    source = msvc.build / "extracted" / "opencv-source"
    folder = msvc.build / "libs" / "opencv"
    lib = folder / "lib"
    files.remove_tree(folder)
    lib.mkdir(parents=True)
    for name in (".", "modules/core", "modules/imgproc"):
        shutil.copytree(source / name / "include", folder / "include", dirs_exist_ok=True)
    # CMake writes this one: which modules there are.
    modules = folder / "include" / "opencv2" / "opencv_modules.hpp"
    modules.write_text("#define HAVE_OPENCV_CORE\n#define HAVE_OPENCV_IMGPROC\n", "ascii")
    for name, symbols in OPENCV.items():
        definitions = "\n".join([f"LIBRARY {name}", "EXPORTS", *(f"    {s}" for s in symbols)])
        (lib / f"{name}.def").write_text(definitions, encoding="ascii")
        done = msvc.call(
            "lib", "/nologo", "/machine:x64", f"/def:{name}.def", f"/out:{name}.lib", cwd=lib
        )
        assert done.returncode == 0, done.stdout
    return folder


class Attempt:
    """A build of FFCV's wheel in the clone: the work of its task."""

    def __init__(self, msvc: Msvc, folder: Path):
        self.recorder = Recorder(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FFCVWIN_PROFILE", PROFILE)
            self.project = project.load(msvc.folder)

    @property
    def build(self) -> Build:
        build = self.project.config.packages["ffcv"].build
        assert build is not None
        return build

    def make(self, **changes: object) -> manifest.Made:
        build = self.build.model_copy(update=changes)
        assert build.extension is not None
        job = self.recorder.job
        return wheel.build_wheel(self.project, "ffcv", build, build.extension, job)

    def failure(self, **changes: object) -> list[triage.Finding]:
        """What triage finds in the log of a build that has to fail."""
        with pytest.raises(BuildError) as caught:
            self.make(**changes)
        assert caught.value.log is not None
        return triage.triage(caught.value.log.read_text(encoding="utf-8"), [])


@pytest.fixture
def attempt(msvc: Msvc, opencv: Path, tmp_path: Path) -> Attempt:
    return Attempt(msvc, tmp_path)


@pytest.fixture(scope="module")
def extension(msvc: Msvc, opencv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    done = msvc.call("lib", "/nologo", "/list", str(library), cwd=msvc.folder)
    assert "jidctint-avx2" in done.stdout and done.returncode == 0


def test_the_same_source_makes_the_same_bytes_wherever_it_lies(msvc, tmp_path):
    text = 'extern "C" __declspec(dllexport) const char* f() { return __FILE__ __DATE__; }\n'
    made = []
    for name in ("a", "b c (für) & %d"):
        folder = msvc.build / "work" / name
        folder.mkdir(parents=True, exist_ok=True)
        source = folder.parent / "f.cpp"
        source.write_text(text, encoding="utf-8")
        done = msvc.call("cl", "/nologo", "/LD", str(source), "/Fef.dll", cwd=folder)
        assert done.returncode == 0, done.stdout
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
    toolchain = json.loads((msvc.build / "toolchain" / "toolchain.json").read_text("utf-8"))

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


def test_a_library_that_is_not_named_is_told_by_its_functions(attempt):
    [finding] = attempt.failure(libraries=("opencv", "pthreads"))
    assert "turbojpeg" in f"{finding.cause} {finding.remedy}"


def test_real_tools_in_several_versions_are_told_apart(msvc, tmp_path):
    source = msvc.build / "extracted" / "msvc-buildtools"
    folder = ROOT / "build" / "tests" / "linked tools"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, copy_function=os.link)
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
    run = msvc.doit(*TASKS)
    assert (run.status, run.executed) == (0, [])


def in_store(attempt: Attempt) -> bool:
    """Whether the store has OpenCV as this compiler makes it."""
    recipe = attempt.project.recipe("opencv")
    assert isinstance(recipe, CMakeRecipe)
    features = libs.optional_features(recipe)
    key = libs.key_of(attempt.project, "opencv", recipe, features, attempt.recorder.job)
    store = Store(attempt.project.store, attempt.recorder.job.warn)
    return store.entry_folder(key).is_dir()


def test_the_wheel_works_with_the_opencv_of_the_same_compiler(msvc, attempt):
    if not in_store(attempt):
        pytest.skip(
            "the store has no OpenCV by this compiler, which takes minutes to build; "
            "doit profile=msvc-portable puts it there"
        )
    run = msvc.doit("verify:closure")
    assert run.status == 0, run.output
    done = msvc.python("import ffcv._libffcv, ffcv.libffcv; print(ffcv.libffcv.lib._name)")
    assert "_libffcv" in done.stdout, done.stderr


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
