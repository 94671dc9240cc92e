"""extract:ARTIFACT - unpacks an archive safely into the build folder.

    manifest fetch-NAME.json -> CACHE/downloads/... -> build/.../extracted/NAME/
    -> manifest extract-NAME.json: which source it came from, and every file

Only the members that config.yaml names are unpacked, where it names any.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dllwhy import pe
from tasks.archives import archive
from tasks.archives.patch import apply_patch
from tasks.core import manifest
from tasks.core.config import FIRST_USE, Artifact, Source
from tasks.core.errors import BrokenArchiveError, BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.fetch import artifacts_of, forget_first_use
from tasks.stage import stage


def check_signatures(folder: Path, signed_by: dict[str, str], name: str) -> int:
    """Check who signed the files of an unpacked artifact.

    Args:
        folder: the artifact's top folder.
        signed_by: pattern of file names, relative to `folder` -> the signer's name.
        name: the artifact, for messages.

    Returns:
        how many files were checked.

    Raises:
        BuildError: a file is unsigned, altered or signed by somebody else, or a pattern matches
            nothing.
    """
    checked = 0
    for pattern, expected in signed_by.items():
        where = f'config.yaml, artifacts.{name}.signed_by."{pattern}"'
        matching = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not matching:
            raise BuildError(
                f"no file matches {where}; the archive is not what it was expected to be"
            )
        for path in matching:
            signer = pe.signer(path)
            if signer != expected:
                found = f"is signed by {signer}" if signer else "is not signed"
                raise BuildError(
                    f"{path.name} {found}, expected {expected} ({where}); the binary was replaced "
                    f"or altered by whoever packed the archive. Do not use it; name another source"
                )
            checked += 1
    return checked


def unpack(
    archive_path: Path, source: Source, members: Sequence[str], target: Path, job: Job
) -> None:
    """Unpack a source's archive, or the archive inside it, so that its root becomes `target`."""
    wanted = [f"{source.root}/{member}" if source.root else member for member in members]
    outer = target.with_name(target.name + ".outer")
    # A self-extracting archive may be run only where its hash was known before it came.
    trusted = source.sha256 != FIRST_USE
    try:
        if source.inner is not None:
            archive.unpack(archive_path, outer, members=[source.inner], trusted=trusted)
            archive_path = outer / source.inner
        archive.unpack(
            archive_path,
            target,
            members=wanted,
            strip=source.root,
            trusted=trusted,
            progress=job.progress,
        )
    finally:
        with contextlib.suppress(OSError):
            remove_tree(outer)


def _broken(name: str, source: Source, path: Path, fetched: Made, reason: str) -> BuildError:
    """What to do about an archive that cannot be read depends on who vouches for its bytes."""
    expected = next(iter(fetched.files.values()), None)
    if expected is None or not path.is_file() or manifest.sha256_of(path) != expected.sha256:
        return BuildError(
            f"{path.name} was damaged in the cache after it was downloaded ({reason}); run "
            f'"doit fetch:{name} extract:{name}" to have it again'
        )
    if source.sha256 != FIRST_USE:
        return BuildError(
            f"{path.name} has the sha256 that config.yaml names, and is broken all the same "
            f"({reason}); correct artifacts.{name} there: the hash is of a damaged or another file"
        )
    # Its bytes were of no use to anybody: the next download shall not be held to their hash.
    assert fetched.root is not None
    forget_first_use(source, fetched.root)
    return BuildError(
        f"{path.name} from {source.place} is broken ({reason}): cut short, or no archive at all. "
        f'No hash was known beforehand; it was discarded. Run "doit fetch:{name} extract:{name}" '
        "again"
    )


def extract(
    name: str, artifact: Artifact, fetched: Path, target: Path, patches: Sequence[Path], job: Job
) -> Made:
    """Unpack an artifact that has been fetched, and change it as it is to be changed.

    Args:
        name: the artifact's name in config.yaml.
        fetched: the manifest of its fetch task.
        target: the folder to make: the artifact's root.
        patches: the artifact's, as files.
    """
    download = manifest.read(fetched)
    if download is None or download.root is None:
        raise BuildError(f'{fetched} cannot be read; run "doit fetch:{name}" again')
    source = artifact.sources[download.details["source"]]
    path = download.root / download.details["archive"]
    try:
        unpack(path, source, source.members or artifact.members, target, job)
    except BrokenArchiveError as error:
        raise _broken(name, source, path, download, error.reason) from error
    checked = check_signatures(target, artifact.signed_by, name)
    for patch in patches:
        apply_patch(patch, target)
    for file, text in artifact.added_files.items():
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_text(text, encoding="utf-8", newline="\n")
    files = manifest.record(target)
    signed = f", {checked} signatures verified" if checked else ""
    patched = f", {len(patches)} patches applied" if patches else ""
    return Made(
        f"{len(files)} files of {path.name}{signed}{patched}",
        where=target,
        root=target,
        files=files,
        details={"source": download.details["source"]},
    )


def source_of(project: Project, artifact: str) -> Source:
    """The source from which an unpacked artifact came.

    Raises:
        BuildError: the artifact has not been unpacked.
    """
    made = manifest.read(project.manifest(f"extract:{artifact}"))
    if made is None:
        raise BuildError(f'{artifact} is not unpacked; run "doit extract:{artifact}"')
    return project.config.artifacts[artifact].sources[int(made.details["source"])]


def task_of(project: Project, name: str, artifact: Artifact, beside: Path) -> dict[str, Any]:
    """extract:ARTIFACT.

    Args:
        beside: the folder of the artifact's patches.
    """
    target = project.source_tree(name)
    patches = [beside / patch for patch in artifact.patches]
    fetched = project.manifest(f"fetch:{name}")
    return stage(
        project,
        f"extract:{name}",
        f"unpack {name}",
        partial(extract, name, artifact, fetched, target, patches),
        settings=artifact,
        needs=[f"fetch:{name}"],
        files=patches,
        owns=[target],
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """extract:ARTIFACT for every artifact that is to be unpacked."""
    yield {"basename": "extract", "name": None, "doc": "unpack them, safely, and check signatures"}
    for name, artifact in artifacts_of(project).items():
        if not artifact.unpack:
            continue
        yield task_of(project, name, artifact, project.root)
