"""The report tells the state of each stage, and what there is to tell of wheels and checks."""

import json
from dataclasses import replace

import pytest
from wheel_files import MEMBERS, write_wheel

from tasks import dist, report, verify
from tasks.benchmarks import measure
from tasks.core import manifest, times
from tasks.core.manifest import Made
from tasks.core.project import load
from tasks.graph import tasks_of
from tasks.pages import page
from tasks.stage import stage


@pytest.fixture
def project(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    return load(clone)


def node_of(project, settings="one", inputs=()):
    """The node of a stage, as the graph of now has it."""

    def work(job):
        (project.build / "it").mkdir(parents=True, exist_ok=True)
        (project.build / "it" / "file").write_text("made", encoding="utf-8")
        return Made("it", root=project.build, files=manifest.record(project.build / "it"))

    task = stage(
        project, "libs:it", "it", work, settings=settings, files=inputs, owns=[project.build / "it"]
    )
    return task, report.nodes_of(report.stages_of([task]), {"libs:it": 3.0})[0]


def make(project, **changes):
    """Write the manifest that the stage would write."""
    task, _ = node_of(project)
    path = task["meta"]["manifest"]
    folder = project.build / "it"
    folder.mkdir(parents=True)
    (folder / "file").write_text("made", encoding="utf-8")
    made = Made("it", root=folder, files=manifest.record(folder),
                details={"made_from": task["actions"][0].made_from()})  # fmt: skip
    manifest.write(path, replace(made, **changes))


def test_a_stage_that_was_never_run_is_not_made(project):
    assert node_of(project)[1].state == "not made"


def test_a_stage_that_was_run_is_done_and_has_its_time(project):
    make(project)
    node = node_of(project)[1]
    assert (node.state, node.seconds) == ("done", 3.0)


def test_changed_settings_make_it_stale(project):
    make(project)
    assert node_of(project, settings="two")[1].state == "stale"


def test_an_altered_product_makes_it_stale(project):
    make(project)
    (project.build / "it" / "file").write_text("MADE!", encoding="utf-8")
    assert node_of(project)[1].state == "stale"


def test_an_input_that_is_gone_makes_it_stale(project):
    make(project)
    assert node_of(project, inputs=[project.root / "gone"])[1].state == "stale"


@pytest.mark.parametrize(
    ("status", "state"), [("not run", "not run"), (manifest.UNFINISHED, "failed")]
)
def test_the_status_of_its_manifest_counts(project, status, state):
    make(project, status=status)
    assert node_of(project)[1].state == state


def gathered(project):
    return report.gather(project, report.stages_of(tasks_of(project)))


def test_before_anything_is_built_the_page_shows_the_whole_graph(project):
    told = gathered(project)
    names = {row.node.name for row in told.rows}
    assert {"fetch:ffcv", "libs:opencv", "wheel:ffcv", "verify:roundtrip", "dist:ffcv"} <= names
    assert {row.node.state for row in told.rows} == {"not made"}
    assert "not checked yet" in page.render(told)


def test_a_wheel_is_told_with_its_parts_and_their_licences(project):
    listed = {
        "metadata": {"component": {"licenses": [{"expression": "MIT AND Zlib"}]}},
        "components": [{"name": "zlib", "licenses": [{"expression": "Zlib"}]}],
    }
    sbom = {"thing-1.0.dist-info/sboms/thing.cdx.json": json.dumps(listed).encode()}
    write_wheel(dist.dist_folder(project, "thing"), MEMBERS | sbom)
    [wheel] = gathered(project).wheels
    assert wheel.license == "MIT AND Zlib"
    assert list(wheel.parts) == [("zlib", "", "Zlib")]


def test_checks_are_told_without_the_folders_of_this_machine(project):
    where = str(project.build / "verify" / "x.beton")
    data = {"checks": [{"name": "read", "status": "failed", "seconds": 1.0, "detail": where}],
            "versions": {"numpy": "2.0"}}  # fmt: skip
    manifest.write_json(verify.report_file(project, "roundtrip"), data)
    told = gathered(project)
    [[check]] = told.checks.values()
    assert str(project.root) not in check.detail
    assert told.versions == {"numpy": "2.0"}
    assert page.verdict(told)[0] == "bad"


def test_times_are_kept_from_run_to_run(tmp_path):
    times.add(tmp_path, {"a": 1.0, "b": 2.0})
    times.add(tmp_path, {"b": 2.345})
    assert times.read(tmp_path) == {"a": 1.0, "b": 2.35}


def test_damaged_times_are_no_times(tmp_path):
    (tmp_path / times.NAME).write_text("[1", encoding="utf-8")
    assert times.read(tmp_path) == {}


def test_what_bench_measured_is_told_and_what_it_cannot_read_is_not(project):
    folder = project.build / "bench"
    folder.mkdir(parents=True)
    rows = measure.rows("imdecode", "us", {"one": [4.0], "two": [8.0]}, "one")
    measured = {
        "part": "product",
        "size": "full",
        "command": "doit bench",
        "measured": "today",
        "machine": {"processor": "A processor", "threads": 2, "system": "Linux"},
        "load": [None, None],
        "reference": "one",
        "rows": measure.as_data(rows),
        "missing": {"three": "it is not here"},
    }
    (folder / "product.json").write_text(json.dumps(measured), encoding="utf-8")
    (folder / "loading.json").write_text('{"part": "loading"}', encoding="utf-8")
    [speed] = report.gather(project, []).speed
    assert [row[:2] for row in speed.rows] == [["imdecode", "one"], ["imdecode", "two"]]
    assert speed.rows[1][4] == "0.50 (0.50 to 0.50)"
    assert "Not measured: three (it is not here)." in speed.about
