"""The loader simulator against a real loader, Wine's: real wheels, file by file.

Each wheel is imported in the Windows Python, with its native modules; every file that the loader
took, for an import, for ctypes or for code that called LoadLibrary, has to be the one that the
simulator names. Most of the wheels are those of the built environment; some small ones are
installed beside it.

    pytest tests/integration/test_loader_against_wine.py

    FFCVWIN_LOADER_TABLE=table.md pytest tests/integration/test_loader_against_wine.py

The second also does the wheels that are big or like others, and writes a table of what was seen.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import pytest
from traced import run, windows_path

from dllwhy.flavour import detect_environment
from dllwhy.traces import loadtrace
from dllwhy.traces.loadtrace import Comparison, Event
from tasks.core import host

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]

TABLE = os.environ.get("FFCVWIN_LOADER_TABLE")


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A distribution, and how to bring in its native modules.

    Attributes:
        imports: what to import.
        dll: how the name of a DLL begins that comes with it and has to be among the compared.
        requirements: what to install beside the environment; nothing if it has the wheel.
        only_for_the_table: it is big, or of a kind that another one has shown.
    """

    name: str
    imports: str
    dll: str = ""
    requirements: tuple[str, ...] = ()
    only_for_the_table: bool = False


# DLLs of numpy.libs come into every package that imports numpy.
WHEELS = (
    Wheel(name="", imports="ssl, sqlite3, ctypes, lzma, bz2, decimal, tkinter", dll="libcrypto-3"),
    Wheel(name="numpy", imports="numpy", dll="libscipy_openblas64_"),
    Wheel(
        name="scipy",
        imports="scipy.linalg, scipy.sparse.linalg, scipy.special, scipy.optimize, "
        "scipy.interpolate",
        dll="libscipy_openblas",
    ),
    Wheel(name="opencv-python-headless", imports="cv2", dll="libscipy_openblas64_"),
    Wheel(name="pandas", imports="pandas", dll="msvcp140-"),
    Wheel(name="pillow", imports="PIL.Image, PIL._webp, PIL._imagingft"),
    Wheel(name="numba", imports="numba", dll="llvmlite.dll"),
    Wheel(name="matplotlib", imports="matplotlib.pyplot", dll="libscipy_openblas64_"),
    Wheel(name="psutil", imports="psutil"),
    Wheel(name="torch", imports="torch", dll="torch_cpu.dll"),
    Wheel(name="torchvision", imports="torchvision", dll="torch_cpu.dll", only_for_the_table=True),
    Wheel(name="scikit-learn", imports="sklearn.tree", dll="vcomp140", only_for_the_table=True),
    Wheel(name="shapely", imports="shapely", dll="geos", requirements=("shapely==2.0.7",)),
    Wheel(name="h5py", imports="h5py", dll="hdf5", requirements=("h5py==3.11.0",)),
    Wheel(name="lxml", imports="lxml.etree, lxml.html", requirements=("lxml==5.4.0",)),
    Wheel(
        name="pywin32",
        imports="win32api, win32file, win32gui",
        dll="pywintypes311.dll",
        requirements=("pywin32==308",),
    ),
    Wheel(name="pyzmq", imports="zmq", requirements=("pyzmq==26.4.0",)),
    Wheel(
        name="rasterio",
        imports="rasterio",
        dll="gdal",
        requirements=(
            "rasterio==1.3.11", "affine==2.4.0", "attrs==25.3.0", "click==8.1.8",
            "click-plugins==1.1.1", "cligj==0.7.2", "certifi==2025.1.31", "pyparsing==3.2.3",
            "snuggs==1.4.7", "setuptools==75.8.0",
        ),
    ),
    Wheel(
        name="pyarrow",
        imports="pyarrow, pyarrow.parquet, pyarrow.dataset",
        dll="arrow",
        requirements=("pyarrow==17.0.0",),
        only_for_the_table=True,
    ),
    Wheel(
        name="PySide6_Essentials",
        imports="PySide6.QtCore, PySide6.QtGui, PySide6.QtNetwork, PySide6.QtSql, PySide6.QtXml, "
        "PySide6.QtQml",
        dll="qt6core",
        requirements=("PySide6-Essentials==6.5.3", "shiboken6==6.5.3"),
        only_for_the_table=True,
    ),
    Wheel(
        name="cryptography",
        imports="cryptography.hazmat.bindings._rust",
        requirements=("cryptography==42.0.8", "cffi==1.17.1", "pycparser==2.22"),
        only_for_the_table=True,
    ),
    Wheel(name="grpcio", imports="grpc", requirements=("grpcio==1.65.5",), only_for_the_table=True),
)  # fmt: skip


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels that the environment lacks; their requirements are given in full."""
    folder = tmp_path_factory.mktemp("wheels")
    requirements = {r for wheel in WHEELS if _wanted(wheel) for r in wheel.requirements}
    done = subprocess.run(
        [
            host.runner_program("uv"), "pip", "install", "--no-deps", "--only-binary", ":all:",
            "--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.11",
            "--target", folder, *sorted(requirements),
        ],
        capture_output=True, encoding="utf-8", timeout=600, check=False,
    )  # fmt: skip
    if done.returncode and re.search(r"dns error|Could not connect|error sending", done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Rows for the table, which is written at the end."""
    rows: list[str] = []
    yield rows
    if TABLE and rows:
        lines = [
            "| wheel | requests | folders added | files compared | of these dependent DLLs | "
            "same file | other file |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *rows,
        ]
        Path(TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _wanted(wheel: Wheel) -> bool:
    return bool(TABLE) or not wheel.only_for_the_table


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name or "python")
def test_the_simulator_names_each_file_that_the_loader_took(built, side, table, wheel: Wheel):
    if not _wanted(wheel):
        pytest.skip("only for the table: FFCVWIN_LOADER_TABLE=FILE")
    statement = f"site.addsitedir({windows_path(side)!r}); import {wheel.imports}"
    python = built.build / "env" / "python.exe"
    done = run(
        python, built.build / "wine", ["-S", "-c", loadtrace.program(statement)],
        debug=loadtrace.WINEDEBUG,
    )  # fmt: skip
    assert done.returncode == 0, [
        line for line in done.stderr.splitlines() if ":trace:" not in line
    ]
    events = loadtrace.parse(done.stderr)
    compared = loadtrace.compare(events, detect_environment(python.parent))
    table.append(_row(wheel, events, compared, [python.parent / "Lib" / "site-packages", side]))
    assert not [one for one in compared if not one.agrees]
    names = {one.name for one in compared}
    assert any(name.endswith(".pyd") for name in names)
    assert not wheel.dll or any(name.startswith(wheel.dll) for name in names)


def _row(wheel: Wheel, events: list[Event], compared: list[Comparison], folders: list[Path]) -> str:
    found = distributions(name=wheel.name, path=[str(folder) for folder in folders])
    version = next(found).version if wheel.name else ""
    requests = {one.request for one in compared}
    agreeing = sum(one.agrees for one in compared)
    dependent = sum(
        one.name != one.request.lower().removeprefix("loadlibrary: ") for one in compared
    )
    cells = (
        f"{wheel.name} {version}" if wheel.name else f"CPython's own ({wheel.imports})",
        len(requests),
        len({event.path for event in events if event.kind == "add"}),
        len(compared),
        dependent,
        agreeing,
        len(compared) - agreeing,
    )
    return f"| {' | '.join(map(str, cells))} |"
