"""The source of a package that nobody prepared: from the index, an archive or a folder.

NAME[==VERSION] | FILE | FOLDER -> Source -> a tree of its own to build in
"""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.archives import archive
from tasks.core import manifest
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, remove_tree
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.downloads import download, index

# What a checkout has beside its sources.
_NOT_SOURCE = {".git", ".hg", ".venv", "__pycache__", ".tox", ".pytest_cache"}
_NAME = re.compile(r"([A-Za-z0-9][\w.-]*?)\s*(?:==\s*([\w.!+-]+))?")


@dataclass(frozen=True)
class Source:
    """Where a package's source is.

    Args:
        name: for folders and messages.
        version: "" where only its build can tell.
        path: an archive or a folder.
        sha256: of the archive; "" for a folder.
        wheels: wheels for the target Python on Windows that the index has already.
        compiled: a wheel of it in the index that has a compiled part, for whatever system.
    """

    name: str
    version: str
    path: Path
    sha256: str
    wheels: tuple[str, ...] = ()
    compiled: str = ""

    @property
    def title(self) -> str:
        """As people write it."""
        return f"{self.name} {self.version}".strip()


def local_path(asked: str, base: Path) -> Path | None:
    """The file or folder that a user named; None for a package of the index.

    A folder of a package's name is meant where it is written as a path: ./NAME.
    """
    path = Path(base, asked).expanduser()
    as_path = "/" in asked or "\\" in asked or asked.startswith(".") or not _NAME.fullmatch(asked)
    return path.absolute() if path.is_file() or (as_path and path.exists()) else None


def is_name(asked: str) -> bool:
    """Whether it could be NAME or NAME==VERSION."""
    return _NAME.fullmatch(asked) is not None


def is_bare(asked: str) -> bool:
    """Whether it could be a NAME without a version."""
    match = _NAME.fullmatch(asked)
    return match is not None and match[2] is None


def normal(name: str) -> str:
    """A package's name as all spellings of it are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find(asked: str, project: Project, base: Path, job: Job) -> Source:
    """The source of what a user named; a source of the index is in the cache then.

    Args:
        asked: NAME, NAME==VERSION, an archive or a folder.
        base: the folder that relative paths are of.

    Raises:
        BuildError: there is no such thing, or the index has no source of it.
    """
    path = local_path(asked, base)
    if path is not None:
        return _local(path.resolve())
    match = _NAME.fullmatch(asked)
    if match is None:
        raise BuildError(
            f"{asked} is no package's name, and no file or folder of that name is there; say "
            "doit build --package NAME, NAME==VERSION, FILE or FOLDER"
        )
    name, version = match[1], match[2]
    if project.offline:
        raise BuildError(
            f"{asked} would be looked up in the package index, and this run is offline; name the "
            "file of its sdist"
        )
    release = index.find_release(name, version, project.target.version)
    if release.sdist is None:
        have = f"; it has {release.wheels[0]} already" if release.wheels else ""
        raise BuildError(
            f"{name} {release.version} has no source in the index{have}. Name another version that "
            "has one, or the folder of a checkout"
        )
    found = release.sdist
    place = found.sha256 or hashlib.sha256(found.url.encode()).hexdigest()
    target = project.downloads / place / found.filename
    sha256 = found.sha256
    if not (target.is_file() and sha256 and manifest.sha256_of(target) == sha256):
        sha256 = download.download(
            found.url, target, sha256=sha256, progress=job.progress, session=index.session()
        )
    return Source(name, release.version, target, str(sha256), release.wheels, release.compiled)


def _local(path: Path) -> Source:
    if path.is_dir():
        if not _is_package(path):
            raise BuildError(f"{path} has neither pyproject.toml nor setup.py: no Python package")
        return Source(path.name, "", path, "")
    if path.suffix == ".whl":
        raise BuildError(f"{path.name} is a wheel, and built already; name an sdist or a folder")
    stem = re.sub(r"(\.tar\.\w+|\.tgz|\.zip)$", "", path.name)
    name, _, version = stem.rpartition("-")
    return Source(name or stem, version, path, manifest.sha256_of(path))


def unpack(source: Source, target: Path, job: Job) -> Path:
    """Have the source's tree in `target`, as it was published; returns its top folder."""
    remove_tree(target)
    if source.path.is_dir():
        copy_tree(source.path, target, ignore=lambda folder, names: _NOT_SOURCE & set(names))
        return target
    archive.unpack(source.path, target, progress=job.progress)
    top = top_of(target)
    if not _is_package(top):
        raise BuildError(
            f"{source.path.name} holds neither pyproject.toml nor setup.py: no source of a Python "
            "package"
        )
    return top


def top_of(target: Path) -> Path:
    """The top folder of a source's tree that is in `target`."""
    inside = list(target.iterdir()) if target.is_dir() else []
    folders = [entry for entry in inside if entry.is_dir()]
    if _is_package(target):
        return target
    return folders[0] if len(folders) == 1 and len(inside) <= 2 else target


def _is_package(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("pyproject.toml", "setup.py"))


def keep_wheel(wheel: Path, folder: Path) -> Path:
    """Copy a finished wheel to where the user finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy2(wheel, folder / wheel.name))


def record_hash(project: Project, asked: Source) -> None:
    """Write down the sha256 of a source; later ones of the same version are held to it.

    Raises:
        BuildError: it is another file than last time, or what was written down is damaged.
    """
    if not asked.sha256:
        return
    path = project.root / "wheelhouse" / "sources.json"
    known: dict[str, str] = {}
    if path.is_file():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BuildError(
                f"{project.shown(path)} is damaged ({error}); mend it, or remove it to have the "
                "hashes written down anew"
            ) from error
    before = known.get(asked.path.name)
    if before and before != asked.sha256:
        raise BuildError(
            f"{asked.path.name} has sha256 {asked.sha256}, and had {before} when it was built "
            f"before ({project.shown(path)}); it is another file of the same name. Find out why; "
            "remove that line to trust the new one"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_json(path, {**known, asked.path.name: asked.sha256})
