"""source:PACKAGE - a package's sdist with our patches, as a tree ready to build.

extracted sdist + patches/PACKAGE/*.patch -> build/.../source/PACKAGE/
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.core import manifest
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, made_whole
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.stage import stage


class _Messages(logging.Handler):
    """Keeps what patch-ng logs: only there does it name the hunk that did not apply."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split()))


def apply_patch(patch: Path, tree: Path) -> list[str]:
    """Apply a unified diff (with a/ and b/ before the paths) to a tree.

    Returns:
        the files that it changed, relative to the tree.

    Raises:
        BuildError: a hunk does not apply; names it.
    """
    import patch_ng

    messages = _Messages()
    logger = logging.getLogger("patch_ng")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(messages)
    try:
        parsed = patch_ng.fromfile(str(patch))
        applied = parsed is not False and parsed.apply(strip=1, root=str(tree))
    finally:
        logger.removeHandler(messages)
        logger.propagate = propagate
    # patch-ng takes "already patched" for success; here it means that two patches are one.
    if not applied or any("already patched" in line for line in messages.lines):
        reason = "; ".join(messages.lines) or "it is no unified diff"
        raise BuildError(
            f"{patch.name} does not apply ({reason}); was it made for another version? Mend it, or "
            "switch it off in config.yaml, packages.NAME.build.patches"
        )
    return [item.target.decode().removeprefix("b/") for item in parsed.items]


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
