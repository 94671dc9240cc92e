"""Stages run by the real doit: what is stale runs, what is not does not, errors are one line."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import ROOT

from tasks.core import project as projects
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.stage import made_now, stage

DODO = """
import os
import signal
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tasks import commands
from tasks.core import manifest, project as projects
from tasks.core.errors import BuildError
from tasks.core.manifest import Made
from tasks.reporter import Reporter
from tasks.stage import stage
from tasks.tool import tool

here = Path(__file__).parent
project = projects.load(here)
projects.project = lambda: project
import tasks.reporter
tasks.reporter.project = projects.project
commands.guard(project)
project.build.mkdir(parents=True, exist_ok=True)
DOIT_CONFIG = dict(backend="sqlite3", dep_file=str(project.state), reporter=Reporter,
                   par_type="thread", num_process=2, cleanforget=True,
                   default_tasks=["first", "second"])
settings = (here / "settings").read_text()

def copy(source, name):
    def work(job):
        with (here / "executed").open("a") as log:
            log.write(name + "\\n")
        text = source.read_text()
        if text == "fail":
            raise BuildError("the cause; what to do")
        if name == "second" and (here / "kill").exists():
            os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        if text == "full":
            raise OSError(28, "No space left on device", "x")
        if text == "defect":
            raise RuntimeError("a defect")
        folder = project.build / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "copy").write_text(text.strip())
        return Made("copied", root=folder, files=manifest.record(folder), where=folder)
    return work

def task_all():
    first = project.build / "first" / "copy"
    yield stage(project, "first", "the first", copy(here / "input", "first"),
                settings={{"s": settings}}, files=[here / "input"], owns=[project.build / "first"])
    yield stage(project, "second", "the second", copy(first, "second"),
                settings={{}}, needs=["first"], owns=[project.build / "second"])
    yield tool(project, "ask", "a question", lambda project: True)
    yield {{**tool(project, "use", "one with a stage before it", lambda project: True),
           "task_dep": ["first"]}}
"""


class Graph:
    """Two stages, one after the other."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "dodo.py").write_text(DODO.format(root=str(ROOT)), encoding="utf-8")
        (folder / "input").write_text("one", encoding="utf-8")
        (folder / "settings").write_text("a", encoding="utf-8")

    def doit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "doit", *arguments],
            cwd=self.folder, capture_output=True, check=False,
            # On Windows it prints in the code page of the machine.
            encoding="utf-8", errors="replace",
        )  # fmt: skip

    def executed(self, *arguments: str) -> list[str]:
        """The stages that a run executes."""
        log = self.folder / "executed"
        log.unlink(missing_ok=True)
        done = self.doit(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return log.read_text(encoding="utf-8").split() if log.exists() else []

    @property
    def build(self) -> Path:
        [folder] = (self.folder / "build").iterdir()
        return folder


@pytest.fixture
def graph(clone: Path) -> Graph:
    return Graph(clone)


def test_a_second_run_executes_nothing(graph):
    assert graph.executed() == ["first", "second"]
    assert graph.executed() == []


def test_a_deleted_product_is_made_again_and_nothing_that_depends_on_it(graph):
    graph.executed()
    (graph.build / "first" / "copy").unlink()
    assert graph.executed() == ["first"]


def test_an_altered_input_runs_everything_from_there_on(graph):
    graph.executed()
    (graph.folder / "input").write_text("two", encoding="utf-8")
    assert graph.executed() == ["first", "second"]


def test_an_altered_setting_runs_what_comes_after_even_if_the_product_is_the_same(graph):
    graph.executed()
    (graph.folder / "settings").write_text("b", encoding="utf-8")
    assert graph.executed() == ["first", "second"]


def test_a_deleted_manifest_makes_its_stage_run(graph):
    graph.executed()
    (graph.build / "manifests" / "second.json").unlink()
    assert graph.executed() == ["second"]


def test_clean_removes_what_the_stage_made_and_forgets_it(graph):
    graph.executed()
    assert graph.doit("clean", "second").returncode == 0
    assert not (graph.build / "second").exists()
    assert not (graph.build / "manifests" / "second.json").exists()
    assert graph.executed() == ["second"]


def test_clean_removes_listed_files_from_a_folder_that_is_not_the_stages_own(graph):
    text = (graph.folder / "dodo.py").read_text(encoding="utf-8")
    (graph.folder / "dodo.py").write_text(
        text.replace(', owns=[project.build / "second"]', ""), encoding="utf-8"
    )
    graph.executed()
    (graph.build / "second" / "other").touch()
    said = graph.doit("clean", "-n", "second").stdout
    assert f"1 file in build/{graph.build.name}/second" in said
    graph.doit("clean", "second")
    assert [path.name for path in (graph.build / "second").iterdir()] == ["other"]


def test_clean_dry_run_names_what_clean_removes_and_removes_nothing(graph):
    graph.executed()
    said = graph.doit("clean", "--dry-run", "second").stdout
    folder = f"build/{graph.build.name}"
    assert f"{folder}/second" in said and f"{folder}/manifests/second.json" in said
    assert (graph.build / "second" / "copy").exists()
    graph.doit("clean", "second")
    assert "nothing to remove" in graph.doit("clean", "--dry-run", "second").stdout


def test_an_expected_failure_is_one_line_and_leaves_no_manifest(graph):
    (graph.folder / "input").write_text("fail", encoding="utf-8")
    done = graph.doit()
    assert done.returncode == 1
    assert "first: the cause; what to do" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (graph.build / "manifests" / "first.json").exists()


def test_a_full_disk_is_one_line(graph):
    (graph.folder / "input").write_text("full", encoding="utf-8")
    done = graph.doit()
    assert "first: No space left on device (x); make room on that disk, then run" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_defect_of_ours_keeps_its_traceback(graph):
    (graph.folder / "input").write_text("defect", encoding="utf-8")
    done = graph.doit()
    assert done.returncode != 0
    assert "RuntimeError: a defect" in done.stdout and "Traceback" in done.stdout


def test_what_a_killed_run_has_made_is_not_made_again(graph):
    (graph.folder / "kill").touch()
    assert graph.doit().returncode not in (0, 1)
    (graph.folder / "kill").unlink()
    assert graph.executed() == ["second"]
    assert graph.executed() == []


def test_a_result_that_could_not_be_made_again_is_not_taken_for_made(graph):
    graph.executed()
    (graph.folder / "kill").touch()
    graph.doit("--always-execute")
    (graph.folder / "kill").unlink()
    assert graph.executed() == ["second"]


def test_what_a_killed_run_has_made_from_other_inputs_is_made_again(graph):
    (graph.folder / "kill").touch()
    graph.doit()
    (graph.folder / "kill").unlink()
    (graph.folder / "input").write_text("two", encoding="utf-8")
    assert graph.executed() == ["first", "second"]


def test_the_run_after_a_failure_goes_on(graph):
    (graph.folder / "input").write_text("fail", encoding="utf-8")
    graph.doit()
    (graph.folder / "input").write_text("one", encoding="utf-8")
    assert graph.executed() == ["first", "second"]


def test_the_summary_has_a_row_for_every_stage(graph):
    out = graph.doit().stdout
    assert "2 of 2 tasks executed" in out.splitlines()[-1]
    assert any(line.startswith("first ") and " done " in line for line in out.splitlines())
    again = graph.doit().stdout
    assert "0 of 2 tasks executed" in again.splitlines()[-1]


def test_output_has_no_colours_when_it_is_no_terminal(graph):
    assert "\x1b" not in graph.doit().stdout


def test_a_second_run_in_the_same_clone_is_told_to_wait(graph):
    from filelock import FileLock

    graph.executed()
    with FileLock(graph.build / ".lock"):
        done = graph.doit()
    assert done.returncode != 0
    assert "another doit is at work in this clone" in done.stdout


def test_a_question_can_be_asked_meanwhile_unless_a_stage_comes_before_it(graph):
    from filelock import FileLock

    graph.executed()
    with FileLock(graph.build / ".lock"):
        assert graph.doit("ask").returncode == 0
        used = graph.doit("use")
    assert used.returncode != 0
    assert "another doit is at work in this clone" in used.stdout
    assert graph.doit("use").returncode == 0


def test_a_status_that_is_asked_for_meanwhile_says_that_it_is_not_the_newest(graph):
    from filelock import FileLock

    assert "a run is at work here" not in graph.doit("list", "--status").stderr
    with FileLock(graph.build / ".lock"):
        asked = graph.doit("list", "--status")
    assert asked.returncode == 0
    assert asked.stderr.startswith("note: a run is at work here")


def test_the_manifest_says_what_went_into_it(graph):
    graph.executed()
    path = graph.build / "manifests" / "first.json"
    before = json.loads(path.read_text(encoding="utf-8"))["details"]["made_from"]
    (graph.folder / "settings").write_text("b", encoding="utf-8")
    graph.executed()
    assert json.loads(path.read_text(encoding="utf-8"))["details"]["made_from"] != before


def test_a_stage_outside_of_the_graph_is_done_once(tmp_path):
    project = projects.load(ROOT)
    project = replace(project, root=tmp_path)
    (tmp_path / "input").write_text("one")
    runs = []

    def work(job: Job) -> Made:
        text = (tmp_path / "input").read_text()
        if text == "fail":
            raise BuildError("the cause; what to do")
        runs.append(text)
        return Made("made")

    def task():
        return stage(project, "own", "own", work, settings={}, files=[tmp_path / "input"])

    assert made_now(task())
    assert not made_now(task())
    (tmp_path / "input").write_text("two")
    assert made_now(task())
    assert runs == ["one", "two"]
    (tmp_path / "input").write_text("fail")
    with pytest.raises(BuildError, match="the cause"):
        made_now(task())
    (tmp_path / "input").write_text("two")
    assert made_now(task())
