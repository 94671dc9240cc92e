"""A wheel with its DLLs inside: what is said of one that is nowhere."""

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
