"""env:python, env:packages, env:wine - the Windows Python environment, as the profile wants it.

portable   an unpacked CPython and hash-locked wheels   tasks.pythons.portable
conda      Micromamba and conda packages                tasks.pythons.conda
wine       where Windows programs need it               tasks.pythons.windows_python
"""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from tasks.compilers.zig import zig_program
from tasks.core import host
from tasks.core.config import CondaEnvironment, PortableEnvironment
from tasks.core.project import Project
from tasks.pythons import conda, portable, windows_python, wine
from tasks.stage import stage


def _portable(project: Project, environment: PortableEnvironment) -> Iterator[dict[str, Any]]:
    """An unpacked CPython and locked wheels."""
    python = environment.pythons[project.target.version]
    yield stage(
        project,
        "env:python",
        f"lay down Windows CPython {project.target.version}",
        partial(portable.make_python, project, python.artifact),
        recipe=2,
        settings=python.artifact,
        needs=[f"extract:{python.artifact}"],
        targets=[project.environment / "python.exe"],
        owns=[project.environment],
    )
    requirements = project.root / python.requirements
    yield stage(
        project,
        "env:packages",
        f"install the packages locked in {python.requirements}",
        partial(
            portable.install_packages,
            requirements,
            project.site_packages,
            project.manifest("env:python"),
            project.target,
            project.cache,
            project.offline,
        ),
        recipe=2,
        settings={},
        needs=["env:python"],
        files=[requirements],
        owns=[project.site_packages, windows_python.bytecode(project)],
    )


def _conda(project: Project, environment: CondaEnvironment) -> Iterator[dict[str, Any]]:
    """Micromamba and conda packages."""
    micromamba = f"fetch:{environment.micromamba}"
    spec = environment.pythons[project.target.version].spec
    yield stage(
        project,
        "env:python",
        f"make a conda environment with {spec}",
        partial(conda.make_python, project, environment),
        settings={"spec": spec, "folder": project.environment},
        needs=[micromamba],
        files=[project.root / environment.base],
        targets=[project.environment / "python.exe", conda.base_lock(project)],
        owns=[project.environment, conda.base_lock(project)],
    )
    files = [project.root / name for name in (environment.packages, environment.extras) if name]
    override = os.environ.get("CONDA_OVERRIDE_CUDA")
    nvidia_smi = host.program("nvidia-smi")
    yield stage(
        project,
        "env:packages",
        f"install what {', '.join(file.name for file in files)} says",
        partial(conda.install_packages, project, environment, files, override, nvidia_smi),
        settings={
            "accelerator": environment.accelerator,
            "override": override,
            "nvidia-smi": nvidia_smi,
        },
        needs=[micromamba, "env:python"],
        files=files,
        targets=[*conda.exports(project)],
        owns=[
            *conda.exports(project),
            project.build / "env-packages.yml",
            windows_python.bytecode(project),
        ],
    )


def _wine(project: Project) -> Iterator[dict[str, Any]]:
    """Where Windows programs need it: an empty Windows, and a command to start Python in it."""
    program = wine.find()
    yield stage(
        project,
        "env:wine",
        "make an empty Windows to run it in, and a command to start it",
        partial(windows_python.make_wine, project, program, zig_program()),
        settings={
            "wine": program,
            "settings": project.config.wine,
            "launcher": windows_python.LAUNCHER,
            # The prefix and the launcher hold its path: in a clone that was moved they are stale.
            "folder": project.build,
        },
        needs=[f"extract:{project.config.wine.system32}"],
        owns=[windows_python.prefix(project), windows_python.HERE.launcher(project)],
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """env:python, env:packages and, where there is no Windows, env:wine."""
    yield {"basename": "env", "name": None, "doc": "the Windows Python and its packages"}
    environment = project.profile.environment
    if isinstance(environment, CondaEnvironment):
        yield from _conda(project, environment)
    else:
        yield from _portable(project, environment)
    if windows_python.HERE.needs_wine:
        yield from _wine(project)
