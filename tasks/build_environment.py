"""The environment in which a package builds itself: one pure function.

A package is never taught how to build. What it lacks on this machine is told to it in
the variables that every build back end reads:

    what the compiler needs       MSVC reads     clang and gcc, through setuptools
    include folders               INCLUDE        CC, CXX with -I and -D
    library folders               LIB            LDSHARED, LDCXXSHARED with -L
    import libraries to link      LINK           LDSHARED, LDCXXSHARED with the files
    which libraries there are     -              PKG_CONFIG_LIBDIR
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.project import Target
from tasks.toolchain import Toolchain


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


def compose(
    toolchain: Toolchain,
    target: Target,
    python: Path,
    libraries: Sequence[LinkedLibrary],
    definitions: Mapping[str, str],
    pkg_config: Path,
) -> dict[str, str]:
    """The variables for a build with setuptools by a host Python, for a Windows Python.

    Args:
        toolchain: the cross-compiler.
        target: the Windows Python's version.
        python: its folder, with include/ and libs/.
        libraries: what to compile and link against.
        definitions: preprocessor definitions, name -> value.
        pkg_config: the folder of the files from `pkg_config_files`.

    Returns:
        variables to add to a clean environment (tasks.host.environment).
    """
    # The Windows Python's headers come first: the host's pyconfig.h would be found otherwise.
    includes = [python / "include", *(library.prefix / "include" for library in libraries)]
    compile_options = [
        *(f"-I{folder}" for folder in includes),
        *(f"-D{name}={value}" for name, value in definitions.items()),
    ]
    link_options = [
        "-shared",
        *(f"-L{library.prefix / 'lib'}" for library in libraries),
        str(python / "libs" / target.import_library),
        *(str(file) for library in libraries for file in library.files()),
    ]

    def command(role: str, options: list[str]) -> str:
        return shlex.join([toolchain.programs[role], *options])

    return {
        **toolchain.environment,
        "CC": command("cc", compile_options),
        "CXX": command("cxx", compile_options),
        "LDSHARED": command("cc", link_options),
        "LDCXXSHARED": command("cxx", link_options),
        # Appended to the flags that the host's Python was built with, so that these win.
        "CFLAGS": "-O2 -g0",
        "CXXFLAGS": "-O2 -g0",
        "PKG_CONFIG_LIBDIR": str(pkg_config),
        # What setuptools and sysconfig read when they build for another platform.
        "SETUPTOOLS_EXT_SUFFIX": target.extension_suffix,
        "_PYTHON_HOST_PLATFORM": target.platform_tag.replace("_", "-"),
        # Equal inputs give an equal wheel (https://reproducible-builds.org/specs/source-date-epoch/).
        "SOURCE_DATE_EPOCH": "315532800",
    }
