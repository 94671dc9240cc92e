"""The machine that the build runs on: its programs, and an environment without surprises."""

import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tasks.errors import BuildError

# Variables by which compilers, CMake, pkg-config, setuptools and Python take instructions. What
# a user has set for other work must not leak into this build.
_STEERING = {
    "CC", "CXX", "AR", "LD", "RC", "LDSHARED", "LDCXXSHARED", "RANLIB",
    "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "ARFLAGS",
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH",
    "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR",
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE",
    "SETUPTOOLS_EXT_SUFFIX", "DISTUTILS_USE_SDK", "_PYTHON_HOST_PLATFORM",
    "DIST_EXTRA_CONFIG", "MSSdk", "NINJA_STATUS", "DESTDIR",
}  # fmt: skip


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would steer a build, plus `variables`.

    The folder of the runner's own programs comes first on PATH.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _STEERING and not name.startswith("CMAKE_")
    }
    kept["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), kept.get("PATH", "")])
    return kept | dict(variables or {})


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
