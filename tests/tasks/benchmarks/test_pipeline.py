"""The disciplines of the pipeline: everybody has a turn, and who is missing is named."""

import dataclasses

import pytest
from support import ROOT

from tasks.benchmarks import pipeline
from tasks.core import project
from tasks.core.store import Key, Store

SMALL = {"rounds": 1, "megabytes": 1, "source": "libjpeg-turbo-source", "whole": False}


@pytest.fixture
def empty(tmp_path):
    loaded = project.load(ROOT)
    return dataclasses.replace(loaded, root=tmp_path / "clone", cache=tmp_path / "cache")


@pytest.fixture
def source(empty):
    folder = empty.source_tree("libjpeg-turbo-source")
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.c").write_text("int a;\n" * 100, encoding="utf-8")
    return folder


def test_everybody_has_a_turn_in_each_round():
    turns = []
    contenders = {name: lambda name=name: float(turns.append(name) or 1.0) for name in "ab"}
    samples = pipeline.take_turns(contenders, 2)
    assert samples == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    # One that is not counted, then forwards, then backwards.
    assert turns == ["a", "b", "a", "b", "b", "a"]


def test_what_is_unpacked_is_measured_for_each_format(empty, source, job):
    rows, _ = pipeline.unpacking(empty, SMALL, job)
    own = [row for row in rows if row.contender == "this project"]
    assert [row.what.rpartition(".")[2] for row in own] == ["gz", "zip", "7z"]
    assert {row.unit for row in own} == {"s"}
    assert all(row.median > 0 for row in own)


def test_a_program_that_is_missing_is_named(empty, source, job, monkeypatch):
    monkeypatch.setattr(pipeline.host, "program", lambda name: None)
    _, missing = pipeline.unpacking(empty, SMALL, job)
    assert missing["7zz"] == "not found; Debian's package 7zip"
    rows, missing = pipeline.downloading(empty, SMALL, job)
    assert ([row.contender for row in rows], missing) == (["this project"], {"curl": "not found"})


def test_a_download_is_whole_and_in_megabytes_a_second(empty, job):
    [row, *_], _ = pipeline.downloading(empty, SMALL, job)
    assert (row.contender, row.unit, row.what) == (
        "this project", "MB/s", "download 1 MB, loopback",
    )  # fmt: skip
    assert row.median > 0


def test_the_store_is_compared_with_a_copy_of_the_same_files(empty, tmp_path, job):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a.lib").write_bytes(b"a" * 1000)
    from tasks.core import manifest

    store = Store(empty.store, job.warn)
    store.put(Key("opencv", {"a": 1}), tmp_path / "made", manifest.record(tmp_path / "made"))
    rows, missing = pipeline.copying(empty, SMALL, job)
    assert [row.contender for row in rows] == ["a plain copy", "the store"]
    assert (rows[0].ratio, missing) == (1.0, {})


def test_an_empty_store_is_told(empty, job):
    assert pipeline.copying(empty, SMALL, job) == ([], {"the store": "it is empty"})


def test_what_is_not_built_is_not_diagnosed(empty, job):
    assert pipeline.diagnosing(empty, SMALL, job) == ([], {"dllwhy": "FFCV is not built here"})
