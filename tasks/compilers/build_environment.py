"""The environment in which a package builds itself: one pure function.

A package is never taught how to build. What it lacks on this machine is told to it in
the variables that every build back end reads:

    what the compiler needs       MSVC reads     clang and gcc, through setuptools
    include folders               INCLUDE        CC, CXX with -I
    definitions                   CL             CC, CXX with -D
    library folders               LIB            LDSHARED, LDCXXSHARED with -L
    import libraries to link      LINK           LDSHARED, LDCXXSHARED with the files
    which libraries there are     -              PKG_CONFIG_LIBDIR
    where the compiler is         PATH           CC, CXX
    that setuptools shall use it  DISTUTILS_USE_SDK  -

On Windows setuptools calls gcc and its like from another class, which takes libraries from
the file in DIST_EXTRA_CONFIG instead of LDSHARED.
"""

import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.compilers.toolchain import Toolchain
from tasks.core import host
from tasks.core.project import Target

DISTUTILS_CONFIG = "distutils.cfg"


@dataclass(frozen=True)
class BuildEnvironment:
    """What to add to a clean environment (tasks.core.host.environment).

    Args:
        variables: name -> value.
        path: folders to put in front of PATH.
    """

    variables: Mapping[str, str]
    path: Sequence[str] = ()


@dataclass(frozen=True)
class LinkedLibrary:
    """A staged library as a package sees it.

    Args:
        prefix: its bin/, include/, lib/.
        link: names of its libraries, without ending.
        pkg_config: the module name by which build systems ask for it, if they do.
    """

    prefix: Path
    link: Sequence[str]
    pkg_config: str | None

    def files(self) -> list[Path]:
        """The library files, as NAME.lib (import library) or libNAME.a (static library)."""
        lib = self.prefix / "lib"
        return [
            next(
                (f for f in (lib / f"{n}.lib", lib / f"lib{n}.a") if f.is_file()), lib / f"{n}.lib"
            )
            for n in self.link
        ]


def pkg_config_files(libraries: Sequence[LinkedLibrary]) -> dict[str, str]:
    """The .pc files by which pkg-config answers for the staged libraries: file name -> text.

    They hold library names only. Folders are given to compiler and linker directly, because
    build scripts split pkg-config's answer at spaces, also at those within a path.
    """
    return {
        f"{library.pkg_config}.pc": (
            f"Name: {library.pkg_config}\n"
            "Description: staged for the build of a Windows extension module\n"
            "Version: 0\n"
            f"Libs: {' '.join(f'-l{name}' for name in library.link)}\n"
        )
        for library in libraries
        if library.pkg_config
    }


def distutils_config(python: Path, libraries: Sequence[LinkedLibrary]) -> str:
    """The text of `DISTUTILS_CONFIG`: on Windows, setuptools shall call a compiler as gcc is.

    Its class for that (mingw32) has a fixed -O1, and links the Python in which it runs.
    https://docs.python.org/3.11/distutils/configfile.html, and setuptools' source,
    _distutils/dist.py, find_config_files, for the variable.

    Args:
        python: the folder of the Windows Python that the build is for.
    """
    folders = [python / "libs", *(library.prefix / "lib" for library in libraries)]
    return (
        "[build_ext]\n"
        "compiler = mingw32\n"
        f"library_dirs = {';'.join(map(str, folders))}\n"
        f"libraries = {' '.join(name for library in libraries for name in library.link)}\n"
    )


def files_of(
    toolchain: Toolchain, python: Path, libraries: Sequence[LinkedLibrary]
) -> dict[str, str]:
    """The files that belong to the environment of a build: file name -> text."""
    files = pkg_config_files(libraries)
    if toolchain.compiler_class == "mingw32":
        files[DISTUTILS_CONFIG] = distutils_config(python, libraries)
    return files


def compose(
    toolchain: Toolchain,
    target: Target,
    python: Path,
    libraries: Sequence[LinkedLibrary],
    definitions: Mapping[str, str],
    files: Path,
    seen: Callable[[Path], str] = str,
) -> BuildEnvironment:
    """The environment for a build with setuptools, for a Windows Python.

    With zig the build runs in a Python of this machine, with MSVC in the Windows Python itself.

    Args:
        toolchain: the compiler; its class says which table counts.
        target: the Windows Python's version.
        python: its folder, with include/ and libs/.
        libraries: what to compile and link against.
        definitions: preprocessor definitions, name -> value.
        files: the folder of the files from `files_of`.
        seen: a path as the Windows Python sees it, where the build runs in that.
    """
    # Equal inputs give an equal wheel (https://reproducible-builds.org/specs/source-date-epoch/).
    common = dict(host.SOURCE_DATE)
    if toolchain.compiler_class == "msvc":
        made = _for_msvc(toolchain, python, libraries, definitions, seen)
        return BuildEnvironment({**made.variables, **common}, made.path)
    variables = {
        **toolchain.environment,
        **_compilers(toolchain, python, libraries, definitions),
        "PKG_CONFIG_LIBDIR": str(files),
    }
    if toolchain.compiler_class == "mingw32":
        variables["DIST_EXTRA_CONFIG"] = str(files / DISTUTILS_CONFIG)
    else:
        variables |= _for_another_system(toolchain, target, python, libraries, files)
    return BuildEnvironment({**variables, **common})


def msvc_variables(
    given: Mapping[str, str],
    *,
    options: Sequence[str],
    include: Iterable[str],
    lib: Iterable[str],
    linked: Sequence[str],
) -> dict[str, str]:
    """The variables that cl.exe and link.exe read, with what they have already; none is empty.

    https://learn.microsoft.com/cpp/build/reference/cl-environment-variables
    https://learn.microsoft.com/cpp/build/reference/linking (LINK environment variables)

    Args:
        given: the toolchain's variables.
        options: of cl.exe. In its variable "#" stands for "=", which it does not take from there.
        include, lib: folders as Windows sees them, in front of the toolchain's.
        linked: names, which the linker looks up in LIB: no path has to survive its splitting at
            spaces.
    """
    made = {
        "CL": " ".join(filter(None, [given.get("CL"), subprocess.list2cmdline(options)])),
        "INCLUDE": ";".join(filter(None, [*include, given.get("INCLUDE")])),
        "LIB": ";".join(filter(None, [*lib, given.get("LIB")])),
        "LINK": " ".join(filter(None, [given.get("LINK"), *linked])),
    }
    return {name: value for name, value in made.items() if value}


def _for_msvc(
    toolchain: Toolchain,
    python: Path,
    libraries: Sequence[LinkedLibrary],
    definitions: Mapping[str, str],
    seen: Callable[[Path], str],
) -> BuildEnvironment:
    """The table for cl.exe and link.exe."""
    own = msvc_variables(
        toolchain.environment,
        options=[f"/D{name}#{value}" for name, value in definitions.items()],
        include=(seen(library.prefix / "include") for library in libraries),
        lib=map(seen, [*(library.prefix / "lib" for library in libraries), python / "libs"]),
        linked=[file.name for library in libraries for file in library.files()],
    )
    variables = {
        **toolchain.environment,
        **own,
        # setuptools takes compiler and folders from these variables, and looks for none itself.
        "DISTUTILS_USE_SDK": "1",
        # Messages in English, where that language pack is installed: triage reads them.
        "VSLANG": "1033",
    }
    path = [*toolchain.path, *(seen(library.prefix / "bin") for library in libraries)]
    return BuildEnvironment({n: v for n, v in variables.items() if v}, path)


def _compilers(
    toolchain: Toolchain,
    python: Path,
    libraries: Sequence[LinkedLibrary],
    definitions: Mapping[str, str],
) -> dict[str, str]:
    """CC and CXX for compilers that are called as gcc is."""
    # The Windows Python's headers come first: the host's pyconfig.h would be found otherwise.
    includes = [python / "include", *(library.prefix / "include" for library in libraries)]
    options = [
        *(f"-I{folder}" for folder in includes),
        *(f"-D{name}={value}" for name, value in definitions.items()),
    ]
    return {
        variable: shlex.join([toolchain.programs[role], *options])
        for variable, role in (("CC", "cc"), ("CXX", "cxx"))
    }


def _for_another_system(
    toolchain: Toolchain,
    target: Target,
    python: Path,
    libraries: Sequence[LinkedLibrary],
    files: Path,
) -> dict[str, str]:
    """What else a Python of the host needs to know to build for a Windows Python."""
    options = [
        "-shared",
        # Debug information and an import library would lie beside the module, and so in the wheel.
        *("-s", "-Xlinker", "--out-implib", "-Xlinker", str(files / "unused.lib")),
        *(f"-L{library.prefix / 'lib'}" for library in libraries),
        str(python / "libs" / target.import_library),
        *(str(file) for library in libraries for file in library.files()),
    ]
    return {
        "LDSHARED": shlex.join([toolchain.programs["cc"], *options]),
        "LDCXXSHARED": shlex.join([toolchain.programs["cxx"], *options]),
        # Appended to the flags that the host's Python was built with, so that these win.
        "CFLAGS": shlex.join(toolchain.flags),
        "CXXFLAGS": shlex.join(toolchain.flags),
        # What setuptools and sysconfig read when they build for another platform.
        "SETUPTOOLS_EXT_SUFFIX": target.extension_suffix,
        "_PYTHON_HOST_PLATFORM": target.platform_tag.replace("_", "-"),
    }
