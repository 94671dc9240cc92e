"""dlls - the DLLs that the built extension needs, copied to where Python's loader looks.

    PE imports of env/Lib/site-packages/ffcv/_libffcv...pyd
      -> transitive closure over libs/*/bin     (tasks.loader)
      -> copies beside the .pyd, listed in dlls.json

Python >= 3.8 ignores PATH for the DLLs of an extension module
(https://docs.python.org/3/whatsnew/3.8.html#ctypes, bpo-36085); the folder of the module is
always searched.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tasks import loader, manifest
from tasks.errors import BuildError
from tasks.manifest import Made
from tasks.project import Project
from tasks.stage import Job, stage
from tasks.wheel import extension_file


def copy_dlls(files: Iterable[Path], folder: Path) -> list[Path]:
    """Copy DLLs into a folder; one that is there with the same content is left as it is.

    Returns:
        the copies, in the same order.

    Raises:
        BuildError: a DLL of that name (in any case of letters) with other content is there.
            Nothing has been copied then.
    """
    present = {path.name.lower(): path for path in folder.iterdir() if path.is_file()}
    wanted = []
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
        wanted.append((file, there))
    copies = []
    for file, there in wanted:
        copy = there or folder / file.name
        if there is None:
            temporary = copy.with_name(copy.name + ".tmp")
            shutil.copyfile(file, temporary)
            temporary.replace(copy)
        copies.append(copy)
    return copies


def extensions(project: Project) -> list[Path]:
    """The installed extension modules that were built here."""
    builds = (project.config.packages[name].build for name in project.profile.packages)
    return [project.site_packages / extension_file(b, project) for b in builds if b]


def search_folders(project: Project) -> list[Path]:
    """The staged folders that hold DLLs."""
    return [project.prefix(library) / "bin" for library in project.profile.libraries]


def place_dlls(project: Project, job: Job) -> Made:
    """Copy the transitive closure of every extension built here beside it."""
    _remove_own_copies(project)
    environment = loader.detect_environment(project.environment)
    copies: list[Path] = []
    listing = []
    for extension in extensions(project):
        needed = loader.needed_from(extension, search_folders(project), environment)
        made = copy_dlls(needed, extension.parent)
        copies += made
        listing += [
            {"for": extension.name, "from": str(file), "to": str(copy)}
            for file, copy in zip(needed, made, strict=True)
        ]
    report = project.build / "dlls.json"
    manifest.write_atomically(report, json.dumps(listing, indent=1, ensure_ascii=False) + "\n")
    return Made(
        ", ".join(copy.name for copy in copies) or "none needed",
        where=report,
        root=project.build,
        files=manifest.record(project.build, [*copies, report]),
        details={"copies": [str(copy) for copy in copies]},
    )


def _remove_own_copies(project: Project) -> None:
    """Remove what an earlier run copied: an older version of a library is no clash."""
    made = manifest.read(project.manifest("dlls"))
    if made is None or made.root is None:
        return
    for copy in made.details.get("copies", ()):
        path = Path(copy)
        entry = made.files.get(path.relative_to(made.root).as_posix())
        if path.is_file() and entry and manifest.sha256_of(path) == entry.sha256:
            path.unlink()


def create(project: Project) -> Iterator[dict[str, Any]]:
    """dlls."""
    built = [n for n in project.profile.packages if project.config.packages[n].build]
    yield stage(
        project,
        "dlls",
        "copy the DLLs they need to where Python's loader looks",
        partial(place_dlls, project),
        settings={},
        needs=[
            *(f"install:{name}" for name in built),
            *(f"libs:{library}" for library in project.profile.libraries),
        ],
        targets=[project.build / "dlls.json"],
        owns=[project.build / "dlls.json"],
    )
