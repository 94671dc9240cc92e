"""Tar and zip, with archives that are made here; 7z is in test_sevenzip.py."""

import errno
import io
import os
import random
import shutil
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import ROOT

from tasks.archives import members as members_module
from tasks.archives.archive import unpack
from tasks.core.errors import BuildError

FILES = {
    "pkg/README": b"read me\n",
    "pkg/include/a.h": b"// a\n",
    "pkg/include/sub/b.h": b"// b\n",
    "pkg/src/main.c": b"int main;\n" * 20_000,
    "pkg/empty": b"",
}


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mtime = 1_000_000_000
            tar.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            info = zipfile.ZipInfo("placeholder", (2001, 9, 9, 0, 0, 0))
            info.filename = info.orig_filename = name  # as it is: no tidying of backslashes
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, content)
    return path


def tar_member(path: Path, info: tarfile.TarInfo, files: dict[str, bytes] | None = None) -> Path:
    """A tar of some files, then one member of any type."""
    with tarfile.open(path, "w") as tar:
        for name, content in (files or {}).items():
            plain = tarfile.TarInfo(name)
            plain.size = len(content)
            tar.addfile(plain, io.BytesIO(content))
        tar.addfile(info)
    return path


def tar_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_special(path: Path, name: str, content: str, kind: int) -> Path:
    """A zip with two files, and one member whose Unix mode says that it is not a file."""
    make_zip(path, {"a/file": b"content", "a/other": b"other"})
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(path, "a") as target:
        target.writestr(info, content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(source: Path, tmp_path: Path, text: str, **options: object) -> None:
    """The archive is refused in one line, and nothing is left of it, inside or outside."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BuildError, match=text) as caught:
        unpack(source, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert "\n" not in caught.value.message
    assert source.name in caught.value.message
    assert sorted(tmp_path.rglob("*")) == before


MAKERS: dict[str, Callable[[Path], Path]] = {
    "tar": lambda path: make_tar(path, FILES, "w"),
    "gzip": lambda path: make_tar(path, FILES, "w:gz"),
    "bzip2": lambda path: make_tar(path, FILES, "w:bz2"),
    "xz": lambda path: make_tar(path, FILES, "w:xz"),
    "zip": lambda path: make_zip(path, FILES),
}


@pytest.fixture(params=MAKERS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One archive of each format, with a name that says nothing about it."""
    return MAKERS[request.param](tmp_path / "download")


def test_every_format_is_told_by_its_content(source: Path, tmp_path: Path) -> None:
    unpacked = unpack(source, tmp_path / "deep" / "out")
    assert tree(tmp_path / "deep" / "out") == FILES
    assert unpacked == sorted(Path(name) for name in FILES)
    assert not (tmp_path / "deep" / "out.tmp").exists()


def test_only_the_selected_members_are_unpacked(source: Path, tmp_path: Path) -> None:
    unpacked = unpack(source, tmp_path / "out", members=["pkg/include", "*/empty"])
    assert [path.as_posix() for path in unpacked] == [
        "pkg/empty",
        "pkg/include/a.h",
        "pkg/include/sub/b.h",
    ]
    assert sorted(tree(tmp_path / "out")) == [path.as_posix() for path in unpacked]


def test_a_stripped_folder_becomes_the_root(source: Path, tmp_path: Path) -> None:
    unpack(source, tmp_path / "out", members=["pkg/include/**/*.h", "pkg/README"], strip="pkg")
    assert sorted(tree(tmp_path / "out")) == ["README", "include/a.h", "include/sub/b.h"]
    unpack(source, tmp_path / "out", strip="pkg/include/")
    assert sorted(tree(tmp_path / "out")) == ["a.h", "sub/b.h"]


def test_a_pattern_that_matches_nothing_is_named_with_similar_members(
    source: Path, tmp_path: Path
) -> None:
    refused(source, tmp_path, "'pkg/inclde'.*similar: pkg/include", members=["pkg", "pkg/inclde"])
    refused(source, tmp_path, "'pkg/readme'.*pkg/README", members=["pkg/readme"])
    refused(source, tmp_path, "'sub/b.h'.*pkg/include/sub/b.h", members=["sub/b.h"])
    refused(source, tmp_path, "no folder 'pgk/'.*similar: pkg", strip="pgk")


def test_files_are_as_old_as_their_unpacking(source: Path, tmp_path: Path) -> None:
    start = time.time()
    unpack(source, tmp_path / "out")
    for name in FILES:
        assert (tmp_path / "out" / name).stat().st_mtime > start - 5


def test_progress_counts_members_and_ends_with_the_total(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    unpack(source, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert seen[0][0] == 1
    assert seen[-1] == (len(FILES), len(FILES))


def test_a_former_target_and_the_rest_of_a_killed_run_are_replaced(
    source: Path, tmp_path: Path
) -> None:
    for folder in ("out", "out.tmp"):
        (tmp_path / folder / "pkg").mkdir(parents=True)
        (tmp_path / folder / "pkg" / "stale").write_text("old")
    unpack(source, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_a_failure_leaves_the_former_target_alone(source: Path, tmp_path: Path) -> None:
    unpack(source, tmp_path / "out")
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    refused(source, tmp_path, "is broken")
    assert tree(tmp_path / "out") == FILES


def test_a_run_killed_while_it_unpacks_leaves_no_target(tmp_path: Path) -> None:
    make_tar(tmp_path / "x.tar.gz", {f"pkg/{number}": b"x" for number in range(50)})
    script = (
        "import os, sys; from pathlib import Path; from tasks.archives.archive import unpack\n"
        "def progress(done, total):\n"
        "    if done == 25: os._exit(9)\n"
        "unpack(Path('x.tar.gz'), Path('out'), progress=progress)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=False)
    assert run.returncode == 9
    assert not (tmp_path / "out").exists()
    assert len(tree(tmp_path / "out.tmp")) == 25
    unpack(tmp_path / "x.tar.gz", tmp_path / "out")
    assert len(tree(tmp_path / "out")) == 50
    assert not (tmp_path / "out.tmp").exists()


def test_every_truncation_is_found(source: Path, tmp_path: Path) -> None:
    whole = source.read_bytes()
    # A plain tar ends with up to 10 KB of padding that holds nothing; the rest must be there.
    content = len(whole.rstrip(b"\0")) if whole[257:262] == b"ustar" else len(whole)
    steps = {*range(1, content, max(1, content // 60)), 512, 1024, content - 1}
    for length in sorted(step for step in steps if step < content):
        source.write_bytes(whole[:length])
        refused(source, tmp_path, "is broken")


def test_damaged_bytes_never_end_in_a_traceback_or_in_wrong_content(
    source: Path, tmp_path: Path
) -> None:
    whole = source.read_bytes()
    chance = random.Random(7)
    refusals = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] ^= chance.randrange(1, 256)
        source.write_bytes(damaged)
        try:
            unpack(source, tmp_path / "out")
        except BuildError:
            refusals += 1
    # A plain tar has no checksum over content; the compressed formats and zip have.
    assert refusals > 40 or whole[257:262] == b"ustar"


def test_a_tar_with_garbage_between_members_does_not_just_end_there(tmp_path: Path) -> None:
    source = make_tar(tmp_path / "x.tar", FILES, "w")
    content = bytearray(source.read_bytes())
    content[1024:1536] = b"\xff" * 512  # the second member's header
    source.write_bytes(content)
    refused(source, tmp_path, "where a member should start")


def test_a_zip_member_with_a_wrong_crc_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "x.zip"
    with zipfile.ZipFile(source, "w") as target:
        target.writestr("file", b"the content")
    source.write_bytes(source.read_bytes().replace(b"the content", b"The content"))
    refused(source, tmp_path, "is broken.*CRC")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"\x89PNG\r\n\x1a\n", "no tar, zip or 7z"),
    ],
)
def test_what_is_no_archive_is_said_so(content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    refused(tmp_path / "x.zip", tmp_path, text)


def test_a_missing_archive_is_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "gone.zip", tmp_path, "No such file")


def test_zstd_is_unpacked_or_explained(tmp_path: Path) -> None:
    source = tmp_path / "x.tar.zst"
    if sys.version_info >= (3, 14):
        make_tar(source, FILES, "w:zst")
        unpack(source, tmp_path / "out")
        assert tree(tmp_path / "out") == FILES
    else:
        source.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
        refused(source, tmp_path, "zstd, which Python reads from 3.14 on")


HOSTILE_NAMES = ["../evil", "a/../../evil", "/evil", "C:/evil", "C:evil", "//host/share/evil"]
BACKSLASHED = [r"..\evil", r"a\..\..\evil", r"\evil", r"C:\evil", r"\\host\share\evil"]


@pytest.mark.parametrize("name", HOSTILE_NAMES + BACKSLASHED)
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_a_member_that_leaves_the_folder_condemns_the_archive(
    name: str, make: Callable[[Path, dict[str, bytes]], Path], tmp_path: Path
) -> None:
    source = make(tmp_path / "evil.bin", {"good": b"good", name: b"evil"})
    refused(source, tmp_path, "is refused: its member")
    refused(source, tmp_path, "is refused: its member", members=["good"])


def test_a_zip_name_with_a_null_byte_is_refused_not_cut_off(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "x.zip", {"a.txt\0.exe": b""}), tmp_path, "null byte")


def test_backslashes_separate_folders_on_every_host(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "x.zip", {r"pkg\include\a.h": b"// a", "pkg\\lib\\": b""})
    assert unpack(source, tmp_path / "out", members=["pkg/include"]) == [Path("pkg/include/a.h")]


@pytest.mark.parametrize("target", ["../../evil", "/etc/passwd", r"..\..\evil", "C:/x"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_tar_link_that_points_out_is_refused(target: str, kind: bytes, tmp_path: Path) -> None:
    source = tar_member(tmp_path / "x.tar", tar_link("a/link", target, kind), {"a/file": b""})
    refused(source, tmp_path, "link")


def test_a_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    source = tmp_path / "x.tar"
    with tarfile.open(source, "w") as tar:
        tar.addfile(tar_link("a", str(tmp_path / "outside")))
        tar.addfile(tarfile.TarInfo("a/evil"))
    refused(source, tmp_path, "is refused")
    with tarfile.open(source, "w") as tar:
        tar.addfile(tar_link("a", "outside"))
        tar.addfile(tarfile.TarInfo("a/evil"))
    refused(source, tmp_path, "are one file")


@pytest.mark.parametrize("target", ["../../evil", "/etc/passwd", r"..\..\evil"])
def test_a_zip_link_that_points_out_is_refused(target: str, tmp_path: Path) -> None:
    source = zip_special(tmp_path / "x.zip", "a/link", target, stat.S_IFLNK)
    refused(source, tmp_path, "is a link to")


def test_links_inside_become_copies(tmp_path: Path) -> None:
    source = tmp_path / "x.tar"
    executable = tarfile.TarInfo("bin/tool")
    executable.size, executable.mode = 4, 0o755
    with tarfile.open(source, "w") as tar:
        tar.addfile(tar_link("lib/first", "second"))  # before what it points to
        tar.addfile(tar_link("lib/second", "../bin/tool"))
        tar.addfile(executable, io.BytesIO(b"tool"))
        tar.addfile(tar_link("hard", "bin/tool", tarfile.LNKTYPE))
    unpacked = unpack(source, tmp_path / "out")
    assert [path.as_posix() for path in unpacked] == ["bin/tool", "hard", "lib/first", "lib/second"]
    for path in unpacked:
        made = tmp_path / "out" / path
        assert made.read_bytes() == b"tool"
        assert not made.is_symlink()
        assert made.stat().st_nlink == 1
        assert os.name == "nt" or os.access(made, os.X_OK)


def test_a_zip_link_inside_becomes_a_copy(tmp_path: Path) -> None:
    source = zip_special(tmp_path / "x.zip", "b/link", "../a/file", stat.S_IFLNK)
    unpack(source, tmp_path / "out")
    assert (tmp_path / "out/b/link").read_bytes() == b"content"
    assert not (tmp_path / "out/b/link").is_symlink()


def test_a_link_to_what_is_not_unpacked_is_refused_only_if_selected(tmp_path: Path) -> None:
    source = tar_member(tmp_path / "x.tar", tar_link("a/link", "../b/file"), {"b/file": b"b"})
    refused(source, tmp_path, "cannot become a copy, because 'b/file'", members=["a"])
    assert unpack(source, tmp_path / "out", members=["b"]) == [Path("b/file")]


def test_a_link_to_a_folder_or_in_a_circle_is_refused(tmp_path: Path) -> None:
    folder = tar_member(tmp_path / "x.tar", tar_link("link", "b"), {"b/file": b"b"})
    refused(folder, tmp_path, "because 'b' is a folder")
    with tarfile.open(tmp_path / "y.tar", "w") as tar:
        tar.addfile(tar_link("one", "two"))
        tar.addfile(tar_link("two", "one"))
    refused(tmp_path / "y.tar", tmp_path, "circle")


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_and_pipes_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    info = tarfile.TarInfo("thing")
    info.type = kind
    source = tar_member(tmp_path / "x.tar", info, {"file": b""})
    refused(source, tmp_path, "is a device, pipe")
    assert unpack(source, tmp_path / "out", members=["file"]) == [Path("file")]


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_devices_and_pipes_in_a_zip_are_refused(kind: int, tmp_path: Path) -> None:
    refused(zip_special(tmp_path / "x.zip", "thing", "", kind), tmp_path, "is a device, pipe")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_names_that_differ_only_in_case_are_refused_where_both_are_selected(
    make: Callable[[Path, dict[str, bytes]], Path], tmp_path: Path
) -> None:
    source = make(tmp_path / "x.bin", {"a/README": b"one", "a/readme": b"two"})
    refused(source, tmp_path, "'a/README' and 'a/readme' are one file on Windows")
    assert unpack(source, tmp_path / "out", members=["a/readme"]) == [Path("a/readme")]


@pytest.mark.parametrize("name", ["aux.c", "a/NUL", "name.", "file:stream"])
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_names_that_windows_cannot_store_are_refused_there(
    make: Callable[[Path, dict[str, bytes]], Path],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = make(tmp_path / "x.bin", {"good": b"good", name: b""})
    monkeypatch.setattr(members_module, "ON_WINDOWS", True)
    refused(source, tmp_path, "[wW]indows")
    assert unpack(source, tmp_path / "out", members=["good"]) == [Path("good")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no execute bit")
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_the_execute_bit_is_kept_and_no_other_mode(kind: str, tmp_path: Path) -> None:
    for name, mode in (("tool", 0o755), ("plain", 0o400), ("setuid", 0o4755)):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(mode)
    source = tmp_path / f"x.{kind}"
    if kind == "tar":
        with tarfile.open(source, "w") as tar:
            for name in ("tool", "plain", "setuid"):
                tar.add(tmp_path / name, name)
    else:
        with zipfile.ZipFile(source, "w") as target:
            for name in ("tool", "plain", "setuid"):
                target.write(tmp_path / name, name)
    unpack(source, tmp_path / "out")
    modes = {name: (tmp_path / "out" / name).stat().st_mode for name in ("tool", "plain", "setuid")}
    assert modes["tool"] & 0o111 == 0o111
    assert modes["plain"] & 0o333 == 0o200  # the owner may change it, nobody may run it
    assert not modes["setuid"] & stat.S_ISUID


def test_an_encrypted_zip_is_explained(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "x.zip", {"secret": b"text"})
    content = bytearray(source.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the "encrypted" flag
    content[6] |= 1
    source.write_bytes(content)
    refused(source, tmp_path, "is encrypted")


def test_a_zip_bomb_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "x.zip", {"zeros": b"\0" * 1000, "file": b"file"})
    content = bytearray(source.read_bytes())
    at = content.index(b"PK\x01\x02") + 24  # the declared size, in the central directory
    content[at : at + 4] = (0xFFFFFFFE).to_bytes(4, "little")
    source.write_bytes(content)
    free = shutil.disk_usage(tmp_path).free
    refused(source, tmp_path, "4,295 MB" if free < 0xFFFFFFFE else "is broken")


def test_a_zip_that_unpacks_to_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "x.zip", {"zeros": b"\0" * 5_000_000})
    content = bytearray(source.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (100).to_bytes(4, "little")
    source.write_bytes(content)
    refused(source, tmp_path, "is broken")


def test_what_does_not_fit_on_the_disk_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_zip(tmp_path / "x.zip", FILES)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    refused(source, tmp_path, "only 0 MB are free")


def test_a_full_disk_is_one_line_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = make_tar(tmp_path / "x.tar.gz", FILES)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    refused(source, tmp_path, f"the disk is full.*{tmp_path.name}")
