"""install:PACKAGE - a wheel into the Windows environment, with its RECORD, without dependencies.

    build/.../wheels/ffcv/*.whl, or a downloaded wheel --uv--> env/Lib/site-packages

Dependencies are locked in envs/; a package's own list would bring a second OpenCV.
"""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import host, manifest, process
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons.portable import UV_PLATFORM, uv_environment
from tasks.stage import stage


def recorded_files(site_packages: Path, name: str) -> list[Path]:
    """The files of an installed package, from its RECORD.

    Raises:
        BuildError: the package is not installed.
    """
    records = [
        path
        for path in site_packages.glob("*.dist-info/RECORD")
        if path.parent.name.split("-")[0].replace("_", "-").lower() == name.lower()
    ]
    if len(records) != 1:
        raise BuildError(f'{name} is not installed in {site_packages}; run "doit install:{name}"')
    with records[0].open(encoding="utf-8", newline="") as stream:
        return [site_packages / row[0] for row in csv.reader(stream) if row]


def wheel_file(project: Project, name: str) -> Path:
    """The wheel of a package: the one built here, or the one downloaded."""
    package = project.config.packages[name]
    task = f"wheel:{name}" if package.build else f"fetch:{package.artifact}"
    made = manifest.read(project.manifest(task))
    if made is None or made.where is None:
        raise BuildError(f'there is no wheel of {name}; run "doit {task}"')
    return made.where


def install(project: Project, name: str, job: Job) -> Made:
    """Install a package's wheel into the Windows environment, in place of an older one."""
    wheel = wheel_file(project, name)
    process.run(
        [
            host.runner_program("uv"), "pip", "install",
            "--python-platform", UV_PLATFORM,
            "--python-version", project.target.version,
            "--target", project.site_packages,
            "--no-deps", "--no-index", "--reinstall", "--no-cache",
            "--link-mode", "copy",
            wheel,
        ],
        log=job.log, cwd=wheel.parent, env=uv_environment(project.cache), line=job.line,
    )  # fmt: skip
    files = [path for path in recorded_files(project.site_packages, name) if path.is_file()]
    return Made(
        f"{wheel.name}, {len(files)} files",
        where=project.site_packages,
        root=project.site_packages,
        files=manifest.record(project.site_packages, files),
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """install:PACKAGE for every package of the profile."""
    yield {"basename": "install", "name": None, "doc": "install the wheels into the environment"}
    for name in project.profile.packages:
        package = project.config.packages[name]
        wheel = f"wheel:{name}" if package.build else f"fetch:{package.artifact}"
        yield stage(
            project,
            f"install:{name}",
            f"install {name}",
            partial(install, project, name),
            settings={},
            needs=["env:python", "env:packages", wheel],
        )
