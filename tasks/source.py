"""source:PACKAGE - a package's sdist with our patches, as a tree ready to build.

extracted sdist + patches/PACKAGE/*.patch -> build/.../source/PACKAGE/
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.archives.patch import apply_patch
from tasks.core import manifest
from tasks.core.files import copy_tree, made_whole
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.stage import stage


def patched_tree(source: Path, patches: Sequence[Path], target: Path, job: Job) -> Made:
    """Copy a source tree and apply patches in order, whole or not at all."""
    changed: dict[str, list[str]] = {}
    with made_whole(target) as temporary:
        copy_tree(source, temporary)
        for done, patch in enumerate(patches):
            job.progress(done, len(patches))
            changed[patch.name] = apply_patch(patch, temporary)
    return Made(
        f"{len(patches)} patches applied",
        where=target,
        root=target,
        files=manifest.record(target),
        details={"patches": changed},
    )


def source_folder(project: Project, package: str) -> Path:
    """Where a package's patched tree is."""
    return project.build / "source" / package


def create(project: Project) -> Iterator[dict[str, Any]]:
    """source:PACKAGE for every package that is built here."""
    yield {"basename": "source", "name": None, "doc": "sdist plus our patches"}
    for name in project.profile.packages:
        package = project.config.packages[name]
        if package.build is None:
            continue
        patches = [project.root / patch for patch, on in package.build.patches.items() if on]

        def work(
            job: Job,
            artifact: str = package.artifact,
            patches: list[Path] = patches,
            name: str = name,
        ) -> Made:
            tree = project.source_tree(artifact)
            return patched_tree(tree, patches, source_folder(project, name), job)

        yield stage(
            project,
            f"source:{name}",
            f"patch the source of {name}",
            work,
            settings={"patches": package.build.patches},
            needs=[f"extract:{package.artifact}"],
            files=patches,
            owns=[source_folder(project, name)],
        )
