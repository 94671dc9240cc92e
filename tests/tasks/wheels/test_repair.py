"""A wheel with its DLLs inside: what is said of one that is nowhere."""

import zipfile

import pytest
from pe_files import make_dll
from support import Recorder
from wheel_files import MEMBERS, write_wheel

from tasks.core.errors import BuildError
from tasks.wheels import repair


def test_a_dll_that_is_nowhere_is_named(tmp_path):
    module = make_dll(tmp_path / "thing.cp311-win_amd64.pyd", ["nowhere.dll"]).read_bytes()
    members = {**MEMBERS, "thing.cp311-win_amd64.pyd": module}
    wheel = write_wheel(tmp_path, members, "thing-1.0-cp311-cp311-win_amd64.whl")
    with pytest.raises(BuildError, match=r"its module needs nowhere\.dll, which is neither in it"):
        repair.repaired(wheel, [tmp_path], tmp_path, Recorder(tmp_path).job)


def test_what_the_dlls_of_a_package_need_is_put_into_the_wheel(tmp_path):
    runtime = make_dll(tmp_path / "places" / "msvcp140.dll", ["KERNEL32.dll"])
    own = make_dll(tmp_path / "own.dll", ["other.dll", "MSVCP140.dll"]).read_bytes()
    other = make_dll(tmp_path / "other.dll", ["KERNEL32.dll"]).read_bytes()
    members = {**MEMBERS, "thing/lib/own.dll": own, "thing/lib/other.dll": other}
    wheel = write_wheel(tmp_path, members, "thing-1.0-py3-none-win_amd64.whl")
    made = repair.repaired(wheel, [runtime.parent], tmp_path / "out", Recorder(tmp_path).job)
    with zipfile.ZipFile(made) as archive:
        names = archive.namelist()
        dlls = {name.rpartition("/")[2].partition("-")[0] for name in names if ".libs/" in name}
        assert "thing/lib/own.dll" in names and "thing/lib/other.dll" in names
    assert dlls & {"msvcp140"} and "other" not in dlls, names
