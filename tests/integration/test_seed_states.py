"""FFCV's extension with too few DLLs beside it: the three ways in which `import ffcv` used to fail.

A Windows Python without packages, the real extension, the real DLLs. For each state: what
`doit explain` says of it on one screen, what Wine's loader does, and what `doit trace --procmon`
makes of a recording of that (see procmon_csv: the events are those of Wine's loader, the format is
Process Monitor's).
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from procmon_csv import WINEDEBUG, from_wine
from traced import run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]

SCREEN = 24  # lines
OPENCV = ("libopencv_core460.dll", "libopencv_imgproc460.dll")
NOT_COPIED = (*OPENCV, "pthreadVC2.dll")
LOAD = (
    "import sys; sys.path.insert(0, sys.prefix + r'\\Lib\\site-packages\\ffcv'); import _libffcv; "
    "print('LOADED')"
)


@dataclass(frozen=True)
class State:
    """What lies where, and what is missing then.

    Attributes:
        copied: the staged libraries whose DLLs are beside the extension.
        on_path: those whose folders are on PATH.
        told: what `doit explain` says.
    """

    copied: tuple[str, ...] = ()
    on_path: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


STATES = {
    "nothing copied": State(
        missing=NOT_COPIED,
        told=("pthreadVC2.dll: missing", "It is pthreads-win32.", "doit dlls"),
    ),
    "on PATH only": State(
        on_path=("opencv", "pthreads", "msvcr100"),
        missing=NOT_COPIED,
        told=tuple(f"{name} is on PATH, but Python does not look there" for name in NOT_COPIED),
    ),
    "copied without MSVCR100": State(
        copied=("opencv", "pthreads"),
        missing=("MSVCR100.dll",),
        told=(
            "pthreadVC2.dll: folder of the extension module (ffcv)",
            "MSVCR100.dll: missing",
            "It is the Visual C++ 2010 runtime, which Windows 10 and 11 do not have.",
            'To do: install "Microsoft Visual C++ 2010 SP1 Redistributable (x64)", or copy the DLL',
        ),
    ),
    "all copied": State(copied=("opencv", "pthreads", "msvcr100")),
}


@pytest.fixture
def bare(built, tmp_path: Path) -> Path:
    """The built environment's Python, and of its packages FFCV's extension only."""
    python = tmp_path / "python"
    without = shutil.ignore_patterns("site-packages", "tcl", "include", "Tools")
    shutil.copytree(built.build / "env", python, ignore=without)
    package = python / "Lib" / "site-packages" / "ffcv"
    package.mkdir(parents=True)
    [extension] = built.package.glob("*.pyd")
    shutil.copy(extension, package)
    return python


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_what_is_missing_is_named_and_wines_loader_misses_it(built, bare: Path, state: State):
    package = bare / "Lib" / "site-packages" / "ffcv"
    staged = {name: built.build / "libs" / name / "bin" for name in (*state.copied, *state.on_path)}
    for name in state.copied:
        for dll in staged[name].glob("*.dll"):
            shutil.copy(dll, package)
    on_path = [staged[name] for name in state.on_path]
    status = 1 if state.missing else 0

    [extension] = package.glob("*.pyd")
    path = ["--path", os.pathsep.join(map(str, on_path))] if on_path else []
    explained = built.doit("explain", "--pe", str(extension), *path)
    assert explained.status == status
    if state.missing:
        assert f"does not load: missing {', '.join(state.missing)}" in explained.output
    assert [text for text in state.told if text not in explained.output] == []
    assert len(explained.output.splitlines()) <= SCREEN

    done = run(
        bare / "python.exe", built.build / "wine", ["-S", "-c", LOAD],
        debug=WINEDEBUG, path=on_path,
    )  # fmt: skip
    assert done.returncode == status
    assert ("LOADED" in done.stdout) is not bool(state.missing)
    failed = "ImportError: DLL load failed while importing _libffcv" in done.stderr
    assert failed is bool(state.missing)

    # Of MSVCR100 Wine has one of its own, which it is forbidden to use.
    recorded = bare.with_name("recorded.csv")
    recorded.write_bytes(from_wine(done.stderr, absent={"msvcr100.dll"}))
    traced = built.doit("trace", "--json", "--procmon", str(recorded), "--env", str(bare))
    assert traced.status == status
    told = {one["name"]: one for one in json.loads(traced.output)}
    assert {name for name, one in told.items() if one["predicted"] == "missing"} == set(
        state.missing
    )
    assert all(one["loaded"] is None for one in told.values() if one["predicted"] == "missing")
    assert {one["agrees"] for one in told.values()} <= {True, None}
