"""Whose a header, a function or a library is: the data, and how it is asked."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from dllwhy.logs import owners

ROOT = Path(__file__).resolve().parents[3]

WHOSE = [
    ("header", "lber.h", "OpenLDAP"),
    ("header", "cholmod.h", "SuiteSparse"),
    ("header", "zlib.h", "zlib"),
    ("header", "libxml/parser.h", "libxml2"),
    ("header", "Eigen/Dense", "Eigen"),
    ("header", "boost\\shared_ptr.hpp", "Boost"),
    ("header", "sndfile.h", "libsndfile"),
    ("header", "sys/socket.h", "Unix"),
    ("header", "linux/types.h", "Unix"),
    ("header", "unistd.h", "Unix"),
    ("header", "cstdint", "the Windows SDK"),
    ("header", "stddef.h", "the Windows SDK"),
    ("header", "Windows.h", "the Windows SDK"),
    ("header", "sys/types.h", "the Windows SDK"),
    ("header", "cuda_runtime.h", "NVIDIA's CUDA"),
    ("header", "numpy/arrayobject.h", "NumPy"),
    ("symbol", "inet_ntop", "Windows: ws2_32.lib"),
    ("symbol", "GetUserNameA", "Windows: advapi32.lib"),
    ("symbol", "CreateFileW", "Windows: kernel32.lib"),
    ("symbol", "memcpy", "Microsoft's C and C++ runtime"),
    ("symbol", "inflateInit_", "zlib"),
    ("symbol", "cblas_dgemm", "BLAS"),
    ("symbol", "omp_get_thread_num", "OpenMP"),
    ("symbol", "___chkstk_ms", "MinGW"),
    ("symbol", "_ZN2cv3Mat10deallocateEv", "OpenCV"),
    ("symbol", "PyLong_FromLong", "Python"),
    ("library", "ws2_32.lib", "the Windows SDK"),
    ("library", "libpng16_static.lib", "libpng"),
    ("library", "cudart.lib", "NVIDIA's CUDA"),
    ("library", "cholmod.lib", "SuiteSparse"),
    ("library", "m.lib", "Unix"),
    ("dll", "libcrypto-3-x64.dll", "OpenSSL"),
]


@pytest.mark.parametrize(("group", "name", "expected"), WHOSE)
def test_a_name_has_its_owner(group: str, name: str, expected: str) -> None:
    found = owners.owner(group, name)
    assert found is not None and found.name.startswith(expected)


@pytest.mark.parametrize(
    ("group", "name"),
    [("header", "util.h"), ("header", "config.h"), ("header", "demo_private.h"),
     ("symbol", "demo_start"), ("library", "demo.lib")],
)  # fmt: skip
def test_a_name_that_many_or_none_have_has_no_owner(group: str, name: str) -> None:
    assert owners.owner(group, name) is None


def test_what_belongs_to_a_system_or_compiler_is_not_taken_from_elsewhere() -> None:
    for name in ("___chkstk_ms", "__security_cookie", "dlopen", "__iob_func"):
        found = owners.owner("symbol", name)
        assert found is not None and not found.offer_found, name


def test_every_owner_says_how_it_is_had() -> None:
    entries = yaml.safe_load((owners.DATA / "owners.yaml").read_text(encoding="utf-8"))
    ways = {"conda", "vcpkg", "pypi", "remedy", "offer_found", "debian"}
    fields = {"name", "headers", "symbols", "libraries"} | ways
    for key, entry in entries.items():
        assert entry.keys() <= fields, key
        assert entry["name"], key
        for field in ("headers", "symbols", "libraries"):
            re.compile(entry.get(field, ""))


def test_the_data_is_small_enough_for_a_wheel() -> None:
    assert sum(file.stat().st_size for file in owners.DATA.iterdir()) < 500_000


def test_the_tables_say_what_they_were_made_from() -> None:
    for name, source in (
        ("headers", "# Debian "),
        ("libraries", "# Debian "),
        ("functions", "# zig"),
    ):
        assert owners._table(name).startswith(source)


def test_asking_is_quick_even_the_first_time() -> None:
    owners._table.cache_clear()
    owners._owners.cache_clear()
    start = time.process_time()
    owners.owner("header", "lber.h")
    owners.owner("symbol", "inet_ntop")
    first = time.process_time() - start
    start = time.process_time()
    for number in range(20):
        owners.owner("symbol", f"demo_{number}")
    assert first < 1  # about 0.05 s; a loaded machine's clock is not exact
    assert (time.process_time() - start) / 20 < 0.05


def test_nothing_is_read_when_the_module_is_imported() -> None:
    code = (
        "import dllwhy.logs.triage, dllwhy.logs.owners as o;"
        "print(o._table.cache_info().misses, o._owners.cache_info().misses)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.split() == ["0", "0"]


def test_damaged_data_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(owners, "DATA", tmp_path)
    (tmp_path / "headers.txt.gz").write_bytes(b"\x1f\x8b damaged")
    owners._table.cache_clear()
    try:
        with pytest.raises(owners.DiagnosisError, match=r"headers\.txt\.gz cannot be read"):
            owners._table("headers")
    finally:
        owners._table.cache_clear()
