"""fetch:ARTIFACT - one archive from the first source that answers, into the shared cache.

    config.yaml, artifacts.NAME.sources
      -> CACHE/downloads/SHA256/FILE
      -> manifest fetch-NAME.json, which says which source it came from

A file that is in the cache needs no network. The folder is named after the hash, so that
clones with different versions share one cache, and a wheel keeps its name.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tasks.compilers import msvc
from tasks.core import manifest, user_file
from tasks.core.config import FIRST_USE, Artifact, CondaRecipe, MsvcToolchain, Source
from tasks.core.errors import BuildError
from tasks.core.files import rename
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.progress import ProgressCallback
from tasks.core.project import Project
from tasks.core.urls import file_name
from tasks.downloads import download, index
from tasks.pythons import windows_python
from tasks.stage import stage


def first_use_hashes(downloads: Path) -> dict[str, str]:
    """Hashes recorded at the first download of sources without a known one, by place."""
    path = downloads / "first-use.json"
    if not os.path.lexists(path):
        return {}
    try:
        recorded = json.loads(user_file.read_text(path))
        if not isinstance(recorded, dict) or not all(
            isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256)
            for sha256 in recorded.values()
        ):
            raise ValueError("it is no mapping of addresses to hashes")
    except (user_file.UnreadableError, ValueError, RecursionError) as error:
        raise BuildError(
            f"{path} cannot be read ({error}); it holds the hashes of earlier downloads. Restore "
            "it, or remove it to trust the next download"
        ) from error
    return recorded


def known_hash(source: Source, downloads: Path) -> str | None:
    """The sha256 that a source's file must have, None before its first use."""
    if source.sha256 != FIRST_USE:
        return source.sha256
    return first_use_hashes(downloads).get(source.place)


def cached(source: Source, downloads: Path) -> Path | None:
    """The file of a source in the cache, if it is there and whole."""
    sha256 = known_hash(source, downloads)
    if sha256 is None or not (downloads / sha256).is_dir():
        return None
    for path in (downloads / sha256).iterdir():
        if path.is_file() and not path.name.endswith((".part", ".part.json", ".lock")):
            if manifest.sha256_of(path) == sha256:
                return path
            path.unlink()
    return None


def forget_first_use(source: Source, downloads: Path) -> None:
    """Withdraw the hash of a source's first download, and discard the file."""
    hashes = first_use_hashes(downloads)
    sha256 = hashes.pop(source.place, None)
    if sha256 is not None:
        manifest.write_json(downloads / "first-use.json", hashes)
        shutil.rmtree(downloads / sha256, ignore_errors=True)


def _download(source: Source, downloads: Path, progress: ProgressCallback) -> str:
    """Download one source into the cache; returns its sha256."""
    from filelock import FileLock

    sha256 = known_hash(source, downloads)
    if sha256 is not None:
        return _get(source, sha256, downloads, progress)
    # Two clones that share the cache have one first use together.
    downloads.mkdir(parents=True, exist_ok=True)
    with FileLock(downloads / "first-use.lock"):
        sha256 = known_hash(source, downloads)
        return _get(source, sha256, downloads, progress)


def _get(source: Source, sha256: str | None, downloads: Path, progress: ProgressCallback) -> str:
    """Download one source, with the sha256 that it must have; None at its first use."""
    session = None
    if source.url is not None:
        url, name = source.url, file_name(source.url)
    else:
        assert source.pypi is not None and source.kind is not None
        package, _, version = source.pypi.partition("==")
        found = index.find_distribution(
            package, version, kind=source.kind, sha256=sha256, platform=source.platform
        )
        url, name, session = found.url, found.filename, index.session()
    if sha256 is not None:
        target = downloads / sha256 / name
        return download.download(url, target, sha256=sha256, progress=progress, session=session)
    place = hashlib.sha256(source.place.encode()).hexdigest()
    unverified = downloads / FIRST_USE / place / name
    sha256 = download.download(url, unverified, sha256=None, progress=progress, session=session)
    verified = downloads / sha256 / name
    verified.parent.mkdir(parents=True, exist_ok=True)
    rename(unverified, verified)
    hashes = first_use_hashes(downloads) | {source.place: sha256}
    manifest.write_json(downloads / "first-use.json", hashes)
    return sha256


def fetch(
    name: str,
    artifact: Artifact,
    downloads: Path,
    offline: bool,
    job: Job,
    file: str = "config.yaml",
) -> Made:
    """Have an artifact's archive in the cache.

    Args:
        name: the artifact's name.
        downloads: the folder of the cache.
        offline: use nothing but the cache.
        file: which describes the artifact, for messages.

    Raises:
        BuildError: no source could be had, each with its reason; or offline and not in the cache.
    """
    chosen = next((i for i, s in enumerate(artifact.sources) if cached(s, downloads)), None)
    failures: tuple[str, ...] = ()
    if chosen is None:
        if offline:
            files = " or ".join(source.place for source in artifact.sources)
            raise BuildError(
                f"{files} is not in {downloads}, and this run is offline; "
                f'run "doit {job.name}" once with the network'
            )
        choice = download.download_first(
            [
                download.Candidate(
                    f"{file}, artifacts.{name}.sources[{i}], {source.place}",
                    partial(_download, source, downloads, job.progress),
                )
                for i, source in enumerate(artifact.sources)
            ]
        )
        chosen, failures = choice.index, choice.failures
        for failure in failures:
            job.line(f"not from {failure}")
    source = artifact.sources[chosen]
    path = cached(source, downloads)
    if path is None:
        raise BuildError(f"{source.place} vanished from {downloads}; run doit {job.name} again")
    if source.sha256 == FIRST_USE:
        job.warn(
            f"{path.name}: no hash is known beforehand; {path.parent.name} was recorded in "
            f"{downloads / 'first-use.json'} and every later download is held to it"
        )
    megabytes = path.stat().st_size / 1e6
    return Made(
        f"{path.name}, {megabytes:.1f} MB",
        where=path,
        root=downloads,
        files=manifest.record(downloads, [path]),
        details={"source": chosen, "archive": path.relative_to(downloads).as_posix()},
    )


def compiler_artifact(project: Project) -> str | None:
    """The artifact that brings the compiler, where it is to be fetched.

    That is where the user has accepted its licence, and this machine has none.
    """
    settings = project.profile.toolchain
    if not isinstance(settings, MsvcToolchain) or settings.fetch is None:
        return None
    if not project.accept_msvc_licence or msvc.fingerprint(os.environ, project.root, settings):
        return None
    return settings.fetch.artifact


def artifacts_of(project: Project) -> dict[str, Artifact]:
    """The artifacts that the selected profile and Python need."""
    profile, config = project.profile, project.config
    names = profile.environment.needed(project.target.version)
    for library in profile.libraries:
        recipe = project.recipe(library)
        if not isinstance(recipe, CondaRecipe):
            names.append(recipe.artifact)
    names += [config.packages[package].artifact for package in profile.packages]
    if compiler := compiler_artifact(project):
        names.append(compiler)
    if windows_python.HERE.needs_wine:
        names.append(config.wine.system32)
    return {name: config.artifacts[name] for name in dict.fromkeys(names)}


def task_of(
    project: Project, name: str, artifact: Artifact, file: str = "config.yaml"
) -> dict[str, Any]:
    """fetch:ARTIFACT; `file` describes it."""
    return stage(
        project,
        f"fetch:{name}",
        f"download {artifact.sources[0].place}",
        partial(fetch, name, artifact, project.downloads, project.offline, file=file),
        settings={"sources": artifact.sources, "cache": project.downloads},
        owns=[
            project.downloads / source.sha256
            for source in artifact.sources
            if source.sha256 != FIRST_USE
        ],
        home=project.downloads,
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """fetch:ARTIFACT for every artifact of the profile."""
    yield {
        "basename": "fetch",
        "name": None,
        "doc": "download the archives, verified, into the cache",
    }
    for name, artifact in artifacts_of(project).items():
        yield task_of(project, name, artifact)
