"""bench - how fast it is, in ratios side by side: what was built, loading, and the pipeline.

    the build here (+ one for this host, of the same sources) -> doit bench
        -> build/.../bench/PART.json     every number, with machine, versions and command
        -> build/.../bench/bench.md, bench.svg    tables and picture of all parts measured so far

Whoever was not measured is named, with the reason.
"""

import datetime
import json
import os
import platform
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from doit import get_initial_workdir

from tasks.benchmarks import loading, measure, picture, pipeline, places, product, tables
from tasks.benchmarks.asked import Asked, Measured
from tasks.core import manifest
from tasks.core.display import screen
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.tool import option, tool

PARTS: dict[str, Callable[..., Measured]] = {
    "product": product.run,
    "loading": loading.run,
    "pipeline": pipeline.run,
}
SIZES = ("small", "full")


def _load() -> list[float] | None:
    """The load averages of the last 1, 5 and 15 minutes, where the system knows them."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def processor() -> str:
    """What the system calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "threads": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _command(size: str, part: str, with_native: bool, against: str) -> str:
    """The command that repeats it."""
    words = ["doit", "bench", f"--part={part}", f"--size={size}"]
    words += ["--native"] if with_native else []
    words += [f"--against={against}"] if against else []
    return shlex.join(words)


def parts_of(text: str) -> list[str]:
    """The parts that --part names.

    Raises:
        BuildError: there is no such part.
    """
    chosen = [name.strip() for name in text.split(",") if name.strip()] or list(PARTS)
    for name in chosen:
        if name not in PARTS:
            raise BuildError(f"--part {name}: there is no such part; there are {', '.join(PARTS)}")
    return chosen


def bench(
    project: Project,
    needs: Mapping[str, Sequence[str]],
    part: str,
    size: str,
    with_native: bool,
    against: str,
) -> bool:
    """Measure, and write down what came out; returns True: a number is no failure."""
    chosen = parts_of(part)
    size = size or "full"
    if size not in SIZES:
        raise BuildError(f"--size {size}: it is {' or '.join(SIZES)}")
    other = Path(get_initial_workdir() or "", against).absolute() if against else None
    asked = Asked(size, with_native, other, needs)
    folder = places.folder(project)
    folder.mkdir(parents=True, exist_ok=True)
    log = project.log("bench")
    log.unlink(missing_ok=True)
    job = Job("bench", log, lambda done, total: None, _show_notes, screen.print)
    for name in chosen:
        before = _load()
        rows, missing, details = PARTS[name](project, asked, job)
        data = {
            "part": name,
            "size": size,
            "command": _command(size, name, with_native, against),
            "measured": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
            "machine": _machine(),
            "load": [before, _load()],
            **details,
            "rows": measure.as_data(rows),
            "missing": missing,
        }
        manifest.write_json(folder / f"{name}.json", data)
        screen.print(tables.text(data))
    everything = read_all(project)
    manifest.write_atomically(folder / "bench.md", tables.markdown(everything))
    manifest.write_atomically(folder / "bench.svg", picture.svg(everything))
    screen.print(f"{project.shown(folder)}: bench.md has the tables, bench.svg the picture")
    return True


def _show_notes(line: str) -> None:
    """Show what a part notes as its progress, and not what the programs print."""
    if line.startswith(tuple(f"{part}: " for part in (*PARTS, "native"))):
        screen.print(line)


def read_all(project: Project) -> list[dict[str, Any]]:
    """What was measured so far, part by part."""
    found = []
    for name in PARTS:
        try:
            found.append(json.loads((places.folder(project) / f"{name}.json").read_text("utf-8")))
        except (OSError, ValueError):
            continue
    return found


def needs_of(tasks: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Task -> the tasks whose manifests it reads."""
    stages = [task for task in tasks if "manifest" in task.get("meta", {})]
    names = {
        str(task["meta"]["manifest"]): ":".join(filter(None, (task["basename"], task.get("name"))))
        for task in stages
    }
    return {
        names[str(task["meta"]["manifest"])]: [names[f] for f in task["file_dep"] if f in names]
        for task in stages
    }


def _with_needs(needs: Mapping[str, Sequence[str]], project: Project, **options: Any) -> bool:
    return bench(project, needs, **options)


def create(project: Project, tasks: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """bench.

    Args:
        tasks: those of the graph, of which a cold run is measured.
    """
    yield tool(
        project,
        "bench",
        "how fast it is, side by side with others, as tables and a picture (minutes)",
        partial(_with_needs, needs_of(tasks)),
        option("part", f"{', '.join(PARTS)}, or several with commas between (default: all)"),
        option("size", "small: does it work at all; full: numbers that mean something (default)"),
        option(
            "with_native",
            "compare with FFCV for this host, too: built by its gcc of the same sources, which "
            "takes minutes once",
            kind=bool,
            long="native",
        ),
        option("against", "product: another build's folder with its _libffcv*.pyd and DLLs"),
    )
