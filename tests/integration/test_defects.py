"""verify:defects runs the tests of the patches in the environment that was built."""

import shutil

import pytest
from support import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

NEEDED = ("conftest.py", "bounded.py", "test_0012_import_without_compiling.py")


def test_a_test_of_a_patch_finds_what_lies_beside_it(built):
    few = built.folder / "build" / "few"
    few.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        shutil.copyfile(ROOT / "tests" / "windows" / name, few / name)

    def change(config):
        config["verify"]["defects"]["tests"] = "build/few"

    built.change_config(change)
    run = built.doit("verify:defects")
    assert run.status == 0, run.output
    assert "verify:defects" in run.output and "1 passed" in run.output
