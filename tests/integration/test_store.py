"""A library that was built once is taken from the store, for another Python and after clean."""

import json
import re

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]

# Far less than compiling it, on any machine; the copy itself takes about a second.
SECONDS_AT_MOST = 60


def seconds(run, task: str) -> float:
    found = re.search(rf"^ok    {task} ([\d.]+) s", run.output, re.MULTILINE)
    assert found, run.output
    return float(found[1])


def made(built, python: str) -> dict:
    path = built.folder / "build" / f"zig-{python}" / "manifests" / "libs-opencv.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_another_python_takes_opencv_from_the_store(built):
    built.doit("python=3.12", "clean", "libs:opencv")
    run = built.doit("python=3.12", "offline=1", "libs:opencv")
    assert run.status == 0 and run.executed[-1] == "libs:opencv"
    assert seconds(run, "libs:opencv") < SECONDS_AT_MOST
    assert made(built, "cp312")["files"] == made(built, "cp311")["files"]
    assert made(built, "cp312")["details"]["digest"] == made(built, "cp311")["details"]["digest"]


def test_opencv_after_clean_comes_from_the_store_and_what_links_it_stays(built):
    before = made(built, "cp311")
    built.doit("clean", "libs:opencv")
    assert not (built.build / "libs" / "opencv").exists()
    run = built.doit("verify:closure")
    assert run.executed == ["libs:opencv"]
    assert seconds(run, "libs:opencv") < SECONDS_AT_MOST
    assert made(built, "cp311") == before
    log = (built.build / "logs" / "libs-opencv.log").read_text(encoding="utf-8")
    assert "taken from the store" in log and before["details"]["digest"] in log


def test_the_store_says_what_made_opencv(built):
    said = built.doit("store").output
    assert f"opencv {made(built, 'cp311')['details']['digest']}" in said
    assert "    compiler: zig " in said
