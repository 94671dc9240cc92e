"""Whole loading: images a second of FFCV's Loader, torch's DataLoader with torchvision, and SPDL.

Every set-up (format, side, workers) has a process of its own in each place, and the places take
turns, so that what is compared was measured within the same minutes. The pictures and datasets are
made in the first place, and are read as they are in the other.
"""

from itertools import product
from typing import Any

from tasks.benchmarks import native, places
from tasks.benchmarks.asked import Asked, Measured
from tasks.benchmarks.measure import Row, rows
from tasks.core.job import Job
from tasks.core.project import Project

CONTENDERS = ("FFCV", "torch DataLoader", "SPDL")
COMMON = {"batch": 64, "to": 224}
SIZES: dict[str, dict[str, Any]] = {
    "small": {"images": 64, "rounds": 1, "formats": ["jpg"], "sides": [256], "workers": [1]},
    "full": {
        "images": 512,
        "rounds": 3,
        "formats": ["jpg", "raw"],
        "sides": [256, 512],
        "workers": [1, 2],
    },
}
# What bench_loading.py and the FFCV of the host import.
NATIVE_PACKAGES = (
    "numpy", "opencv-python-headless", "numba", "torch", "torchvision", "tqdm", "pillow", "psutil",
    "pytorch-pfn-extras", "fastargs", "terminaltables", "assertpy", "pandas",
)  # fmt: skip


def run(project: Project, asked: Asked, job: Job) -> Measured:
    """Measure.

    Returns:
        rows; who was not measured, and why; versions and the like.

    Raises:
        BuildError: nothing can be measured.
    """
    windows = places.windows(project, job)
    here, missing = [windows], {}
    reason = native.why_not(asked.native)
    if reason is None:
        native.build(project, places.folder(project) / "native", job)
        here.append(places.native(project, NATIVE_PACKAGES, job, venv="venv-torch"))
    else:
        missing["all three, Linux"] = reason
    chosen = SIZES[asked.size]
    found: list[Row] = []
    details: dict[str, Any] = {"versions": {}, "reference": f"FFCV, {windows.name}"}
    set_ups = list(product(chosen["formats"], chosen["sides"], chosen["workers"]))
    for number, (kind, side, workers) in enumerate(set_ups, 1):
        samples: dict[str, list[float]] = {}
        for place in here:
            job.note(
                f"loading: {number} of {len(set_ups)}, {kind}, {side} px, {workers} workers, "
                f"{place.name}"
            )
            settings = {
                **COMMON,
                "data": places.folder(project) / "pictures",
                "format": kind,
                "side": side,
                "workers": workers,
                "images": chosen["images"],
                "rounds": chosen["rounds"],
                "contenders": list(CONTENDERS),
            }
            outcome = place.run("bench_loading.py", settings)
            samples |= {f"{who}, {place.name}": rate for who, rate in outcome["rates"].items()}
            for who, why in outcome["missing"].items():
                missing[f"{who}, {place.name}, {kind}, {side} px, {workers} workers"] = why
            details["versions"][place.name] = outcome["versions"]
        what = f"{'JPEG' if kind == 'jpg' else kind}, {side} px, {_workers(workers)}"
        found += rows(what, "images/s", samples, details["reference"])
    return found, missing, details


def _workers(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"
