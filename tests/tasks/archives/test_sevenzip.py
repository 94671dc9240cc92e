"""tasks.archives.sevenzip and tasks.archives.unpackers, through tasks.archives.archive.unpack.

data/bcj2.7z (530 bytes) has what py7zr cannot read and cannot write; made with 7-Zip 26.02:

    7zz a -m0=BCJ2 -m1=LZMA -m2=LZMA -m3=LZMA -mb0:1 -mb0s1:2 -mb0s2:3 bcj2.7z branches.bin
    7zz a -m0=LZMA bcj2.7z notes.txt

branches.bin is `BRANCHES` below: x86 calls, which BCJ2 rewrites; notes.txt is in another block.
"""

import importlib.util
import os
import random
import shutil
import stat
import struct
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
from support import ROOT

from tasks.archives import unpackers
from tasks.archives.archive import unpack
from tasks.archives.sevenzip import SIGNATURE, find_payload
from tasks.core.errors import BuildError

DATA = ROOT / "tests" / "data"
FILES = {
    "pkg/build/include/a.h": b"// a\n",
    "pkg/build/x64/vc15/bin/world.dll": bytes(range(256)) * 2_000,
    "pkg/sources/main.c": b"int main;\n" * 5_000,
    "pkg/empty": b"",
}
BRANCHES = b"".join(
    b"\xe8" + struct.pack("<L", 0x1000 - 9 * number) + b"\x90\x55\x8b\xec" for number in range(200)
)
NOTES = b"plain text\n" * 10

seven_zip = next(filter(None, map(shutil.which, ("7zz", "7z", "7za"))), None)
needs_7zip = pytest.mark.skipif(seven_zip is None, reason="no 7-Zip here: apt install 7zip")
posix_only = pytest.mark.skipif(os.name == "nt", reason="needs POSIX links and modes")


def make_7z(path: Path, files: dict[str, bytes], **options: object) -> Path:
    with py7zr.SevenZipFile(path, "w", **options) as target:  # type: ignore[arg-type]
        for name, content in files.items():
            target.writestr(content, name)
    return path


def rename_member(path: Path, old: str, new: str) -> Path:
    """Gives a member another name of the same length; py7zr would not write a hostile one.

    The archive must have a plain header, where names are UTF-16 and the CRCs can be set right.
    """
    content = bytearray(path.read_bytes())
    at = content.index(old.encode("utf-16-le"))
    content[at : at + 2 * len(old)] = new.encode("utf-16-le")
    offset, size = struct.unpack_from("<QQ", content, 12)
    header = bytes(content[32 + offset : 32 + offset + size])
    struct.pack_into("<L", content, 28, zlib.crc32(header))
    struct.pack_into("<L", content, 8, zlib.crc32(bytes(content[12:32])))
    path.write_bytes(content)
    return path


def plain_header_7z(path: Path, files: dict[str, bytes]) -> Path:
    with py7zr.SevenZipFile(path, "w") as target:
        target.set_encoded_header_mode(False)
        for name, content in files.items():
            target.writestr(content, name)
    return path


@pytest.fixture(scope="session")
def stub() -> bytes:
    """A real Windows program without a payload: a launcher from setuptools or pip."""
    for package, name in (("setuptools", "cli-64.exe"), ("pip", "_vendor/distlib/t64.exe")):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin and (program := Path(spec.origin).parent / name).is_file():
            return program.read_bytes()
    pytest.skip("neither setuptools nor pip brings its Windows launcher here")


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without any unpacking program."""
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)


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


def test_a_7z_is_unpacked(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    start = time.time()
    unpacked = unpack(
        make_7z(tmp_path / "download", FILES),
        tmp_path / "out",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert tree(tmp_path / "out") == FILES
    assert unpacked == sorted(Path(name) for name in FILES)
    assert seen == [(number, 4) for number in (1, 2, 3, 4)]
    assert all((tmp_path / "out" / name).stat().st_mtime > start - 5 for name in FILES)


def test_only_the_selected_members_of_a_7z_are_unpacked(tmp_path: Path) -> None:
    source = make_7z(tmp_path / "x.7z", FILES)
    unpack(source, tmp_path / "out", members=["pkg/build/*/vc15"], strip="pkg/build")
    assert sorted(tree(tmp_path / "out")) == ["x64/vc15/bin/world.dll"]
    refused(source, tmp_path, "'pkg/build/x64/vc14'.*similar.*vc15", members=["pkg/build/x64/vc14"])


def test_a_7z_ignores_links_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_7z(tmp_path / "x.7z", FILES)
    (tmp_path / "here").mkdir()
    if os.name != "nt":
        (tmp_path / "here" / "pkg").symlink_to("/")
    monkeypatch.chdir(tmp_path / "here")
    unpack(source, Path("out"))
    assert tree(tmp_path / "here" / "out") == FILES


def test_a_self_extracting_archive_is_opened_behind_its_program(
    stub: bytes, tmp_path: Path
) -> None:
    payload = make_7z(tmp_path / "payload", FILES).read_bytes()
    source = tmp_path / "setup.exe"
    source.write_bytes(stub + payload)
    assert find_payload(source) == (len(stub), len(payload))
    unpack(source, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_settings_before_and_a_signature_after_the_payload_do_not_matter(
    stub: bytes, tmp_path: Path
) -> None:
    payload = make_7z(tmp_path / "payload", FILES).read_bytes()
    settings = b';!@Install@!UTF-8!\nTitle="x"\n;!@InstallEnd@!'
    source = tmp_path / "setup.exe"
    source.write_bytes(stub + settings + payload + b"certificate" * 500)
    assert find_payload(source) == (len(stub + settings), len(payload))
    unpack(source, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_signatures_in_and_behind_the_program_do_not_fool(stub: bytes, tmp_path: Path) -> None:
    payload = make_7z(tmp_path / "payload", FILES).read_bytes()
    decoy = make_7z(tmp_path / "decoy", {"decoy": b""}).read_bytes()
    # In the program: bare, and a complete archive. Behind it: bare, in front of the real one.
    program = stub[:4096] + SIGNATURE + stub[4102:]
    program = program[:8192] + decoy + program[8192 + len(decoy) :]
    assert len(program) == len(stub)
    source = tmp_path / "setup.exe"
    source.write_bytes(program + SIGNATURE + bytes(100) + SIGNATURE + payload)
    assert find_payload(source)[0] == len(stub) + 6 + 100 + 6
    unpack(source, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


def test_a_program_without_a_payload_is_said_so(stub: bytes, tmp_path: Path) -> None:
    (tmp_path / "setup.exe").write_bytes(stub)
    refused(tmp_path / "setup.exe", tmp_path, "holds no intact 7z archive")
    (tmp_path / "setup.exe").write_bytes(b"MZ" + SIGNATURE)
    refused(tmp_path / "setup.exe", tmp_path, "holds no intact 7z archive")


def test_every_truncation_of_a_7z_is_found(stub: bytes, tmp_path: Path) -> None:
    payload = make_7z(tmp_path / "payload", FILES).read_bytes()
    for prefix in (b"", stub):
        whole = prefix + payload
        source = tmp_path / "download"
        for kept in {*range(7, len(payload), len(payload) // 40), 31, 32, len(payload) - 1}:
            source.write_bytes(whole[: len(prefix) + kept])
            refused(source, tmp_path, "bytes are missing" if kept > 31 else "is broken")


def test_damaged_bytes_never_end_in_a_traceback_or_in_wrong_content(tmp_path: Path) -> None:
    source = make_7z(tmp_path / "x.7z", FILES)
    whole = source.read_bytes()
    chance = random.Random(7)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(2):
            damaged[chance.randrange(len(damaged))] ^= chance.randrange(1, 256)
        source.write_bytes(damaged)
        try:
            unpack(source, tmp_path / "out")
        except BuildError as error:
            assert "\n" not in error.message
        else:
            # The 7z format's version number is the one thing that no checksum covers.
            assert tree(tmp_path / "out") == FILES


@pytest.mark.parametrize("encrypt_header", [False, True])
def test_an_encrypted_7z_is_explained(encrypt_header: bool, tmp_path: Path) -> None:
    source = make_7z(tmp_path / "x.7z", FILES, password="secret", header_encryption=encrypt_header)
    refused(source, tmp_path, "is encrypted")


@pytest.mark.parametrize("name", ["../evil", "/ab/evil", "C:/evil", r"..\evil", r"\ab\evil"])
def test_a_7z_member_that_leaves_the_folder_condemns_the_archive(name: str, tmp_path: Path) -> None:
    innocent = "x" * len(name)
    source = plain_header_7z(tmp_path / "x.7z", {"good": b"good", innocent: b"evil"})
    unpack(source, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    rename_member(source, innocent, name)
    refused(source, tmp_path, "is refused: its member")
    refused(source, tmp_path, "is refused: its member", members=["good"])


def test_7z_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    source = make_7z(tmp_path / "x.7z", {"README": b"one", "readme": b"two"})
    refused(source, tmp_path, "are one file on Windows")
    assert unpack(source, tmp_path / "out", members=["readme"]) == [Path("readme")]
    assert tree(tmp_path / "out") == {"readme": b"two"}


@posix_only
def test_links_in_a_7z_become_copies(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "tool").write_text("tool")
    (tmp_path / "in" / "tool").chmod(0o755)
    (tmp_path / "in" / "plain").write_text("plain")
    (tmp_path / "in" / "plain").chmod(0o400)
    (tmp_path / "in" / "link").symlink_to("tool")
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as target:
        target.writeall(tmp_path / "in", "pkg")
    unpack(tmp_path / "x.7z", tmp_path / "out")
    made = tmp_path / "out" / "pkg"
    assert tree(made) == {"tool": b"tool", "link": b"tool", "plain": b"plain"}
    assert not (made / "link").is_symlink()
    assert os.access(made / "link", os.X_OK)
    assert os.access(made / "tool", os.X_OK)
    assert (made / "plain").stat().st_mode & 0o333 == stat.S_IWUSR


@posix_only
@pytest.mark.parametrize("target", ["/etc/passwd", "../../evil"])
def test_a_7z_link_that_points_out_is_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "evil").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "link").symlink_to(target)
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as archive:
        archive.write(tmp_path / "a" / "b" / "link", "pkg/link")
    refused(tmp_path / "x.7z", tmp_path, "is a link to")


def test_an_empty_7z_gives_an_empty_folder(tmp_path: Path) -> None:
    assert unpack(make_7z(tmp_path / "x.7z", {}), tmp_path / "out") == []
    assert (tmp_path / "out").is_dir()


def test_a_7z_that_does_not_fit_on_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    refused(make_7z(tmp_path / "x.7z", FILES), tmp_path, "only 0 MB are free")


# --- filters that py7zr lacks ---------------------------------------------------------------


@pytest.mark.usefixtures("no_programs")
@pytest.mark.parametrize("members", [[], ["notes.txt"]])
def test_without_a_program_a_bcj2_archive_is_explained(members: list[str], tmp_path: Path) -> None:
    source = shutil.copy(DATA / "bcj2.7z", tmp_path)
    refused(Path(source), tmp_path, "install 7-Zip.*winget install", members=members)


@needs_7zip
@pytest.mark.parametrize("self_extracting", [False, True])
def test_7zip_unpacks_a_bcj2_archive(self_extracting: bool, stub: bytes, tmp_path: Path) -> None:
    source = tmp_path / "download"
    source.write_bytes(stub * self_extracting + (DATA / "bcj2.7z").read_bytes())
    start = time.time()
    unpacked = unpack(source, tmp_path / "out", trusted=True)
    assert tree(tmp_path / "out") == {"branches.bin": BRANCHES, "notes.txt": NOTES}
    assert unpacked == [Path("branches.bin"), Path("notes.txt")]
    assert (tmp_path / "out" / "notes.txt").stat().st_mtime > start - 5
    unpack(source, tmp_path / "out", members=["branches.bin"])
    assert tree(tmp_path / "out") == {"branches.bin": BRANCHES}


@pytest.mark.skipif(
    not shutil.which("bsdtar"), reason="no bsdtar here: apt install libarchive-tools"
)
@pytest.mark.parametrize("self_extracting", [False, True])
def test_a_program_that_fails_is_followed_by_bsdtar(
    self_extracting: bool, stub: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = shutil.which
    broken = shutil.which("false") or "missing"
    monkeypatch.setattr(
        shutil,
        "which",
        lambda name, **_: broken if name == "7zz" else find(name) if name == "bsdtar" else None,
    )
    source = tmp_path / "download"
    source.write_bytes(stub * self_extracting + (DATA / "bcj2.7z").read_bytes())
    unpack(source, tmp_path / "out")
    assert tree(tmp_path / "out") == {"branches.bin": BRANCHES, "notes.txt": NOTES}


@posix_only
def test_each_program_that_failed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = tmp_path / "fails"
    fails.write_text("#!/bin/sh\necho progress; echo LZMA codec is unsupported >&2; exit 3\n")
    fails.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, **_: str(fails) if name == "7za" else None)
    source = Path(shutil.copy(DATA / "bcj2.7z", tmp_path))
    refused(source, tmp_path, r"tried 7za: exit status 3, LZMA codec is unsupported\): install")


@posix_only
@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("ln -s /etc/passwd $out/notes.txt", "neither a file nor a folder"),
        ("mkfifo $out/pipe", "neither a file nor a folder"),
        ("echo short > $out/notes.txt", "was not unpacked completely"),
    ],
)
def test_what_a_program_made_is_checked(
    script: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nout="${{4#-o}}"\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, **_: str(program) if name == "7zz" else None)
    source = Path(shutil.copy(DATA / "bcj2.7z", tmp_path))
    refused(source, tmp_path, text)


@needs_7zip
@posix_only
def test_an_archive_with_links_is_not_given_to_a_program(tmp_path: Path) -> None:
    (tmp_path / "branches.bin").write_bytes(BRANCHES)
    (tmp_path / "link").symlink_to("/etc/passwd")
    filters = ["-m0=BCJ2", "-m1=LZMA", "-m2=LZMA", "-m3=LZMA"]
    bindings = ["-mb0:1", "-mb0s1:2", "-mb0s2:3"]
    subprocess.run(
        [str(seven_zip), "a", "-snl", *filters, *bindings, "x.7z", "branches.bin", "link"],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    refused(tmp_path / "x.7z", tmp_path, "no archive that holds links")


@posix_only
def test_the_modes_and_times_that_a_program_sets_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "branches.bin").write_bytes(BRANCHES)
    (tmp_path / "notes.txt").write_bytes(NOTES)
    program = tmp_path / "program"
    program.write_text(
        f'#!/bin/sh\ncd "${{4#-o}}"\ncp {tmp_path}/*.bin {tmp_path}/*.txt .\n'
        "chmod 4555 notes.txt\ntouch -d 2001-09-09 notes.txt\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, **_: str(program) if name == "7zz" else None)
    start = time.time()
    unpack(DATA / "bcj2.7z", tmp_path / "out")
    status = (tmp_path / "out" / "notes.txt").stat()
    assert stat.S_IMODE(status.st_mode) == 0o644
    assert status.st_mtime > start - 5


@pytest.mark.parametrize(
    ("on_windows", "trusted", "is_run"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_a_self_extracting_archive_is_run_on_windows_only_and_if_trusted(
    on_windows: bool,
    trusted: bool,
    is_run: bool,
    stub: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands: list[list[str]] = []

    def record(command: list[str]) -> str:
        commands.append(command)
        return "does not run in this test"

    monkeypatch.setattr(unpackers, "ON_WINDOWS", on_windows)
    monkeypatch.setattr(unpackers, "run_program", record)
    source = tmp_path / "setup.exe"
    source.write_bytes(stub + (DATA / "bcj2.7z").read_bytes())
    refused(source, tmp_path, "install 7-Zip", trusted=trusted)
    assert (str(source) in [command[0] for command in commands]) is is_run
    if is_run:
        assert commands[0][1] == "-y"
        assert commands[0][2].startswith("-o")


def test_on_windows_the_archive_itself_comes_first_and_its_own_tar_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs: Callable[..., object] = unpackers._programs
    monkeypatch.setattr(unpackers, "ON_WINDOWS", True)
    monkeypatch.setattr(shutil, "which", lambda name, **_: str(name))
    archive, output, program = tmp_path / "payload.7z", tmp_path / "out", tmp_path / "setup.exe"
    commands = list(programs(archive, output, program))  # type: ignore[call-overload]
    assert commands[0] == ("setup.exe", [str(program), "-y", f"-o{output}"])
    assert [name for name, _ in commands[1:4]] == ["7zz", "7z", "7za"]
    assert "System32" in commands[-1][1][0]
    untrusted = list(programs(archive, output, None))  # type: ignore[call-overload]
    assert untrusted == commands[1:]
