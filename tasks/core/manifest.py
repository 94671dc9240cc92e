"""Manifests: what a stage made, as data.

A stage writes its manifest last and atomically. It lists every file with size and sha256,
so that a deleted or altered file makes the stage stale, and its bytes depend only on what
was made, so that making the same again leaves what comes after it alone.

Paths below the build folder are written relative to it: a clone can be copied and moved, and the
manifests of the copy never speak of the files of the original.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.core import ending
from tasks.core.files import rename, temporary_for

# Python rewrites its byte code as it likes.
_IGNORED_FOLDERS = {"__pycache__"}


@dataclass(frozen=True)
class FileEntry:
    """One file: size in bytes and content."""

    size: int
    sha256: str


# The status of a manifest whose stage has begun to make everything anew.
UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Made:
    """The outcome of a stage.

    Args:
        summary: one line for the table at the end of a run.
        where: the file or folder to look at; shown in that table.
        root: the folder that `files` are relative to.
        files: the files that the stage made, with "/" on every OS.
        status: "done", "not run" for a check whose tool is missing, or UNFINISHED.
        details: anything that later stages or people want to read.
    """

    summary: str
    where: Path | None = None
    root: Path | None = None
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    status: str = "done"
    details: Mapping[str, Any] = field(default_factory=dict)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def entry(path: Path) -> FileEntry:
    """The manifest entry of a file."""
    return FileEntry(path.stat().st_size, sha256_of(path))


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, sorted, byte code left out."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _IGNORED_FOLDERS)
        found += [Path(parent, name) for name in sorted(names)]
    return found


def record(root: Path, paths: Iterable[Path] | None = None) -> dict[str, FileEntry]:
    """Entries for `paths` (everything below `root` if not given), keyed relative to `root`."""
    chosen = list(files_below(root) if paths is None else paths)
    with ThreadPoolExecutor() as pool:
        entries = list(pool.map(entry, chosen))
    return {
        path.relative_to(root).as_posix(): made
        for path, made in sorted(zip(chosen, entries, strict=True))
    }


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_for(path)
    with ending.held_off():
        temporary.write_text(text, encoding="utf-8", newline="\n")
        rename(temporary, path)


def write_json(path: Path, data: Any) -> None:
    """Write data as JSON for people and programs, whole or not at all."""
    write_atomically(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def _base(path: Path) -> Path:
    """The build folder of a manifest, BUILD/manifests/NAME.json."""
    return path.parent.parent


def _relative(place: Path | None, path: Path) -> str | None:
    """How the manifest at `path` names a place."""
    if place is None:
        return None
    base = _base(path)
    return place.relative_to(base).as_posix() if place.is_relative_to(base) else str(place)


def _absolute(place: str | None, path: Path) -> Path | None:
    """The place that the manifest at `path` names."""
    return None if place is None else Path(os.path.normpath(_base(path) / place))


# What every name has that leaves its root: a beginning that may be a drive or root, or two dots. An
# environment has thirty thousand names, and a Path of each would take longer than all the rest.
_SUSPECT = re.compile(r"^[/\\]|^.:|\.\.")


def _entries(listed: Mapping[str, Any]) -> dict[str, FileEntry]:
    """The files of a manifest; ValueError for a name that leaves its root."""
    entries = {}
    for name, entry in listed.items():
        if _SUSPECT.search(name) and (
            PurePosixPath(name).is_absolute()
            or Path(name).is_absolute()
            or ".." in Path(name).parts
        ):
            raise ValueError(f"{name} is not below the root")
        entries[name] = FileEntry(int(entry["size"]), str(entry["sha256"]))
    return entries


def write(path: Path, made: Made) -> None:
    """Write a stage's manifest, atomically."""
    data = asdict(made)
    data["where"] = _relative(made.where, path)
    data["root"] = _relative(made.root, path)
    write_json(path, data)
    _read.cache_clear()


def read(path: Path) -> Made | None:
    """The manifest at `path`, or None where there is none that can be read."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.cache
def _read(path: Path, mtime_ns: int, size: int) -> Made | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Made(
            summary=str(data["summary"]),
            where=_absolute(data["where"], path),
            root=_absolute(data["root"], path),
            files=_entries(data["files"]),
            status=str(data["status"]),
            details={**data["details"]},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def damage(path: Path) -> str | None:
    """What is wrong with the files of a manifest: None, or one line.

    A file is read again only if it changed after the manifest was written. On POSIX the
    change time counts as well, since a copy can keep the modification time.
    """
    made = read(path)
    if made is None:
        return f"{path.name} is missing or unreadable"
    if made.status == UNFINISHED:
        return f"{path.name} is of a run that did not end"
    if made.root is None:
        return None
    written = path.stat().st_mtime_ns
    reread = False
    prefix = str(made.root) + os.sep
    for name, expected in made.files.items():
        try:
            found = os.stat(prefix + name)
        except OSError:
            return f"{name} is missing"
        if found.st_size != expected.size:
            return f"{name} has another size"
        changed = (
            found.st_mtime_ns if os.name == "nt" else max(found.st_mtime_ns, found.st_ctime_ns)
        )
        if changed > written:
            if sha256_of(made.root / name) != expected.sha256:
                return f"{name} was altered"
            reread = True
    if reread:
        with contextlib.suppress(OSError):  # a clone that may not be written
            os.utime(path)
    return None
