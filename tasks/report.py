"""report - what was built, from what, and how it was checked, as one HTML file to give to people.

    manifests + times + verify/*.json + bench/*.json + wheels -> build/.../report.html

It tells what is there when it is asked, and builds nothing.
"""

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks import bench, dist, verify
from tasks.benchmarks import tables
from tasks.core import manifest, times
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pages import page
from tasks.pages.graph_picture import Node, duration
from tasks.pages.page import Check, Input, Report, Row, Speed, Wheel
from tasks.stage import StageAction, stage
from tasks.wheels import contents

# What is no step from sources to a result.
_LEFT_OUT = ("lock", "report", "activate", "prereqs", "bundle")

_TITLES = {
    "import": "Imported in the Windows Python",
    "roundtrip": "A dataset written, read back and trained on",
    "dist": "The wheels, installed by pip into an empty Python",
    "dist-from-index": "The same, with dependencies from the package index",
}


@dataclass(frozen=True)
class Stage:
    """What the report knows of a task: its name, its manifest, the files that it needs."""

    name: str
    manifest: Path
    needs: tuple[str, ...]
    action: StageAction


def stages_of(tasks: Iterable[Mapping[str, Any]]) -> list[Stage]:
    """The stages among doit's tasks, as creators yield them; doit empties them later."""
    found = []
    for task in tasks:
        name = ":".join(filter(None, (task["basename"], task.get("name"))))
        if "manifest" in task.get("meta", {}) and name.partition(":")[0] not in _LEFT_OUT:
            [action] = task["actions"]
            found.append(Stage(name, task["meta"]["manifest"], (*task["file_dep"],), action))
    return found


def nodes_of(stages: Sequence[Stage], seconds: Mapping[str, float]) -> list[Node]:
    """The stages as nodes of the picture.

    Args:
        seconds: task -> how long it took when it was executed last.
    """
    by_manifest = {str(stage.manifest): stage.name for stage in stages}
    return [
        Node(
            stage.name,
            _state(stage),
            seconds.get(stage.name),
            [by_manifest[file] for file in stage.needs if file in by_manifest],
        )
        for stage in stages
    ]


def _state(stage: Stage) -> str:
    """A stage's state, by its manifest alone: doit's database is not asked."""
    made = manifest.read(stage.manifest)
    if made is None:
        return "not made"
    if made.status == manifest.UNFINISHED:
        return "failed"
    if made.status != "done":
        return "not run"
    try:
        same = made.details.get("made_from") == stage.action.made_from()
    except OSError:  # something that it needs is gone
        same = False
    return "done" if same and manifest.damage(stage.manifest) is None else "stale"


def _wanted(nodes: list[Node]) -> list[Node]:
    """What is worth a box: what was made, and what the default run makes."""
    made = [node for node in nodes if node.state != "not made"]
    return made or nodes


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _checks(project: Project) -> dict[str, list[Check]]:
    """The outcomes in verify/, by title."""
    found: dict[str, list[Check]] = {}
    for name, title in _TITLES.items():
        data = _json(verify.report_file(project, name))
        if not isinstance(data, dict):
            continue
        if "imports" in data:
            rows = [
                Check(f"import {r['module']}", r["status"], r["seconds"], r.get("error", ""))
                for r in data["imports"]
            ]
        elif "checks" in data:
            rows = [
                Check(c["name"], c["status"], c["seconds"], _public(c["detail"], project))
                for c in data["checks"]
            ]
        else:
            rows = [Check(s["name"], "passed", s["seconds"], s["detail"]) for s in data["steps"]]
        found[title] = rows
    return found


def _public(text: str, project: Project) -> str:
    """A text without the folders of this machine: the page is given to others."""
    for shown in (str(project.build), "Z:" + str(project.build).replace("/", "\\")):
        text = text.replace(shown, "…")
    return text


def _wheels(project: Project) -> list[Wheel]:
    """The wheels that dist has made, with what their own list says is in them."""
    found = []
    for path in sorted(dist.dist_folder(project).glob("*/*.whl")):
        members = contents.read(path)
        folder = contents.dist_info(members)
        [listed] = [json.loads(c) for n, c in members.items() if n.startswith(f"{folder}/sboms/")]
        parts = [
            (part["name"], part.get("version", ""), part["licenses"][0]["expression"])
            for part in listed["components"]
        ]
        licence = listed["metadata"]["component"]["licenses"][0]["expression"]
        size, sha256 = path.stat().st_size, manifest.sha256_of(path)
        found.append(Wheel(path.name, size, sha256, licence, parts))
    return sorted(found, key=lambda wheel: (not wheel.parts, wheel.name))


def _speed(project: Project) -> list[Speed]:
    """What doit bench has measured, if it has."""
    found = []
    for data in bench.read_all(project):
        try:
            head, *rows = tables.table(data, whole=True)
            found.append(Speed(tables.TITLES[data["part"]], head, rows, tables.about(data)))
        except (KeyError, TypeError, ValueError):  # of another version
            continue
    return found


def _inputs(project: Project) -> list[Input]:
    """The archives that were fetched, and from where."""
    found = []
    for path in sorted(project.build.glob("manifests/fetch-*.json")):
        made = manifest.read(path)
        name = path.stem.removeprefix("fetch-")
        artifact = project.config.artifacts.get(name)
        if made is None or artifact is None or "source" not in made.details:
            continue
        [(_, file)] = made.files.items()
        source = artifact.sources[int(made.details["source"])]
        found.append(Input(name, source.place, file.size, file.sha256))
    return found


def _use(project: Project, wheels: list[Wheel]) -> dict[str, str]:
    """What people do with the result."""
    commands = {}
    if wheels:
        commands["Install the wheel, in a Windows Python of this version"] = (
            f"py -{project.target.version} -m pip install --find-links dist/ffcv ffcv"
        )
        commands["Or from a host to which dist/ was copied"] = (
            f"py -{project.target.version} -m pip install --extra-index-url https://HOST/dist/ ffcv"
        )
    made = manifest.read(project.manifest("verify:import"))
    if made is not None and "use" in made.details:
        commands["Use the environment that was built"] = str(made.details["use"]).removeprefix(
            "To use it: "
        )
    return commands


def gather(project: Project, stages: Sequence[Stage]) -> Report:
    """What there is to tell of a build."""
    nodes = _wanted(nodes_of(stages, times.read(project.build)))
    rows = []
    for node in nodes:
        made = manifest.read(project.manifest(node.name))
        shown = project.shown(made.where) if made and made.where else ""
        where = "" if Path(shown).is_absolute() else shown
        rows.append(Row(node, made.summary if made else "", where))
    wheels, checks = _wheels(project), _checks(project)
    compiler = manifest.read(project.manifest("toolchain"))
    figures = {"Windows Python": project.target.version}
    if compiler:
        figures["compiler"] = compiler.summary.partition(" for ")[0]
    passed = sum(c.status == "passed" for group in checks.values() for c in group)
    total = sum(len(group) for group in checks.values())
    if total:
        figures["checks passed"] = f"{passed} of {total}"
    if wheels:
        figures["wheel"] = page.megabytes(max(wheel.size for wheel in wheels))
    installed = _json(verify.report_file(project, "dist"))
    if installed:
        figures["pip install to a trained step"] = duration(installed["install_to_training"])
    trip = _json(verify.report_file(project, "roundtrip")) or {}
    now = datetime.datetime.now().astimezone()
    return Report(
        title="FFCV on Windows: what was built",
        made=f"Profile {project.profile_name}, written {now:%Y-%m-%d %H:%M %Z}",
        figures=figures,
        rows=rows,
        wheels=wheels,
        use=_use(project, wheels),
        closure=_json(verify.report_file(project, "closure")),
        checks=checks,
        speed=_speed(project),
        inputs=_inputs(project),
        versions=trip.get("versions", {}),
    )


def write(project: Project, stages: Sequence[Stage], job: Job) -> Made:
    """Write the page."""
    report = gather(project, stages)
    path = project.build / "report.html"
    manifest.write_atomically(path, page.render(report))
    _, said = page.verdict(report)
    return Made(f"{said.lower()}; one file, {page.megabytes(path.stat().st_size)}", where=path)


def create(project: Project, tasks: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """report.

    Args:
        tasks: those of the graph, which it tells of.
    """
    path = project.build / "report.html"
    task = stage(
        project,
        "report",
        "one HTML file: what was built, from what, and how it was checked",
        partial(write, project, stages_of(tasks)),
        settings={},
        owns=[path],
    )
    yield {**task, "uptodate": [False]}
