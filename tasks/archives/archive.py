"""Unpacks an archive, or a part of it, safely and all or nothing.

    archive --kind, by content--> tar | zip | 7z -> members.Selection -> target.tmp -> target

What is unpacked is plain files and folders: links become copies, and the modification time
is the time of unpacking. doit, make and ninja compare times; files that carry the archive's
old dates look older than what was built from their predecessors, so a changed source
would not be noticed.

The standard library's own extraction, and so its filters, is not used: each member is judged
by `tasks.archives.members` and written by its content alone.
"""

import bz2
import errno
import gzip
import importlib
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

from tasks.archives.members import Kind, Selection, broken, check_space, mark_executable
from tasks.core.errors import BuildError, system_message
from tasks.core.files import made_whole
from tasks.core.progress import ProgressCallback, silent

Format = Literal["gzip", "bzip2", "xz", "zstd", "tar", "zip", "7z"]

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"MZ", "7z"),  # a Windows program: self-extracting
)
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_LONGEST_LINK = 4096

# What the standard library's readers raise on damaged input, beside an OSError without errno.
_DAMAGE = (
    EOFError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,  # a version or method number that nobody uses
    OverflowError,
    ValueError,
)


def unpack(
    archive: Path,
    target: Path,
    *,
    members: Sequence[str] = (),
    strip: str = "",
    trusted: bool = False,
    progress: ProgressCallback = silent,
) -> list[Path]:
    """Unpacks an archive into a folder that appears only when it is complete.

    Everything is written to `target` + ".tmp", which is removed first if a killed run left
    it. Then a former `target` is removed, and the new one takes its name.

    Args:
        archive: a tar (plain, gzip, bzip2, xz; zstd from Python 3.14 on), zip, wheel, 7z, or
            self-extracting 7z, told by its content whatever its name.
        target: the folder to make.
        members: patterns of paths inside the archive (see `members.pattern_regex`); empty: all.
        strip: a folder inside the archive that becomes the root: nothing outside it is
            unpacked. Patterns still name the whole path.
        trusted: the caller has checked the archive's hash, so a self-extracting archive that
            py7zr cannot read may be run on Windows.
        progress: called with the number of members unpacked so far and in all (None: unknown).

    Returns:
        The unpacked files relative to `target`, sorted. Folders are not listed.

    Raises:
        BuildError: the archive is damaged, hostile or of an unknown kind; a pattern matches
            nothing; nothing here can decompress it; the disk is full.
    """
    selection = Selection(archive.name, members, strip)
    with _explained(archive, target):
        kind = detect(archive)
        with made_whole(target) as partial:
            if kind == "7z":
                from tasks.archives import sevenzip  # it imports py7zr

                sevenzip.unpack_7z(archive, partial, selection, trusted, progress)
            elif kind == "zip":
                _unpack_zip(archive, partial, selection, progress)
            else:
                _unpack_tar(archive, kind, partial, selection, progress)
            files = selection.files()
            for link, original in selection.links():
                (partial / link).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(partial / original, partial / link)
    return files


def detect(archive: Path) -> Format:
    """The format of an archive, by its first bytes.

    Raises:
        BuildError: none that is known here.
    """
    with archive.open("rb") as file:
        head = file.read(_BLOCK)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    if not head:
        raise broken(archive, "it is empty")
    if head.lstrip().startswith(b"<"):
        raise broken(archive, "it is a web page, not an archive")
    raise broken(archive, f"it is no tar, zip or 7z; it starts with {head[:8]!r}")


def write_file(source: IO[bytes], path: Path, size: int) -> None:
    """Writes a member's content to a new file, and checks that it has the declared size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
        if file.tell() != size:
            raise EOFError(f"{path.name} has {file.tell()} bytes instead of {size}")


class _StrictTarInfo(tarfile.TarInfo):
    """Makes a damaged header an error: TarFile would take it for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictTarInfo":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == _BLOCK and not any(buf):
                raise  # the end-of-archive mark
            raise tarfile.ReadError(f"{error} where a member should start") from None


def _unpack_tar(
    archive: Path, kind: Format, folder: Path, selection: Selection, progress: ProgressCallback
) -> None:
    """One pass through the stream; what is not selected is skipped.

    Measured with OpenCV's 90 MB .tar.gz (8,586 members, 1,045 of them read): 1.0 s, half of
    it zlib's; tarfile's stream mode ("r|gz") takes as long.
    """
    done = 0
    with (
        _decompressed(archive, kind) as stream,
        tarfile.open(fileobj=stream, mode="r:", tarinfo=_StrictTarInfo, encoding="utf-8") as tar,
    ):
        for member in tar:
            relative = selection.destination(member.name, _tar_kind(member))
            if relative is None:
                continue
            path = folder / relative
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif member.issym() or member.islnk():
                selection.link(member.name, member.linkname, hard=member.islnk())
            else:
                write_file(cast(IO[bytes], tar.extractfile(member)), path, member.size)
                mark_executable(path, member.mode)
            done += 1
            progress(done, None)
        while stream.read(_CHUNK):  # to the end, where the compression's checksum is
            pass
    progress(done, done)


def _tar_kind(member: tarfile.TarInfo) -> Kind:
    if member.isdir():
        return "folder"
    if member.issym() or member.islnk():
        return "link"
    return "file" if member.isreg() else "special"


def _decompressed(archive: Path, kind: Format) -> IO[bytes]:
    if kind == "gzip":
        return cast(IO[bytes], gzip.open(archive))
    if kind == "bzip2":
        return cast(IO[bytes], bz2.open(archive))
    if kind == "xz":
        return cast(IO[bytes], lzma.open(archive))
    if kind == "zstd":
        try:
            zstd = importlib.import_module("compression.zstd")
        except ImportError:
            raise BuildError(
                f"{archive.name} is compressed with zstd, which Python reads from 3.14 on; "
                "use an archive in another format, or a newer Python"
            ) from None
        return cast(IO[bytes], zstd.open(archive))
    return archive.open("rb")


def _unpack_zip(
    archive: Path, folder: Path, selection: Selection, progress: ProgressCallback
) -> None:
    """All members are judged before the first is written. zipfile checks each CRC."""
    with zipfile.ZipFile(archive) as source:
        wanted: list[tuple[zipfile.ZipInfo, Path]] = []
        for info in source.infolist():
            relative = selection.destination(info.orig_filename, _zip_kind(info))
            if relative is not None:
                wanted.append((info, folder / relative))
        check_space(archive, folder, (info.file_size for info, _ in wanted))
        for done, (info, path) in enumerate(wanted, start=1):
            _unpack_zip_member(archive, source, info, path, selection)
            progress(done, len(wanted))


def _unpack_zip_member(
    archive: Path, source: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, selection: Selection
) -> None:
    kind = _zip_kind(info)
    if kind == "folder":
        path.mkdir(parents=True, exist_ok=True)
        return
    if info.flag_bits & 1:
        raise BuildError(f"{archive.name} is encrypted; use an archive without a password")
    try:
        content = source.open(info)
    except NotImplementedError as error:
        raise BuildError(
            f"{archive.name} cannot be unpacked by Python ({error}: {info.filename!r}); "
            "use an archive in another format"
        ) from None
    with content:
        if kind == "link":
            target = content.read(_LONGEST_LINK).decode("utf-8")
            selection.link(info.orig_filename, target)
        else:
            write_file(content, path, info.file_size)
            mark_executable(path, _zip_mode(info))


def _zip_mode(info: zipfile.ZipInfo) -> int:
    """The POSIX mode, 0 if the archive has none (APPNOTE 4.4.15: the upper half, on Unix)."""
    return info.external_attr >> 16


def _zip_kind(info: zipfile.ZipInfo) -> Kind:
    mode = stat.S_IFMT(_zip_mode(info))
    if info.orig_filename.endswith(("/", "\\")):
        return "folder"
    if mode == stat.S_IFLNK:
        return "link"
    return "file" if mode in (0, stat.S_IFREG) else "special"


@contextmanager
def _explained(archive: Path, folder: Path) -> Iterator[None]:
    """Turns what damaged archives and full disks raise into one line."""
    try:
        yield
    except _DAMAGE as error:
        raise broken(archive, error) from error
    except OSError as error:
        # gzip and bz2 report damaged data without a number; a zip that names a place before its
        # beginning is one in which zipfile cannot seek.
        if error.errno is None or (error.errno == errno.EINVAL and error.filename is None):
            raise broken(archive, error) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BuildError(
                f"the disk is full: {archive.name} does not fit into {folder.parent}; "
                "make room there and run again"
            ) from error
        raise BuildError(
            f"cannot unpack {archive.name} into {folder.parent}: {system_message(error)}"
        ) from error
