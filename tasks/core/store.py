"""The store: what is expensive and depends on its ingredients alone, made once for every clone.

    CACHE/store/NAME/DIGEST/tree/...      what was made
    CACHE/store/NAME/DIGEST/entry.json    its ingredients, and every file with size and sha256

An entry is written under a temporary name, read back and renamed, and is compared with its list
again when it is taken: whatever ended a run, an entry is whole or is none.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core import manifest
from tasks.core.files import remove_tree, rename
from tasks.core.manifest import FileEntry, Made

if TYPE_CHECKING:
    from filelock import FileLock

_DIGITS = 16
_LIST = "entry.json"
_TREE = "tree"
_MOST_DIFFERENCES = 3


@dataclass(frozen=True)
class Key:
    """Everything that makes a thing what it is.

    Args:
        name: the thing, as in "opencv".
        parts: ingredient -> its version, hash or settings, as JSON-able data in which nothing
            says where it was made.
    """

    name: str
    parts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The beginning of the sha256 of all parts: the name of an entry."""
        return digest(self.parts)


@dataclass(frozen=True)
class Entry:
    """Something in the store.

    Args:
        made: when it was, in seconds since 1970.
    """

    key: Key
    folder: Path
    files: Mapping[str, FileEntry]
    made: float

    @property
    def size(self) -> int:
        """Its files, in bytes."""
        return sum(file.size for file in self.files.values())


def digest(parts: Mapping[str, Any]) -> str:
    """A short name for data: enough digits to tell entries apart, few enough for long paths."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def flat(parts: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested data as lines: "defines.WITH_SIMD" -> "true"."""
    lines: dict[str, str] = {}
    for name, value in parts.items():
        if isinstance(value, Mapping):
            lines |= flat(value, f"{above}{name}.")
        else:
            lines[above + name] = value if isinstance(value, str) else json.dumps(value)
    return lines


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two keys' parts, as in "compiler zig 0.16.0 -> zig 0.17.0"."""
    before, after = flat(old), flat(new)
    return [
        f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A name beside `target` for a tree that is not finished; nothing is left under it."""
    path = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    remove_tree(path)
    try:
        yield path
    finally:
        remove_tree(path)


class _DamagedError(Exception):
    """An entry is not what its list says."""


class Store:
    """The store of a cache.

    Args:
        folder: need not exist.
        warn: called with a line that people must see.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]):
        self.folder = folder
        self.warn = warn

    def entry_folder(self, key: Key) -> Path:
        """Where an entry is, or would be."""
        return self.folder / key.name / key.digest

    @contextlib.contextmanager
    def alone(self, key: Key) -> Iterator[None]:
        """Be the only run, of all clones, that makes `key`; says so where another one has to end.

        Where the store cannot be written nothing can be kept, and everybody works for himself.
        """
        lock = self._lock(key)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def _lock(self, key: Key) -> "FileLock | None":
        from filelock import FileLock, Timeout

        place = self.entry_folder(key)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            # On Windows FileLock takes a folder that cannot be written for a lock that is held.
            with tempfile.TemporaryFile(dir=place.parent):
                pass
            lock = FileLock(f"{place}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self.warn(
                    f"waits for another run, which makes {key.name} {key.digest}; then it is taken "
                    f"from {self.folder}"
                )
                lock.acquire()
        except OSError as error:
            self.warn(f"the store {self.folder} cannot be written ({_reason(error)})")
            return None
        return lock

    def take(self, key: Key, target: Path) -> dict[str, FileEntry] | None:
        """Copy an entry to `target`, which is replaced, and compare it with its list.

        Returns:
            the files that `target` holds, as in a manifest; None where there is no such entry. One
            that is damaged is discarded.
        """
        folder = self.entry_folder(key)
        if not folder.is_dir():
            return None
        try:
            return _copy(folder, key, target)
        except _DamagedError as damage:
            self.warn(f"{folder} in the store is damaged: {damage}; it is discarded and made again")
            self._discard(folder)
        except OSError as error:
            self.warn(f"{folder} cannot be taken from the store ({_reason(error)})")
        return None

    def _discard(self, folder: Path) -> None:
        try:
            remove_tree(folder)
        except OSError as error:
            self.warn(f"{folder} cannot be removed ({_reason(error)})")

    def put(self, key: Key, tree: Path, files: Mapping[str, FileEntry]) -> None:
        """Keep a copy of `tree`, whose content is `files`; warns where that cannot be."""
        place = self.entry_folder(key)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            for unfinished in place.parent.glob(f"{place.name}.*.tmp"):  # of a run that was killed
                remove_tree(unfinished)
            with _temporary(place) as copy:
                shutil.copytree(tree, copy / _TREE, copy_function=shutil.copyfile)
                wrong = _difference(files, manifest.record(copy / _TREE))
                if wrong:
                    raise OSError(None, f"its copy is not what was written: {wrong}")
                details = {"name": key.name, "parts": key.parts}
                manifest.write(copy / _LIST, Made(key.name, files=files, details=details))
                remove_tree(place)
                rename(copy, place)
        except OSError as error:
            self.warn(
                f"{key.name} cannot be kept in the store {self.folder} ({_reason(error)}); it is "
                "here, and is made again where it is needed elsewhere"
            )

    def entries(self, name: str = "*") -> list[Entry]:
        """What is in the store, by name and age."""
        folders = [path for path in self.folder.glob(f"{name}/*") if len(path.name) == _DIGITS]
        found = [entry for entry in map(_read, folders) if entry is not None]
        return sorted(found, key=lambda entry: (entry.key.name, entry.made))

    def why_not(self, key: Key) -> str | None:
        """Why nothing in the store will do, where it has something of the same name.

        The entry that is nearest to `key` is compared with it.
        """
        compared = [differences(e.key.parts, key.parts) for e in self.entries(key.name)]
        if not compared:
            return None
        nearest = min(reversed(compared), key=len)
        more = len(nearest) - _MOST_DIFFERENCES
        return ", ".join(nearest[:_MOST_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")

    def empty(self) -> None:
        """Remove every entry. A run that is taking one makes it itself."""
        for folder in [path for path in self.folder.glob("*/*") if path.is_dir()]:
            remove_tree(folder)
        for folder in [*self.folder.glob("*"), self.folder]:
            with contextlib.suppress(OSError):  # a run that is at work has its lock there
                folder.rmdir()


def _read(folder: Path) -> Entry | None:
    """The entry in a folder, or None where its list cannot be used."""
    made = manifest.read(folder / _LIST)
    if made is None or not {"name", "parts"} <= made.details.keys():
        return None
    key = Key(made.details["name"], made.details["parts"])
    return Entry(key, folder, made.files, (folder / _LIST).stat().st_mtime)


def _reason(error: OSError) -> str:
    """Why files cannot be copied; shutil.Error has a list of (from, to, reason)."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _copy(folder: Path, key: Key, target: Path) -> dict[str, FileEntry]:
    """Copy an entry's tree to `target`, if it is what its list says; returns its files."""
    entry = _read(folder)
    if entry is None or entry.key != key:
        raise _DamagedError(f"{_LIST} is missing, unreadable or of something else")
    with _temporary(target) as copy:
        try:
            shutil.copytree(folder / _TREE, copy, copy_function=shutil.copyfile)
        except OSError:
            for name in entry.files:
                if not (folder / _TREE / name).is_file():
                    raise _DamagedError(f"{name} is missing") from None
            raise
        files = manifest.record(copy)
        if wrong := _difference(entry.files, files):
            raise _DamagedError(wrong)
        remove_tree(target)
        rename(copy, target)
    return files


def _difference(expected: Mapping[str, FileEntry], found: Mapping[str, FileEntry]) -> str | None:
    """The first difference between two lists of files, in one line."""
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} does not belong there"
        if expected[name] != found[name]:
            return f"{name} was altered"
    return None
