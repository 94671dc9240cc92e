"""7z archives: plain or self-extracting, by py7zr or, where it lacks a filter, by a program.

    archive -> find_payload -> py7zr lists -> py7zr unpacks
                                           -> (BCJ2 and the like) a program unpacks, then the
                                              same members are taken from what it made

Importing this module imports py7zr, which takes a moment: import it where it is used.
"""

import io
import mmap
import os
import shutil
import stat
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import py7zr
from py7zr.compressor import SupportedMethods
from py7zr.io import Py7zBytesIO
from py7zr.py7zr import ArchiveFile

from tasks.archives import unpackers
from tasks.archives.members import (
    Kind,
    Selection,
    broken,
    check_space,
    mark_executable,
    safe_name,
)
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.progress import ProgressCallback

SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_START_HEADER_SIZE = 32  # signature, version, CRC, then offset, size and CRC of the next header
_LONGEST_LINK = 4096


@dataclass(frozen=True)
class _Member:
    """A wanted member: where it goes, and what the archive says about it."""

    path: Path
    kind: Kind
    size: int
    mode: int | None


def unpack_7z(
    archive: Path,
    folder: Path,
    selection: Selection,
    trusted: bool,
    progress: ProgressCallback,
) -> None:
    """Unpacks the selected members into a folder that exists and is empty.

    All members are judged before anything is decompressed. Of a solid block only the part
    up to its last selected member is decompressed.

    Args:
        archive: a .7z, or a Windows program with one behind its code.
        folder: where to put the members.
        selection: what is wanted; links are noted in it, not written.
        trusted: the archive's hash was checked, so that a self-extracting one may be run.
        progress: called with the number of members so far and in all.

    Raises:
        BuildError: damaged, hostile, encrypted, too large, or nothing here can unpack it.
    """
    offset, length = find_payload(archive)
    with archive.open("rb") as file:
        window = cast(BinaryIO, io.BufferedReader(_Window(file, offset, length)))
        try:
            with _damage_told(archive):
                source = py7zr.SevenZipFile(window)
                readable = not _has_unknown_filter(source)
        except py7zr.UnsupportedCompressionMethodError as error:
            raise broken(archive, f"its table of contents: {error.message}") from error
        entries = list(getattr(source, "files", ()))  # an empty archive has none
        wanted = _judge(entries, folder, selection)
        check_space(archive, folder, (member.size for member in wanted.values()))
        if readable:
            try:
                _unpack_by_py7zr(archive, source, folder, selection, wanted, progress)
            except py7zr.UnsupportedCompressionMethodError:
                readable = False
    if not readable:
        if any(_kind(entry) not in ("file", "folder") for entry in entries):
            raise BuildError(
                f"{archive.name} cannot be unpacked: its 7z filter needs an external program, "
                "which gets no archive that holds links; use an archive in another format"
            )
        _unpack_by_program(archive, (offset, length), folder, wanted, trusted)
        progress(len(wanted), len(wanted))
    for member in wanted.values():
        if member.kind == "file":
            mark_executable(member.path, member.mode)


def find_payload(archive: Path) -> tuple[int, int]:
    """Where the 7z archive starts in the file, and how long it is, in bytes.

    In a self-extracting archive it lies behind the program's sections, perhaps after a
    configuration text and before a digital signature. The signature bytes also occur in the
    program itself, which searches for them, so the start header's CRC has to be right too
    (7zFormat.txt: "SignatureHeader").

    Raises:
        BuildError: there is none, or it is cut short.
    """
    with archive.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        size = len(data)
        start = data.find(SIGNATURE, 0 if data[:2] != b"MZ" else _end_of_image(data))
        while start >= 0:
            header = data[start : start + _START_HEADER_SIZE]
            if len(header) == _START_HEADER_SIZE:
                crc, offset, length = struct.unpack("<8xLQQ4x", header)
                if zlib.crc32(header[12:]) == crc:
                    total = _START_HEADER_SIZE + offset + length
                    if start + total > size:
                        raise broken(archive, f"{start + total - size} bytes are missing")
                    return start, total
            start = data.find(SIGNATURE, start + 1)
    raise broken(archive, "it holds no intact 7z archive")


def _end_of_image(data: mmap.mmap) -> int:
    """Where a PE file's last section ends; 0 if it is no PE file (Microsoft, "PE Format")."""
    try:
        (pe,) = struct.unpack_from("<L", data, 0x3C)
        signature, sections, optional_size = struct.unpack_from("<4s2xH12xH", data, pe)
        if signature != b"PE\0\0":
            return 0
        table = pe + 24 + optional_size
        ends = (sum(struct.unpack_from("<16xLL", data, table + 40 * i)) for i in range(sections))
        return max(ends, default=0)
    except struct.error:
        return 0


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: BinaryIO, offset: int, length: int) -> None:
        self._file, self._offset, self._length, self._position = file, offset, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._offset + self._position)
        data = self._file.read(max(0, min(len(buffer), self._length - self._position)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _has_unknown_filter(source: py7zr.SevenZipFile) -> bool:
    """Whether any block uses a filter that py7zr lacks: BCJ2, ARM64, ...

    Then no member is left to it: py7zr 1.1.4 (Worker.extract) takes the n-th packed stream for
    the n-th block, but a BCJ2 block has four streams.
    """
    header = getattr(source, "header", None)  # an empty archive has none
    if header is None or header.main_streams is None:
        return False
    known = {method["id"] for method in SupportedMethods.methods}
    blocks = header.main_streams.unpackinfo.folders
    return any(coder["method"] not in known for block in blocks for coder in block.coders)


def _kind(entry: ArchiveFile) -> Kind:
    kind = stat.S_IFMT(entry.st_fmt or 0)
    if entry.is_directory and not entry.is_junction:
        return "folder"
    if entry.is_symlink and not entry.is_directory:
        return "link"
    return "file" if kind in (0, stat.S_IFREG) and not entry.is_junction else "special"


def _judge(entries: list[ArchiveFile], folder: Path, selection: Selection) -> dict[str, _Member]:
    """The wanted files and links, by the name that the archive has for them."""
    wanted: dict[str, _Member] = {}
    for entry in entries:
        kind = _kind(entry)
        relative = selection.destination(entry.filename, kind)
        if relative is None:
            continue
        if kind == "folder":
            (folder / relative).mkdir(parents=True, exist_ok=True)
        else:
            size = entry.uncompressed
            wanted[entry.filename] = _Member(folder / relative, kind, size, entry.posix_mode)
    return wanted


class _FileSink(py7zr.Py7zIO):
    """Lets py7zr write a member to an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, s: bytes | bytearray) -> int:
        return self._file.write(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return offset  # py7zr rewinds what it has written, for readers

    def flush(self) -> None:
        self._file.flush()

    def size(self) -> int:
        return self._file.tell()


class _Sinks(py7zr.WriterFactory):
    """Gives py7zr the place for each member in turn; links are kept in memory."""

    def __init__(
        self, folder: Path, members: Mapping[str, _Member], progress: ProgressCallback
    ) -> None:
        self._folder, self._members, self._progress = folder, members, progress
        self._open: BinaryIO | None = None
        self._done = 0
        self.links: dict[str, Py7zBytesIO] = {}

    def create(self, filename: str) -> py7zr.Py7zIO:
        self.close()
        self._done += 1
        self._progress(self._done, len(self._members))
        name = Path(filename).relative_to(self._folder).as_posix()
        member = self._members[name]
        if member.kind == "link":
            self.links[name] = Py7zBytesIO(name, _LONGEST_LINK)
            return self.links[name]
        member.path.parent.mkdir(parents=True, exist_ok=True)
        self._open = member.path.open("xb")
        return _FileSink(self._open)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _unpack_by_py7zr(
    archive: Path,
    source: py7zr.SevenZipFile,
    folder: Path,
    selection: Selection,
    wanted: Mapping[str, _Member],
    progress: ProgressCallback,
) -> None:
    root = folder.absolute()  # py7zr gives the sinks full paths, made from the members' names
    by_name = {safe_name(name): member for name, member in wanted.items()}
    sinks = _Sinks(root, by_name, progress)
    with _damage_told(archive):
        try:
            source.extract(path=root, targets=set(wanted), factory=sinks)
        finally:
            sinks.close()
    for name, content in sinks.links.items():
        selection.link(name, content.read().decode("utf-8", "replace"))
    for name, member in wanted.items():
        if member.kind == "file" and not _is_whole(member.path, member.size):
            raise broken(archive, f"{name} is incomplete")


def _is_whole(path: Path, size: int) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    """One line for whatever py7zr raises: on damaged input that can be nearly anything."""
    try:
        yield
    except py7zr.PasswordRequired:
        raise BuildError(
            f"{archive.name} is encrypted; use an archive without a password"
        ) from None
    except py7zr.UnsupportedCompressionMethodError:
        raise  # not damage
    except OSError as error:
        if error.errno is not None:
            raise
        raise broken(archive, error) from error
    except Exception as error:
        raise broken(archive, error) from error


def _unpack_by_program(
    archive: Path,
    payload: tuple[int, int],
    folder: Path,
    wanted: Mapping[str, _Member],
    trusted: bool,
) -> None:
    """Has a program unpack everything into a scratch folder, and takes the wanted members."""
    scratch = Path(tempfile.mkdtemp(prefix="unpack-", dir=folder))
    self_extracting = payload[0] > 0
    plain = scratch / "payload.7z" if self_extracting else archive
    if self_extracting:  # not every program looks for the archive in there
        with archive.open("rb") as file, plain.open("xb") as copy:
            shutil.copyfileobj(_Window(file, *payload), copy, 1 << 20)
    output = scratch / "content"
    runnable = archive if self_extracting and trusted else None
    unpackers.unpack_everything(archive.name, plain, output, runnable)
    for name, member in wanted.items():
        made = output / safe_name(name)
        if not _is_whole(made, member.size):
            raise broken(archive, f"{name} was not unpacked completely")
        made.chmod(0o644)  # the archive's bits may make it read-only
        os.utime(made)
        member.path.parent.mkdir(parents=True, exist_ok=True)
        made.replace(member.path)
    remove_tree(scratch)
