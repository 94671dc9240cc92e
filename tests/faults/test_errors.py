"""Whatever the system, a file or a setting is like: one line that says what to do."""

import errno
import io
import os
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile
from pathlib import Path

import doit.doit_cmd
import pytest

from tasks import commands, source
from tasks.archives import archive
from tasks.core import config_file, files, manifest, paths, urls, user_file, yaml_data
from tasks.core import project as projects
from tasks.core.errors import BuildError, ConfigError, system_message

posix = pytest.mark.skipif(os.name == "nt", reason="of POSIX systems")
as_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="mounts a small disk, which needs root"
)


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line of a command that could not do its work."""
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    [line] = (done.stdout + done.stderr).strip().splitlines()[-1:]
    assert done.returncode not in (0, -11)
    return line


def mounted(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["mount", *arguments, str(folder)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.decode()}")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 100 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted(folder, "-t", "tmpfs", "-o", "size=100k", "tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@as_root
def test_a_disk_that_is_full_while_a_tree_is_copied_is_one_line_and_leaves_nothing(
    small_disk, tmp_path, job
):
    tree = tmp_path / "tree"
    tree.mkdir()
    for i in range(4):
        (tree / f"f{i}").write_bytes(b"x" * 50_000)
    with pytest.raises(OSError) as caught:
        source.patched_tree(tree, [], small_disk / "copy", job)
    said = system_message(caught.value)
    assert said.startswith("No space left on device (") and said.endswith("make room on that disk")
    assert list(small_disk.iterdir()) == []


@as_root
def test_a_clone_on_a_disk_that_cannot_be_written_answers_questions(copy):
    clone = copy()
    mounted(clone.folder, "--bind", str(clone.folder))
    try:
        mounted(clone.folder, "-o", "remount,ro,bind")
        assert clone.doit("list").returncode == 0
        asked = clone.doit("info", "libs:thing")
        assert "status" in asked.stdout and asked.stderr == "", asked.stdout + asked.stderr
        assert clone.doit("triage", "--log", "-", input="all is well").returncode == 0
        assert "nothing can be built here" in one_line(clone.doit("libs"))
    finally:
        subprocess.run(["umount", str(clone.folder)], check=True)


@pytest.mark.parametrize(
    "kind", ["file", pytest.param("link", marks=[pytest.mark.integration, posix])]
)
def test_something_else_in_place_of_the_build_folder_is_named(built, copy, kind):
    clone = copy()
    shutil.rmtree(clone.folder / "build")
    if kind == "file":
        (clone.folder / "build").touch()
    else:
        (clone.folder / "build").symlink_to(clone.folder / "nowhere" / "x")
    assert clone.doit("list").returncode == 0
    line = one_line(clone.doit("prereqs"))
    assert "nothing can be built here" in line and "build" in line


@pytest.mark.parametrize("content", [b"garbage" * 1000, None])
def test_a_damaged_database_costs_nothing(copy, content):
    clone = copy()
    path = clone.build / ".doit.db"
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    unpacked = clone.build / "extracted" / "thing" / "bin" / "thing.dll"
    before = unpacked.stat().st_ino
    done = clone.doit("libs:thing")
    assert done.returncode == 0, done.stderr
    assert unpacked.stat().st_ino == before  # nothing was unpacked again


def test_a_folder_in_place_of_a_file_is_named(copy):
    clone = copy()
    (clone.build / ".doit.db").unlink()
    (clone.build / ".doit.db").mkdir()
    assert ".doit.db is a folder" in one_line(clone.doit("list"))
    (clone.build / ".doit.db").rmdir()
    (clone.build / ".lock").unlink(missing_ok=True)
    (clone.build / ".lock").mkdir()
    assert ".lock is a folder; remove it" in one_line(clone.doit("libs"))


def test_a_database_that_cannot_be_written_is_told_at_the_end(capsys):
    def close():
        raise sqlite3.OperationalError("database or disk is full")

    commands._close(close)
    assert "database or disk is full" in capsys.readouterr().err


@posix
def test_output_that_goes_nowhere_ends_a_run_in_one_line(built, tmp_path):
    closed = built.doit("list", preexec_fn=lambda: os.close(1), stdout=None, stderr=subprocess.PIPE,
                        capture_output=False)  # fmt: skip
    assert closed.returncode == 0 and closed.stderr == ""
    with Path("/dev/full").open("w") as full:
        done = built.doit("list", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "ERROR: what is printed cannot be written: No space left on device"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = built.doit("list", stdout=writing, stderr=subprocess.PIPE, capture_output=False)
    os.close(writing)
    assert done.returncode == 141 and done.stderr == ""


@posix
def test_a_closed_standard_input_is_named(built):
    done = built.doit("triage", "--log", "-", preexec_fn=lambda: os.close(0))
    assert "There is no standard input: give the log as a file" in one_line(done)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("a: ä\n".encode("utf-16"), "it is in UTF-16; save it as UTF-8"),
        ("a: 1\nb: ä\n".encode("latin-1"), "line 2 is not UTF-8"),
        (b"[" * 100_000, "nested more than 50 deep"),
        (b"a: 1\nb: 2\na: 3\n", 'line 3 has "a" a second time'),
        (b"a: &a [*a]\n", "holds itself"),
        (b"x" * 2_000_000, "more than 1,000,000 bytes"),
        (b"a: 2026-99-99\n", "cannot be read"),
        (
            "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 10}]\n" for i in range(1, 12)).replace(
                "*a0", "x"
            ).encode(),
            "stands for more than",
        ),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_read_is_one_line(tmp_path, data, said):
    path = tmp_path / "config.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        config_file.load(path)
    assert said in caught.value.message and "\n" not in caught.value.message


@posix
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match="it is no file"):
        config_file.load(tmp_path / "config.yaml")


def test_aliases_and_merges_are_still_yaml():
    assert yaml_data.parse("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a\n")["b"] == {"x": 1, "y": 2}


def set_source(key, value):
    def change(data):
        data["artifacts"]["ffcv"]["sources"][0][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["profiles"]["zig"].update(disk_gb=float("inf")), "disk_gb"),
        (set_source("url", ""), "is not a complete http or https address"),
        (set_source("url", "http://[::1/x"), "is no address"),
        (set_source("url", "http://host/%00"), "does not end in the name of a file"),
        (set_source("url", "file:x.zip"), "it begins with file:///"),
        (set_source("url", "file://host/x.zip"), "it begins with file:///"),
        (set_source("members", ["/etc/*"]), "is not relative"),
        (set_source("members", ["[z-a]*"]), "the wrong way round"),
        (set_source("stage", {"bin": ["a**b"]}), "** stands alone"),
        (set_source("stage", {"bin": [""]}), "is empty"),
        (set_source("stage", {"bin": ["."]}), "names no file"),
        (set_source("stage", {"bin": [{"../x": "a"}]}), "leaves the folder"),
        (lambda d: d["artifacts"]["ffcv"].update(signed_by={"/etc/*": "x"}), "is not relative"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_its_key(edit_config, change, said):
    def whole(data):
        change(data)
        source_ = data["artifacts"]["ffcv"]["sources"][0]
        if "url" in source_:
            del source_["pypi"], source_["kind"]

    with pytest.raises(ConfigError) as caught:
        config_file.load(edit_config(whole))
    assert said in caught.value.message and "config.yaml: " in caught.value.message


def test_an_override_of_a_setting_that_there_is_not_is_refused(clone, monkeypatch):
    monkeypatch.setattr(doit.doit_cmd, "_CMDLINE_VARS", {"pyhton": "3.12"})
    with pytest.raises(ConfigError, match='unknown setting "pyhton"; did you mean "python"'):
        projects.load(clone)
    monkeypatch.setattr(doit.doit_cmd, "_CMDLINE_VARS", {})
    monkeypatch.setenv("FFCVWIN_CASH", "x")
    with pytest.raises(ConfigError, match='"FFCVWIN_CASH"; did you mean "FFCVWIN_CACHE"'):
        projects.load(clone)


@posix  # Windows takes a sibling of the user's own folder
def test_a_cache_of_a_user_whom_there_is_not_is_one_line(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_CACHE", "~nouser/x")
    with pytest.raises(ConfigError, match="names a user whom this system lacks"):
        projects.load(clone)


@posix
def test_a_clone_or_cache_whose_name_is_not_utf8_is_one_line(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_CACHE", "/x/caf\udce9")
    with pytest.raises(ConfigError, match="the path of the cache is not UTF-8"):
        projects.load(clone)
    renamed = clone.rename(clone.with_name("caf\udce9"))
    with pytest.raises(ConfigError, match="the path of this clone is not UTF-8"):
        projects.load(renamed)


def test_a_member_whose_name_is_not_utf8_is_refused(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", encoding="latin-1", format=tarfile.USTAR_FORMAT
    ) as tar:
        tar.addfile(tarfile.TarInfo("caf\xe9"), io.BytesIO())
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    with pytest.raises(BuildError, match="has a name that is not UTF-8"):
        archive.unpack(tmp_path / "a.tar", tmp_path / "out")


def test_a_damaged_zip_is_said_to_be_damaged(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a", b"content")
    data = path.read_bytes()
    at = data.rindex(b"PK\x05\x06") + 16
    path.write_bytes(data[:at] + (1 << 31).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(BuildError, match=r"a\.zip is broken"):
        archive.unpack(path, tmp_path / "out")
    assert not (tmp_path / "out.tmp").exists()


@pytest.mark.parametrize("details", ["null", "[]", '"x"'])
def test_a_manifest_with_other_details_than_it_must_have_is_none(tmp_path, details):
    path = tmp_path / "a.json"
    path.write_text(
        '{"summary": "", "where": null, "root": null, "files": {}, "status": "done", '
        f'"details": {details}}}',
        encoding="utf-8",
    )
    assert manifest.read(path) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "(/x); see that you may write"),
        (OSError(errno.EROFS, "Read-only file system", b"/caf\xe9"), "(/caf\ufffd); see that you"),
        (RuntimeError("can't start new thread"), "the system gives no more threads"),
        (sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
        (MemoryError(), "no memory is left"),
    ],
)
def test_what_the_system_says_becomes_one_line(error, said):
    assert said in system_message(error)


def test_a_defect_is_no_message_of_the_system():
    assert system_message(RuntimeError("x")) is None
    assert system_message(ValueError("x")) is None


def test_task_names_are_printed_as_they_are(capsys):
    from tasks.core.display import Screen

    Screen().print("lock:runner: :lock: done")
    assert "lock:runner: :lock: done" in capsys.readouterr().out


def test_questions_before_there_is_an_environment_say_how_to_get_one(copy):
    clone = copy()
    shutil.rmtree(clone.build / "env")
    assert 'run "doit env"' in one_line(clone.doit("audit"))


def test_a_text_file_may_have_a_byte_order_mark(tmp_path):
    (tmp_path / "a").write_bytes("\ufeffa".encode())
    assert user_file.read_text(tmp_path / "a") == "a"


def test_names_of_files_of_addresses():
    assert urls.file_name("https://host/a%20b.zip?x=1") == "a b.zip"
    assert paths.checked_pattern("a/**/[ab-c]*.dll")
    assert files.temporary_for(Path("a/b")).name == "b.tmp"
