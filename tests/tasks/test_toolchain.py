"""Which compiler a profile makes ready."""

import pytest
from support import ROOT

from tasks import toolchain
from tasks.compilers import msvc, zig
from tasks.core.project import load


@pytest.mark.parametrize(("profile", "maker"), [("zig", zig.make), ("msvc", msvc.make)])
def test_the_profile_says_which_compiler_is_made_ready(monkeypatch, profile, maker):
    monkeypatch.setenv("FFCVWIN_PROFILE", profile)
    (task,) = toolchain.create(load(ROOT))
    assert task["actions"][0].work.func is maker
