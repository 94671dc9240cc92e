"""FFCV for the host itself, of the same sources: what the Windows builds are compared with.

patched sources of FFCV, OpenCV, libjpeg-turbo + the host's gcc -> build/.../bench/native/

The recipes are those of config.yaml, with what an ELF system needs beside them. The libraries are
kept in the store, like the others.
"""

import platform
import shutil
import sys
import sysconfig
from pathlib import Path

from tasks import libs
from tasks.compilers import cmake
from tasks.compilers.toolchain import Toolchain
from tasks.core import host, manifest, process
from tasks.core.config import CMakeRecipe, CMakeValue
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, made_whole, remove_tree
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.store import Key, Store
from tasks.source import source_folder

COMPILERS = {"cc": "gcc", "cxx": "g++"}
# The CPU that the Windows builds are for: https://gitlab.com/x86-psABIs/x86-64-ABI
FLAGS = ("-march=x86-64-v2", "-O2")
# Beside a recipe's own.
DEFINES: dict[str, CMakeValue] = {
    "CMAKE_INSTALL_LIBDIR": "lib",
    # A static library goes into a shared one, and no file is a symbolic link.
    "CMAKE_POSITION_INDEPENDENT_CODE": True,
    "CMAKE_PLATFORM_NO_VERSIONED_SONAME": True,
}
# What is installed on Unix alone, is nothing to a build, and is therefore not unpacked:
# OpenCV 4.6, cmake/OpenCVUtils.cmake, ocv_finalize_status.
_INSTALLED = {
    "opencv": [f"platforms/scripts/valgrind{part}.supp" for part in ("", "_3rdparty")],
}
LIBRARIES = ("opencv", "libjpeg-turbo")
_CMAKE_FILE = """\
set(CMAKE_C_COMPILER "{cc}")
set(CMAKE_CXX_COMPILER "{cxx}")
set(CMAKE_C_FLAGS_INIT "{flags}")
set(CMAKE_CXX_FLAGS_INIT "{flags}")
"""


def why_not(asked: bool) -> str | None:
    """Why nothing is built for this host; None where it is asked for and can be."""
    if not asked:
        return "not asked for: doit bench --native"
    if host.WINDOWS or platform.machine() != "x86_64":
        return "a native build is made on 64-bit Linux only"
    missing = [program for program in COMPILERS.values() if host.program(program) is None]
    if missing:
        return f"{' and '.join(missing)} not found; on Debian or Ubuntu: sudo apt-get install g++"
    return None


def _toolchain(folder: Path, job: Job) -> Toolchain:
    programs = {role: str(host.program(name)) for role, name in COMPILERS.items()}
    version = process.run([programs["cxx"], "-dumpfullversion"], log=job.log, check=False).tail[0]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "native.cmake"
    text = _CMAKE_FILE.format(**programs, flags=" ".join(FLAGS))
    file.write_text(text, encoding="utf-8", newline="\n")
    return Toolchain(
        "gcc", version, f"{platform.machine()}-{sys.platform}", programs, str(file),
        compiler_class="unix", flags=FLAGS,
    )  # fmt: skip


def _library(project: Project, name: str, compiler: Toolchain, folder: Path, job: Job) -> Path:
    """A library's install tree, from the store or built."""
    recipe = project.config.libraries[name].recipes.cmake
    assert isinstance(recipe, CMakeRecipe)
    source = manifest.read(project.manifest(f"extract:{recipe.artifact}"))
    if source is None:
        raise BuildError(
            f"{recipe.artifact} is not unpacked; run doit profile=zig extract:{recipe.artifact}"
        )
    features = libs.optional_features(recipe)
    made_with = libs.tools(recipe, features, compiler, job)
    defines = {**libs.cmake_defines(recipe, features), **DEFINES}
    parts = {**libs.ingredients(recipe, features, source.files, made_with), "defines": defines}
    key, prefix = Key(f"{name}-native", parts), folder / name
    store = Store(project.store, job.warn)
    with store.alone(key):
        if store.take(key, prefix) is None:
            job.note(f"native: {name} is built for this host, once; it takes minutes")
            work = folder / "work" / name
            tree = work / "source"
            if not tree.is_dir():
                with made_whole(tree) as unfinished:
                    copy_tree(project.source_tree(recipe.artifact), unfinished)
            for file in _INSTALLED.get(name, ()):
                (tree / file).parent.mkdir(parents=True, exist_ok=True)
                (tree / file).touch()
            cmake.build(
                tree, prefix, work / "build", compiler, defines, job,
                recipe.precompile, recipe.without_paths,
            )  # fmt: skip
            store.put(key, prefix, manifest.record(prefix))
            shutil.rmtree(work, ignore_errors=True)
    return prefix


def build(project: Project, folder: Path, job: Job) -> tuple[Path, str]:
    """Build FFCV for the host.

    Args:
        folder: where to; the package is FOLDER/site/ffcv.

    Returns:
        the extension module, and the compiler's name and version.

    Raises:
        BuildError: the sources are not there, or do not compile.
    """
    tree = source_folder(project, "ffcv")
    if not (tree / "libffcv" / "libffcv.cpp").is_file():
        raise BuildError("FFCV's source is not here; run doit profile=zig source:ffcv")
    compiler = _toolchain(folder, job)
    opencv, jpeg = (_library(project, name, compiler, folder, job) for name in LIBRARIES)
    package = folder / "site" / "ffcv"
    remove_tree(package)
    copy_tree(tree / "ffcv", package)
    made = package / f"_libffcv{sysconfig.get_config_var('EXT_SUFFIX')}"
    process.run(
        [
            compiler.programs["cxx"], *FLAGS, "-shared", "-fPIC", "-o", made,
            tree / "libffcv" / "libffcv.cpp",
            f"-I{sysconfig.get_path('include')}", f"-I{opencv / 'include' / 'opencv4'}",
            f"-I{jpeg / 'include'}",
            f"-L{opencv / 'lib'}", f"-Wl,-rpath,{opencv / 'lib'}",
            "-lopencv_imgproc", "-lopencv_core",
            jpeg / "lib" / "libturbojpeg.a", "-lpthread",
        ],
        log=job.log, cwd=folder, env=host.environment(), line=job.line,
    )  # fmt: skip
    return made, f"{compiler.kind} {compiler.version}"
