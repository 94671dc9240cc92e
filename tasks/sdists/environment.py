"""The Windows Pythons of a package's build: one that builds it, and a clean one that has it.

portable Python + packages --uv--> FOLDER/python.exe, with programs and DLLs in their places
"""

from collections.abc import Sequence
from pathlib import Path

from tasks.core.config import PortableEnvironment
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.pythons import portable, windows_python
from tasks.sdists import scripts


def make_python(project: Project, folder: Path, packages: Sequence[str | Path], job: Job) -> Path:
    """Lay down a Windows Python with packages in it; returns its python.exe.

    Args:
        packages: requirements, and wheels' files.

    Raises:
        BuildError: the profile has no Python of that kind, or a package cannot be had.
    """
    environment = project.profile.environment
    if not isinstance(environment, PortableEnvironment):
        raise BuildError(
            f"doit build makes no Python of the kind that the profile {project.profile_name} has; "
            "run doit profile=zig build"
        )
    portable.lay_down(project, environment.pythons[project.target.version].artifact, folder)
    install_with_dlls(project, folder, packages, job)
    return folder / "python.exe"


def install(project: Project, python: Path, packages: Sequence[str | Path], job: Job) -> None:
    """Install packages, and the programs that they bring, into a Windows Python's folder."""
    site_packages = python / "Lib" / "site-packages"
    constraints = python.with_name("constraints.txt")
    constraints.write_text("\n".join(project.config.build.constraints) + "\n", encoding="utf-8")
    if not packages:
        return
    portable.install_for_windows(
        packages, site_packages, project.target, project.cache, project.offline, job,
        constraints=constraints,
    )  # fmt: skip
    launcher = project.source_tree(f"python-{project.target.version}").joinpath(
        "Lib", "site-packages", "pip", "_vendor", "distlib", "t64.exe"
    )
    scripts.write_launchers(
        site_packages,
        launcher,
        windows_python.HERE.path(python / "python.exe"),
        python / "Scripts",
    )


def install_with_dlls(
    project: Project, python: Path, packages: Sequence[str | Path], job: Job
) -> None:
    """The same, where packages may bring DLLs for the folder of python.exe."""
    install(project, python, packages, job)
    own = {path.name for path in python.iterdir()}
    portable.place_runtime(python / "Lib" / "site-packages", python, own)
