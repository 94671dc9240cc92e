"""Each kind of failure is understood, in logs that are not of this project's own build.

data/logs/kinds: one short log a kind, worded as the programs word it on Windows.
data/logs/made: real output of pip 26, setuptools 84, CMake 4.4, Meson and Python 3.11 on Linux, of
a small project with one mistake each; only the folders are replaced.
"""

from pathlib import Path

import pytest
from support import ROOT

from dllwhy.logs.triage import Outcome, outcome, triage

LOGS = ROOT / "tests" / "data" / "logs"

# log: id, words of the cause or the remedy
KINDS = {
    "cuda-host-compiler": ("cuda-host-compiler", ["MSVC", "CUDA Toolkit"]),
    "python-library-embeddable": ("python-library", ["python313.lib", "libs", "embeddable"]),
    "cython-longintrepr": ("cython-too-old", ["Cython", "newer release", "3.10"]),
    "distutils": ("distutils", ["3.12", "setuptools"]),
    "isolated-torch": ("isolated-build", ["pip install torch", "--no-build-isolation"]),
    "numpy-abi": ("numpy-abi", ["another NumPy", "numpy<2", "build it again"]),
    "dll-init-chinese": ("dll-start", ["1114", "vc_redist", "import"]),
    "createprocess-193": ("program-not-windows", ["could not be started", "No DLL"]),
    "meson-compiler": ("meson-compiler", ["Build Tools", "vswhere", "wheel"]),
    "rust-linker": ("rust-linker", ["link.exe", "Build Tools", "Windows SDK"]),
    "long-path": ("long-path", ["260", "LongPathsEnabled", "TEMP="]),
    "wrapped-runtime-mismatch": ("runtime-mismatch", ["MT_StaticRelease", "MD_DynamicRelease"]),
    "ffcv-old": ("ffcv-old", ["pkg-config", "opencv4", "no headers", "doit wheel:ffcv"]),
    "swig": ("program-missing", ["swig.exe", "not installed"]),
    "x86-compiler": ("x86-compiler", ["32-bit", "x64 Native Tools"]),
}

MADE = {
    "cmake-could-not-find": "cmake-could-not-find",
    "cmake-fortran": "fortran-missing",
    "cmake-generator-changed": "cmake-cache",
    "cmake-message": "error-cmake",
    "cmake-moved": "cmake-cache",
    "cmake-old-policy": "cmake-policy",
    "cmake-platform": "cmake-platform",
    "cmake-too-old": "cmake-too-old",
    "meson-dependency": "meson-dependency",
    "meson-error": "error-meson",
    "meson-no-compiler": "meson-compiler",
    "meson-no-fortran": "fortran-missing",
    "meson-program": "program-missing",
    "pip-backend-missing": "backend",
    "pip-collections-mapping": "python-removed",
    "pip-getargspec": "python-removed",
    "pip-git-missing": "git-missing",
    "pip-install-requires": "setup-command",
    "pip-invalid-version": "invalid-version",
    "pip-isolated-torch": "isolated-build",
    "pip-license-twice": "pyproject",
    "pip-msvccompiler": "distutils-compiler",
    "pip-no-requirements": "no-project",
    "pip-no-such-version": "no-such-version",
    "pip-no-versions": "no-versions",
    "pip-pkg-resources": "pkg-resources",
    "pip-python-too-new": "python-too-new",
    "pip-python2-except": "python2-syntax",
    "pip-python2-print": "python2-syntax",
    "pip-readme-charmap": "source-encoding",
    "pip-requires-python": "requires-python",
    "pip-resolution": "resolution",
    "pip-swig-missing": "program-missing",
    "pip-toml-syntax": "pyproject",
    "pip-use-2to3": "setuptools-removed",
    "pip-wheel-tags": "wheel-tags",
    "python-ast-removed": "python-removed",
    "python-circular": "circular-import",
    "python-disk-full": "disk-full",
    "python-memory": "memory",
    "python-output-encoding": "output-encoding",
    "setup-bdist-wininst": "setuptools-removed",
    "setup-gcc-undeclared": "error-gcc",
    "setup-key-error": "error-python",
    "setup-no-project": "invalid-version",
    "sh-swig-missing": "program-missing",
}
SUCCESS = {"cmake-tests-success"}


def log(folder: str, name: str) -> str:
    return (LOGS / folder / f"{name}.log").read_text(encoding="utf-8")


def test_every_log_has_an_expectation() -> None:
    assert {path.stem for path in (LOGS / "kinds").glob("*.log")} == KINDS.keys()
    assert {path.stem for path in (LOGS / "made").glob("*.log")} == MADE.keys() | SUCCESS


@pytest.mark.parametrize("name", KINDS)
def test_a_log_of_each_kind_is_understood(name: str) -> None:
    identifier, words = KINDS[name]
    [finding] = triage(log("kinds", name))
    assert finding.id == identifier
    assert [w for w in words if w not in f"{finding.cause} {finding.remedy}"] == []
    assert outcome([finding]) is Outcome.CAUSE_FOUND
    assert "config.yaml" not in finding.remedy and "doit explain" not in finding.remedy


@pytest.mark.parametrize("name", MADE)
def test_a_log_that_was_made_here_has_its_one_finding(name: str) -> None:
    [finding] = triage(log("made", name))
    assert finding.id == MADE[name]
    understood = not finding.id.startswith("error-")
    assert outcome([finding]) is (Outcome.CAUSE_FOUND if understood else Outcome.NOT_UNDERSTOOD)


@pytest.mark.parametrize("name", SUCCESS)
def test_a_success_with_alarming_lines_is_no_failure(name: str) -> None:
    assert triage(log("made", name)) == []


@pytest.mark.parametrize("folder", ["kinds", "made"])
def test_no_log_of_strangers_is_answered_with_what_is_staged_for_another_python(
    folder: str, tmp_path: Path
) -> None:
    (tmp_path / "include" / "cpython").mkdir(parents=True)
    (tmp_path / "libs").mkdir()
    for name in ("python311.dll", "include/cpython/longintrepr.h", "include/Python.h",
                 "libs/python311.lib", "libs/python3.lib"):  # fmt: skip
        (tmp_path / name).write_bytes(b"")
    for path in sorted((LOGS / folder).glob("*.log")):
        for finding in triage(path.read_text(encoding="utf-8"), [tmp_path]):
            assert str(tmp_path) not in f"{finding.remedy} {finding.facts}", path.name


# Builds of packages by doit build, as they failed.
PACKAGES = {
    "fasttext-msvc": "cpp-standard",
    "fasttext-zig": "posix-name-gcc",
    "pygraphviz": "error-python",
    "python-ldap": "missing-header",
    "sentencepiece": "git-missing",
}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_failed_is_understood(name):
    log = (LOGS / "packages" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    assert triage(log)[0].id == PACKAGES[name]


def test_what_a_program_says_below_its_exception_is_told():
    log = (LOGS / "packages" / "pygraphviz.log").read_text(encoding="utf-8")
    assert "Could not find `dot` executable!" in triage(log)[0].cause
