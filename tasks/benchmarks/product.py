"""The product: FFCV's kernels, imdecode and resize, as each compiler made them, and their rivals.

Every build has a process of its own; they take turns, session by session. A session's number is
the least of its rounds: what else the machine does can only make a call longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.benchmarks import native, places
from tasks.benchmarks.asked import Asked, Measured
from tasks.benchmarks.measure import rows
from tasks.benchmarks.places import Place
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.wheel import extension_file

OWN = "FFCV"  # as tasks/checks/bench_kernels.py calls it
PICTURES = {"count": 8, "height": 384, "width": 512, "to": 224}
SIZES: dict[str, dict[str, Any]] = {
    "small": {"sessions": 1, "rounds": 2, "seconds": 0.02},
    "full": {"sessions": 15, "rounds": 6, "seconds": 0.06},
}


@dataclass(frozen=True)
class Build:
    """A build of FFCV's extension, and where it is measured.

    Args:
        rivals: whether simplejpeg and cv2 count as well; they have their turns beside every build,
            since a shorter session would be another one.
    """

    name: str
    place: Place
    extension: Path
    folders: Sequence[Path]
    rivals: bool


def built_for_windows(project: Project) -> dict[str, Path]:
    """Profile -> the extension that it made in this clone, for this Python; this profile first."""
    build = project.config.packages["ffcv"].compiled
    assert build is not None and build.extension is not None
    found = {}
    for profile in sorted(project.config.profiles, key=lambda name: name != project.profile_name):
        environment = project.build.with_name(f"{profile}-{project.target.tag}") / "env"
        extension = environment / "Lib" / "site-packages" / extension_file(build.extension, project)
        if extension.is_file():
            found[profile] = extension
    return found


def _of_windows(project: Project, place: Place, against: Path | None) -> list[Build]:
    found = built_for_windows(project)
    if project.profile_name not in found:
        raise BuildError('FFCV has not been built yet; run "doit" first')
    builds = []
    for profile, extension in found.items():
        environment = extension.parents[3]
        library = environment / "Library" / "bin"
        folders = [extension.parent, *([library] if library.is_dir() else [])]
        name = f"{OWN} ({profile}), {place.name}"
        builds.append(Build(name, place, extension, folders, profile == project.profile_name))
    if against is not None:
        others = sorted(against.glob("_libffcv*.pyd"))
        if len(others) != 1:
            raise BuildError(f"--against {against}: there is no one _libffcv*.pyd in that folder")
        builds.append(Build(f"{OWN} (--against), {place.name}", place, others[0], [against], False))
    return builds


def missing_of(project: Project, names: Sequence[str]) -> dict[str, str]:
    """Builds for Windows that there could be, and why they were not measured."""
    return {
        f"{OWN} ({profile}), Windows": f"not built here: doit profile={profile}"
        for profile in project.config.profiles
        if profile not in names
    }


def run(project: Project, asked: Asked, job: Job) -> Measured:
    """Measure.

    Returns:
        rows; who was not measured, and why; versions and the like.

    Raises:
        BuildError: nothing can be measured.
    """
    windows = places.windows(project, job)
    builds = _of_windows(project, windows, asked.against)
    missing = missing_of(project, list(built_for_windows(project)))
    host_build = f"{OWN} (native), Linux"
    reason = native.why_not(asked.native)
    if reason is None:
        extension, compiler = native.build(project, places.folder(project) / "native", job)
        host_build = f"{OWN} ({compiler}), Linux"
        linux = places.native(project, NATIVE_PACKAGES, job)
        builds.append(Build(host_build, linux, extension, [], True))
    else:
        missing[host_build] = reason
    samples, details = take_turns(project, builds, SIZES[asked.size], job)
    reference = host_build if reason is None else builds[0].name
    found = []
    for operation, taken in samples.items():
        what = f"{operation} {PICTURES['height']}x{PICTURES['width']}"
        if operation == "resize":
            what += f" to {PICTURES['to']}x{PICTURES['to']}"
        found += rows(what, "us", taken, reference)
    return found, missing, {**details, "reference": reference}


# What bench_kernels.py imports.
NATIVE_PACKAGES = ("numpy", "opencv-python-headless")


def take_turns(
    project: Project, builds: Sequence[Build], size: Mapping[str, Any], job: Job
) -> tuple[dict[str, dict[str, list[float]]], dict[str, Any]]:
    """Measure the builds in turns.

    Returns:
        operation -> contender -> microseconds, a number for each session; versions by place.
    """
    samples: dict[str, dict[str, list[float]]] = {}
    details: dict[str, Any] = {"versions": {}}
    sessions = size["sessions"]
    for session in range(sessions):
        # Whoever was last is first, and the neighbours change.
        for build in builds if session % 2 == 0 else builds[::-1]:
            job.note(f"product: session {session + 1} of {sessions}, {build.name}")
            outcome = build.place.run(
                "bench_kernels.py",
                {
                    **PICTURES,
                    "rounds": size["rounds"],
                    "seconds": size["seconds"],
                    "extension": build.extension,
                    "folders": list(build.folders),
                    "pictures": places.folder(project) / "pictures",
                },
            )
            for operation, taken in outcome["microseconds"].items():
                for contender, values in taken.items():
                    if contender != OWN and not build.rivals:
                        continue
                    name = build.name if contender == OWN else f"{contender}, {build.place.name}"
                    samples.setdefault(operation, {}).setdefault(name, []).append(min(values))
            details["versions"][build.place.name] = outcome["versions"]
            details["bits_per_pixel"] = outcome["bits_per_pixel"]
    return samples, details
