"""The machine that the build runs on: its programs, and an environment without surprises."""

import os
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.core.errors import BuildError

WINDOWS = os.name == "nt"

# 1980, before which no zip archive has a date: what is made with it is the same, whenever it is.
# https://reproducible-builds.org/specs/source-date-epoch/
SOURCE_DATE = {"SOURCE_DATE_EPOCH": "315532800"}

# The prompts of this system, by the ending of a script for them.
PROMPTS = (".cmd", ".ps1") if WINDOWS else (".sh",)

# Variables by which compilers, linkers, CMake, pkg-config, setuptools and Python take
# instructions; in upper case. What a user has set for other work must not leak into this build.
_STEERING = {
    "CC", "CXX", "AR", "LD", "RC", "LDSHARED", "LDCXXSHARED", "RANLIB",
    "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "ARFLAGS",
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH",
    # https://learn.microsoft.com/cpp/build/reference/cl-environment-variables
    "INCLUDE", "EXTERNAL_INCLUDE", "LIB", "LIBPATH", "CL", "_CL_", "LINK", "_LINK_",
    "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR",
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE",
    "SETUPTOOLS_EXT_SUFFIX", "DISTUTILS_USE_SDK", "_PYTHON_HOST_PLATFORM",
    "DIST_EXTRA_CONFIG", "MSSDK", "NINJA_STATUS", "DESTDIR",
}  # fmt: skip


def environment(
    variables: Mapping[str, str] | None = None, path: Sequence[str] = ()
) -> dict[str, str]:
    """This process's environment without what would steer a build, plus `variables`.

    Args:
        variables: they win over those of the process, also where only case tells the names
            apart: Windows has one variable for all spellings of a name.
        path: folders to put first on PATH. Those of the runner's own programs come next.
    """
    added = dict(variables or {})
    ignored = _STEERING | {name.upper() for name in added}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in ignored and not name.upper().startswith("CMAKE_")
    }
    # Packages of the user's own would win over those of an environment (PEP 370).
    kept["PYTHONNOUSERSITE"] = "1"
    # With git for Windows or conda's m2 packages a link.exe that is no linker is on PATH.
    folders = [*path, sysconfig.get_path("scripts"), kept.get("PATH", "")]
    kept["PATH"] = os.pathsep.join(folders)
    return kept | added


def runner_program(name: str) -> Path:
    """A program that one of the pinned requirements brings (cmake, ninja, uv, ...).

    Raises:
        BuildError: it is not in the runner's environment.
    """
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    if found is None:
        raise BuildError(
            f"{name} is not in the Python environment that runs doit; run bootstrap again, which "
            "installs the pinned requirements"
        )
    return Path(found)


def program(name: str) -> Path | None:
    """A program of the host, or None."""
    found = shutil.which(name)
    return Path(found) if found else None
