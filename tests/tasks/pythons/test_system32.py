"""System32 of a Wine prefix: what a clean Windows lacks is off, and what Windows has is there."""

from pathlib import Path

import pytest
from pe_files import make_dll
from support import under_wine

from tasks.compilers.zig import zig_program
from tasks.core.errors import BuildError
from tasks.pythons import system32

pytestmark = pytest.mark.skipif(under_wine(), reason="a prefix is made where Wine is")


def test_what_wine_has_and_windows_has_not_is_switched_off(tmp_path: Path) -> None:
    for name in ("kernel32.dll", "MSVCR120.dll", "msvcp140_atomic_wait.dll", "vulkan-1.dll"):
        make_dll(tmp_path / name)
    assert system32.not_in_windows(tmp_path) == ["msvcp140_atomic_wait", "msvcr120", "vulkan-1"]


def test_what_wines_own_windows_is_linked_to_stays(tmp_path: Path) -> None:
    make_dll(tmp_path / "zlib1.dll")
    make_dll(tmp_path / "wined3d.dll")
    make_dll(tmp_path / "cabinet.dll", ["zlib1.dll"])
    make_dll(tmp_path / "d3d11.dll", delay=["WINED3D"])
    make_dll(tmp_path / "atl90.dll", ["vcomp90.dll"])
    make_dll(tmp_path / "vcomp90.dll")
    assert system32.not_in_windows(tmp_path) == ["atl90", "vcomp90"]


def test_a_file_that_is_no_dll_does_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "advapi32.dll").write_bytes(b"not a DLL")
    make_dll(tmp_path / "msvcr90.dll")
    assert system32.not_in_windows(tmp_path) == ["msvcr90"]


def test_dlls_take_the_place_of_links_to_wines_own(tmp_path: Path) -> None:
    shared, prefix = tmp_path / "shared.dll", tmp_path / "system32"
    shared.write_bytes(b"Wine's")
    prefix.mkdir()
    (prefix / "ucrtbase.dll").symlink_to(shared)
    real = make_dll(tmp_path / "ucrtbase" / "ucrtbase.dll")
    assert system32.put(real.parent, prefix) == ["ucrtbase"]
    assert (prefix / "ucrtbase.dll").read_bytes() == real.read_bytes()
    assert shared.read_bytes() == b"Wine's"


def test_an_artifact_without_dlls_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match='has no DLL; run "doit extract:empty" again'):
        (tmp_path / "empty").mkdir()
        system32.put(tmp_path / "empty", tmp_path)


def test_bcryptprimitives_is_made_where_wine_has_none(tmp_path: Path, job) -> None:
    system32.make_bcryptprimitives(zig_program(), tmp_path, job)
    made = (tmp_path / "bcryptprimitives.dll").read_bytes()
    assert made.startswith(b"MZ") and b"ProcessPrng" in made
    (tmp_path / "bcryptprimitives.dll").write_bytes(b"Wine's")
    system32.make_bcryptprimitives(zig_program(), tmp_path, job)
    assert (tmp_path / "bcryptprimitives.dll").read_bytes() == b"Wine's"
