"""dlls - the DLLs that the built extension needs, copied to where Python's loader looks.

    PE imports of env/Lib/site-packages/ffcv/_libffcv...pyd
      -> transitive closure over libs/*/bin     (dllwhy.loader)
      -> copies beside the .pyd, or in Library\\bin of a conda environment, listed in dlls.json

Python >= 3.8 ignores PATH for the DLLs of an extension module
(https://docs.python.org/3/whatsnew/3.8.html#ctypes, bpo-36085); the folder of the module is
always searched, and conda's Python adds Library\\bin
(https://github.com/conda-forge/python-feedstock, patch "Add CondaEcosystemModifyDllSearchPath").
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import manifest
from tasks.core.errors import BuildError
from tasks.core.files import rename
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.stage import stage
from tasks.wheel import extension_file


@dataclass(frozen=True)
class Placed:
    """A DLL at its place: `new` is False where an equal file was there already."""

    source: Path
    path: Path
    new: bool


def copy_dlls(files: Iterable[Path], folder: Path) -> list[Placed]:
    """Copy DLLs into a folder; one that is there with the same content is left as it is.

    Returns:
        where each of them is now, in the same order.

    Raises:
        BuildError: a DLL of that name (in any case of letters) with other content is there.
            Nothing has been copied then.
    """
    present = {path.name.lower(): path for path in folder.iterdir() if path.is_file()}
    placed = []
    for file in files:
        there = present.get(file.name.lower())
        if there is not None:
            expected, found = manifest.sha256_of(file), manifest.sha256_of(there)
            if expected != found:
                raise BuildError(
                    f"{there} (sha256 {found[:12]}) is there already and differs from {file} "
                    f"(sha256 {expected[:12]}); the loader cannot tell two DLLs of one name apart. "
                    "Remove the one that is not wanted, then run doit dlls"
                )
        placed.append(Placed(file, there or folder / file.name, there is None))
    for dll in placed:
        if dll.new:
            temporary = dll.path.with_name(dll.path.name + ".tmp")
            shutil.copyfile(dll.source, temporary)
            rename(temporary, dll.path)
    return placed


def extensions(project: Project) -> list[Path]:
    """The installed extension modules that were built here."""
    builds = (project.config.packages[name].compiled for name in project.profile.packages)
    return [
        project.site_packages / extension_file(build.extension, project)
        for build in builds
        if build and build.extension
    ]


def search_folders(project: Project) -> list[Path]:
    """The staged folders that hold DLLs."""
    return [project.prefix(library) / "bin" for library in project.profile.libraries]


def destination(project: Project, extension: Path) -> Path:
    """The folder for the DLLs of an extension module: the profile's, or the module's own."""
    folder = project.profile.dlls
    return extension.parent if folder is None else project.environment / folder


def place_dlls(project: Project, job: Job) -> Made:
    """Copy the transitive closure of every extension built here to where the loader looks."""
    from dllwhy.flavour import detect_environment
    from dllwhy.staged import needed_from

    _remove_own_copies(project)
    environment = detect_environment(project.environment)
    placed: list[Placed] = []
    listing = []
    for extension in extensions(project):
        folder = destination(project, extension)
        needed = needed_from(extension, search_folders(project), environment, destination=folder)
        for dll in copy_dlls(needed, folder):
            placed.append(dll)
            paths = {"from": project.shown(dll.source), "to": project.shown(dll.path)}
            listing.append({"for": extension.name, **paths, "new": dll.new})
    report = project.build / "dlls.json"
    manifest.write_json(report, listing)
    # A file that a package brought is that package's, and stays when this stage is cleaned.
    copies = [dll.path for dll in placed if dll.new]
    return Made(
        ", ".join(dll.path.name for dll in placed) or "none needed",
        where=report,
        root=project.build,
        files=manifest.record(project.build, [*copies, report]),
        details={"copies": [copy.relative_to(project.build).as_posix() for copy in copies]},
    )


def _remove_own_copies(project: Project) -> None:
    """Remove what an earlier run copied: an older version of a library is no clash."""
    made = manifest.read(project.manifest("dlls"))
    if made is None or made.root is None:
        return
    for name in made.details.get("copies", ()):
        path, entry = project.build / name, made.files.get(name)
        if entry and path.is_file() and manifest.sha256_of(path) == entry.sha256:
            path.unlink()


def create(project: Project) -> Iterator[dict[str, Any]]:
    """dlls."""
    built = [n for n in project.profile.packages if project.config.packages[n].build]
    yield stage(
        project,
        "dlls",
        "copy the DLLs they need to where Python's loader looks",
        partial(place_dlls, project),
        settings={"folder": project.profile.dlls},
        needs=[
            *(f"install:{name}" for name in built),
            *(f"libs:{library}" for library in project.profile.libraries),
        ],
        targets=[project.build / "dlls.json"],
        owns=[project.build / "dlls.json"],
    )
