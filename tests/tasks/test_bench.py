"""doit bench as a command: what can be asked, and what is told."""

import dataclasses
import json

import pytest
from support import ROOT

from tasks import bench
from tasks.benchmarks import native, product
from tasks.core import project
from tasks.core.errors import BuildError


@pytest.fixture
def empty(tmp_path):
    return dataclasses.replace(project.load(ROOT), root=tmp_path)


def test_all_parts_are_measured_where_none_is_named():
    assert bench.parts_of("") == list(bench.PARTS)


def test_a_part_that_there_is_not_is_one_line():
    with pytest.raises(BuildError, match=r"--part speed: .* there are product"):
        bench.parts_of("speed")


def test_a_size_that_there_is_not_is_one_line(empty):
    with pytest.raises(BuildError, match="--size huge: it is small or full"):
        bench.bench(empty, {}, "product", "huge", False, "")


def test_without_a_build_it_says_what_to_run(empty):
    with pytest.raises(BuildError, match='run "doit" first'):
        bench.bench(empty, {}, "product", "small", False, "")


def test_a_build_that_there_is_not_is_named_with_the_command_that_makes_it(empty):
    missing = product.missing_of(empty, ["zig"])
    assert missing == {
        f"FFCV ({name}), Windows": f"not built here: doit profile={name}"
        for name in ("msvc", "msvc-portable")
    }


def test_a_host_without_a_compiler_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(native.host, "WINDOWS", False)
    monkeypatch.setattr(native.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(native.host, "program", lambda name: None)
    assert native.why_not(True) == (
        "gcc and g++ not found; on Debian or Ubuntu: sudo apt-get install g++"
    )


def test_windows_has_no_native_build_beside_its_own(monkeypatch):
    monkeypatch.setattr(native.host, "WINDOWS", True)
    assert native.why_not(True) == "a native build is made on 64-bit Linux only"


def test_what_was_measured_before_is_told_again_and_a_broken_file_is_not(empty):
    folder = empty.build / "bench"
    folder.mkdir(parents=True)
    (folder / "product.json").write_text(json.dumps({"part": "product"}), encoding="utf-8")
    assert bench.read_all(empty) == [{"part": "product"}]
    (folder / "product.json").write_text("{", encoding="utf-8")
    assert bench.read_all(empty) == []


def test_the_command_that_is_told_repeats_the_measurement():
    assert bench._command("full", "product", True, "an other") == (
        "doit bench --part=product --size=full --native '--against=an other'"
    )
