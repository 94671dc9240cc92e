import contextlib
import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_server import Page, Server, serve
from support import ROOT

from tasks.core.errors import BuildError
from tasks.downloads import download as download_module
from tasks.downloads import network
from tasks.downloads.download import Candidate, download, download_first

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)
HALF = 150_000


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture(autouse=True)
def no_waiting_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BACKOFF_S", 0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        running.pages["/file.bin"] = Page(BODY, etag='"one"')
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.bin"


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def leave_a_part(target: Path, content: bytes, url: str, validator: str | None) -> None:
    """What a killed run leaves behind."""
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(content)
    origin = {"url": url, "validator": validator}
    target.with_name(target.name + ".part.json").write_text(json.dumps(origin), encoding="utf-8")


def leftovers(target: Path) -> list[str]:
    """The files beside the target, without its lock."""
    return sorted(p.name for p in target.parent.iterdir() if p.suffix != ".lock" and p != target)


def start_download(url: str, target: Path, digest: str) -> "subprocess.Popen[bytes]":
    """Download in another process."""
    code = (
        "import sys; from pathlib import Path; from tasks.downloads.download import download\n"
        "download(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])"
    )
    return subprocess.Popen([sys.executable, "-c", code, url, str(target), digest], cwd=ROOT)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# A download that goes well


def test_a_new_file_arrives_whole_and_alone(server: Server, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    url = server.url + "/file.bin"
    got = download(url, target, sha256=sha256(BODY), progress=lambda *step: seen.append(step))
    assert got == sha256(BODY)
    assert target.read_bytes() == BODY
    assert leftovers(target) == []
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))


def test_an_unknown_hash_is_returned_on_first_use(server: Server, target: Path) -> None:
    assert download(server.url + "/file.bin", target, sha256=None) == sha256(BODY)
    assert target.read_bytes() == BODY


def test_a_hash_in_capitals_is_the_same_hash(server: Server, target: Path) -> None:
    assert download(server.url + "/file.bin", target, sha256=sha256(BODY).upper()) == sha256(BODY)


def test_a_file_that_is_there_and_right_is_not_asked_for(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(BODY)
    assert download(server.url + "/file.bin", target, sha256=sha256(BODY)) == sha256(BODY)
    assert server.requests == []


def test_a_file_that_is_there_but_altered_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(OTHER)
    download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert target.read_bytes() == BODY


def test_a_body_of_unknown_size_is_accepted(server: Server, target: Path) -> None:
    server.pages["/file.bin"].sends_length = False
    seen: list[tuple[int, int | None]] = []
    url = server.url + "/file.bin"
    download(url, target, sha256=None, progress=lambda *step: seen.append(step))
    assert target.read_bytes() == BODY
    assert seen[-1] == (len(BODY), None)


def test_an_archive_that_the_server_calls_gzip_encoded_is_not_unpacked(
    server: Server, target: Path
) -> None:
    body = gzip.compress(BODY)
    server.pages["/file.tar.gz"] = Page(body, encoding="gzip")
    download(server.url + "/file.tar.gz", target, sha256=sha256(body))
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_redirect_is_followed(server: Server, target: Path) -> None:
    server.pages["/old"] = Page(redirect="/file.bin")
    download(server.url + "/old", target, sha256=sha256(BODY))
    assert target.read_bytes() == BODY


def test_the_proxy_of_the_environment_is_used(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    download("http://nowhere.invalid/file.bin", target, sha256=sha256(BODY))
    assert server.requests[0].target == "http://nowhere.invalid/file.bin"


# What is not the right file


def test_a_wrong_hash_discards_the_file(server: Server, target: Path) -> None:
    with pytest.raises(BuildError) as caught:
        download(server.url + "/file.bin", target, sha256=sha256(OTHER))
    assert sha256(BODY)[:12] in caught.value.message
    assert sha256(OTHER)[:12] in caught.value.message
    assert "file.bin" in caught.value.message
    assert not target.exists()
    assert leftovers(target) == []
    assert len(server.requests) == 1, "a whole file that is wrong is not fetched again"


def test_a_wrong_hash_leaves_the_file_that_was_there(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"of an earlier version")
    with pytest.raises(BuildError):
        download(server.url + "/file.bin", target, sha256=sha256(OTHER))
    assert target.read_bytes() == b"of an earlier version"


def test_a_login_page_is_told_from_a_replaced_file(server: Server, target: Path) -> None:
    server.pages["/file.bin"] = Page(b"\n<!DOCTYPE html><title>Please log in</title>")
    with pytest.raises(BuildError, match="web page"):
        download(server.url + "/file.bin", target, sha256=sha256(BODY))


@pytest.mark.parametrize("digest", [sha256(BODY), None])
def test_a_truncated_download_is_not_accepted(
    server: Server, target: Path, digest: str | None
) -> None:
    server.pages["/file.bin"] = Page(BODY, ranges=False, drops=[HALF] * 100)
    with pytest.raises(BuildError, match=r"dropped|of 300,000 bytes"):
        download(server.url + "/file.bin", target, sha256=digest)
    assert not target.exists()
    assert len(server.requests) == download_module.BODY_ATTEMPTS


# Continuing


@pytest.mark.parametrize("digest", [sha256(BODY), None])
def test_a_dropped_body_is_continued(server: Server, target: Path, digest: str | None) -> None:
    server.pages["/file.bin"].drops = [HALF, 1000]
    assert download(server.url + "/file.bin", target, sha256=digest) == sha256(BODY)
    assert server.ranges_asked() == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert server.requests[1].headers["If-Range"] == '"one"'
    assert leftovers(target) == []


def test_a_weak_etag_is_passed_over_for_the_date(server: Server, target: Path) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.pages["/file.bin"] = Page(BODY, etag='W/"one"', last_modified=date, drops=[HALF])
    download(server.url + "/file.bin", target, sha256=None)
    assert server.ranges_asked() == [None, f"bytes={HALF}-"]
    assert server.requests[1].headers["If-Range"] == date
    assert target.read_bytes() == BODY


def test_a_killed_download_is_continued_by_the_next_run(server: Server, target: Path) -> None:
    page = server.pages["/file.bin"]
    page.delay_s = 0.05
    url = server.url + "/file.bin"
    page.body = BODY * 4
    with start_download(url, target, sha256(page.body)) as process:
        wait_for(lambda: part_of(target).exists() and part_of(target).stat().st_size > 0)
        process.kill()
    assert not target.exists()
    kept = part_of(target).stat().st_size
    assert 0 < kept < len(page.body)
    page.delay_s = 0
    download(url, target, sha256=sha256(page.body))
    assert server.ranges_asked() == [None, f"bytes={kept}-"]
    assert target.read_bytes() == page.body
    assert leftovers(target) == []


def test_a_server_that_ignores_range_starts_over(server: Server, target: Path) -> None:
    url = server.url + "/file.bin"
    server.pages["/file.bin"] = Page(BODY, ranges=False)
    leave_a_part(target, BODY[:HALF], url, None)
    download(url, target, sha256=sha256(BODY))
    assert server.ranges_asked() == [f"bytes={HALF}-"]
    assert target.read_bytes() == BODY


def test_a_file_that_changed_in_between_starts_over(server: Server, target: Path) -> None:
    url = server.url + "/file.bin"
    leave_a_part(target, OTHER[:HALF], url, '"zero"')
    assert download(url, target, sha256=None) == sha256(BODY)
    assert server.ranges_asked() == [f"bytes={HALF}-"]
    assert target.read_bytes() == BODY


def test_a_server_that_ignores_if_range_does_not_mix_two_files(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url + "/file.bin"
    leave_a_part(target, OTHER[:HALF], url, '"zero"')
    monkeypatch.setattr(
        "http_server._begin", lambda handler, _: HALF if "Range" in handler.headers else None
    )
    assert download(url, target, sha256=None) == sha256(BODY)
    assert server.ranges_asked() == [f"bytes={HALF}-", None]


def test_an_answer_that_begins_elsewhere_is_not_appended(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url + "/file.bin"
    leave_a_part(target, BODY[:HALF], url, '"one"')
    monkeypatch.setattr(
        "http_server._begin", lambda handler, _: HALF - 1 if "Range" in handler.headers else None
    )
    assert download(url, target, sha256=None) == sha256(BODY)
    assert server.ranges_asked() == [f"bytes={HALF}-", None]


def test_an_answer_that_is_only_a_piece_of_the_rest_is_continued(
    server: Server, target: Path
) -> None:
    url = server.url + "/file.bin"
    server.pages["/file.bin"].longest_range = 100_000
    leave_a_part(target, BODY[:HALF], url, '"one"')
    assert download(url, target, sha256=None) == sha256(BODY)
    assert server.ranges_asked() == ["bytes=150000-", "bytes=250000-"]


def test_a_part_without_validator_is_continued_when_the_hash_can_tell(
    server: Server, target: Path
) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(BODY[:HALF])
    download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert server.ranges_asked() == [f"bytes={HALF}-"]
    assert target.read_bytes() == BODY


def test_a_part_without_validator_is_not_trusted_when_no_hash_can_tell(
    server: Server, target: Path
) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(OTHER[:HALF])
    assert download(server.url + "/file.bin", target, sha256=None) == sha256(BODY)
    assert server.ranges_asked() == [None]


def test_a_part_of_another_address_is_not_trusted_when_no_hash_can_tell(
    server: Server, target: Path
) -> None:
    leave_a_part(target, OTHER[:HALF], server.url + "/other.bin", '"one"')
    assert download(server.url + "/file.bin", target, sha256=None) == sha256(BODY)
    assert server.ranges_asked() == [None]


def test_a_damaged_part_is_thrown_away_and_fetched_once_more(server: Server, target: Path) -> None:
    url = server.url + "/file.bin"
    leave_a_part(target, OTHER[:HALF], url, '"one"')
    download(url, target, sha256=sha256(BODY))
    assert server.ranges_asked() == [f"bytes={HALF}-", None]
    assert target.read_bytes() == BODY


def test_a_wrong_hash_after_continuing_is_reported_after_one_fresh_try(
    server: Server, target: Path
) -> None:
    url = server.url + "/file.bin"
    leave_a_part(target, BODY[:HALF], url, '"one"')
    with pytest.raises(BuildError, match="not the expected file"):
        download(url, target, sha256=sha256(OTHER))
    assert server.ranges_asked() == [f"bytes={HALF}-", None]
    assert not target.exists()
    assert leftovers(target) == []


def test_a_part_that_is_already_whole_needs_no_network(target: Path) -> None:
    leave_a_part(target, BODY, "http://127.0.0.1:1/file.bin", None)
    download("http://127.0.0.1:1/file.bin", target, sha256=sha256(BODY))
    assert target.read_bytes() == BODY


def test_a_part_longer_than_the_file_starts_over(server: Server, target: Path) -> None:
    url = server.url + "/file.bin"
    leave_a_part(target, BODY + b"more", url, '"one"')
    download(url, target, sha256=sha256(BODY))
    assert server.ranges_asked() == [f"bytes={len(BODY) + 4}-", None]
    assert target.read_bytes() == BODY


def test_a_sidecar_cut_short_by_a_kill_is_ignored(server: Server, target: Path) -> None:
    leave_a_part(target, OTHER[:HALF], server.url + "/file.bin", '"one"')
    target.with_name("file.bin.part.json").write_text('{"url": "ht', encoding="utf-8")
    assert download(server.url + "/file.bin", target, sha256=None) == sha256(BODY)


# Failures of the server and the network


def test_a_missing_file_is_not_asked_for_again(server: Server, target: Path) -> None:
    with pytest.raises(BuildError, match="HTTP 404 Not Found"):
        download(server.url + "/nothing.bin", target, sha256=sha256(BODY))
    assert len(server.requests) == 1


def test_a_refusal_keeps_what_arrived_before(server: Server, target: Path) -> None:
    url = server.url + "/file.bin"
    server.pages["/file.bin"].failures = [403]
    leave_a_part(target, BODY[:HALF], url, '"one"')
    with pytest.raises(BuildError, match="HTTP 403 Forbidden"):
        download(url, target, sha256=sha256(BODY))
    assert part_of(target).read_bytes() == BODY[:HALF]
    assert len(server.requests) == 1


def test_a_server_error_is_retried(server: Server, target: Path) -> None:
    server.pages["/file.bin"].failures = [500, 503]
    download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert len(server.requests) == 3
    assert target.read_bytes() == BODY


def test_a_lasting_server_error_ends_with_its_status(server: Server, target: Path) -> None:
    server.pages["/file.bin"].failures = [503] * 100
    with pytest.raises(BuildError, match="HTTP 503 Service Unavailable"):
        download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert len(server.requests) == 1 + network.STATUS_RETRIES


def test_a_busy_server_is_given_the_time_it_asks_for(server: Server, target: Path) -> None:
    server.pages["/file.bin"].failures = [429]
    server.pages["/file.bin"].retry_after = 1
    begin = time.monotonic()
    download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert time.monotonic() - begin >= 1


def test_a_busy_server_cannot_stall_a_run_for_hours(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "RETRY_AFTER_MAX_S", 0)
    server.pages["/file.bin"].failures = [503]
    server.pages["/file.bin"].retry_after = 5
    begin = time.monotonic()
    download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert time.monotonic() - begin < 4


def test_a_user_name_and_password_are_used_but_not_shown(server: Server, target: Path) -> None:
    url = server.url.replace("//", "//me:secret@") + "/file.bin"
    server.pages["/file.bin"].drops = [1000] * 100
    with pytest.raises(BuildError) as caught:
        download(url, target, sha256=sha256(BODY))
    assert "file.bin.part.json" in leftovers(target)
    assert server.requests[0].headers["Authorization"].startswith("Basic ")
    assert "secret" not in caught.value.message
    assert all(b"secret" not in p.read_bytes() for p in target.parent.iterdir())


def test_what_arrived_before_the_last_drop_is_kept(server: Server, target: Path) -> None:
    server.pages["/file.bin"].drops = [10_000] * download_module.BODY_ATTEMPTS
    with pytest.raises(BuildError, match="run again to continue"):
        download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert part_of(target).read_bytes() == BODY[: 10_000 * download_module.BODY_ATTEMPTS]
    download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert target.read_bytes() == BODY


# The disk


def test_a_full_device_is_named(server: Server, target: Path) -> None:
    if os.name == "nt" or not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, which only Linux has")
    target.parent.mkdir()
    part_of(target).symlink_to("/dev/full")
    with pytest.raises(BuildError, match="no space") as caught:
        download(server.url + "/file.bin", target, sha256=sha256(BODY))
    assert str(target.parent) in caught.value.message
    assert "300,000 bytes" in caught.value.message
    assert not target.exists()


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A real file system of `size` bytes."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small tmpfs: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_download_continues_after_room_is_made_on_a_full_disk(
    server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    with small_disk(folder, 400_000):
        (folder / "ballast").write_bytes(bytes(200_000))
        target = folder / "file.bin"
        with pytest.raises(BuildError, match="no space"):
            download(server.url + "/file.bin", target, sha256=sha256(BODY))
        kept = part_of(target).stat().st_size
        assert part_of(target).read_bytes() == BODY[:kept]
        assert kept > 0
        (folder / "ballast").unlink()
        download(server.url + "/file.bin", target, sha256=sha256(BODY))
        assert server.ranges_asked() == [None, f"bytes={kept}-"]
        assert target.read_bytes() == BODY


def test_a_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file where a folder should be")
    with pytest.raises(BuildError, match="cannot be written") as caught:
        download(server.url + "/file.bin", tmp_path / "cache" / "file.bin", sha256=None)
    assert str(tmp_path / "cache") in caught.value.message


# Several at once


def test_two_processes_at_once_download_once(server: Server, target: Path) -> None:
    server.pages["/file.bin"].delay_s = 0.03
    url = server.url + "/file.bin"
    processes = [start_download(url, target, sha256(BODY)) for _ in range(2)]
    assert [process.wait(20) for process in processes] == [0, 0]
    assert len(server.requests) == 1
    assert target.read_bytes() == BODY


def test_two_threads_at_once_download_once(server: Server, target: Path) -> None:
    server.pages["/file.bin"].delay_s = 0.01
    digests: list[str] = []

    def work() -> None:
        digests.append(download(server.url + "/file.bin", target, sha256=sha256(BODY)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [sha256(BODY)] * 4
    assert len(server.requests) == 1


# Sources in order


def test_the_first_source_that_works_is_taken_and_the_failures_are_told(
    server: Server, target: Path
) -> None:
    def source(path: str) -> Callable[[], str]:
        return lambda: download(server.url + path, target, sha256=sha256(BODY))

    choice = download_first(
        [
            Candidate("sources[0]", source("/gone.bin")),
            Candidate("sources[1]", source("/file.bin")),
            Candidate("sources[2]", source("/never-asked.bin")),
        ]
    )
    assert choice.index == 1
    assert choice.sha256 == sha256(BODY)
    assert len(choice.failures) == 1
    assert choice.failures[0].startswith("sources[0]: ")
    assert "404" in choice.failures[0]
    assert [request.target for request in server.requests] == ["/gone.bin", "/file.bin"]


def test_when_no_source_works_one_line_names_each_with_its_reason(
    server: Server, target: Path
) -> None:
    server.pages["/changed.bin"] = Page(OTHER)
    urls = [server.url + "/gone.bin", server.url + "/changed.bin", "http://127.0.0.1:1/x"]

    def source(url: str) -> Callable[[], str]:
        return lambda: download(url, target, sha256=sha256(BODY))

    with pytest.raises(BuildError) as caught:
        download_first([Candidate(f"sources[{i}]", source(url)) for i, url in enumerate(urls)])
    reasons = caught.value.message.split("; ")
    assert [reason.count(f"sources[{i}]: ") for i, reason in enumerate(reasons)] == [1, 1, 1]
    assert "404" in reasons[0]
    assert "not the expected file" in reasons[1]
    assert "refused" in reasons[2]
    assert "\n" not in caught.value.message
    assert not target.exists()


def test_a_defect_of_ours_is_not_taken_for_a_source_that_failed() -> None:
    def broken() -> str:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        download_first([Candidate("sources[0]", broken)])


def test_heavy_libraries_are_not_imported_with_the_module() -> None:
    code = (
        "import sys, tasks.downloads.download, tasks.downloads.index\n"
        "print([m for m in ('requests', 'urllib3', 'pypi_simple', 'filelock') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ""},
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    assert run.stdout.strip() == "[]"


def test_a_file_of_this_machine_is_copied_and_verified(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "by hand ü.bin"
    source.write_bytes(BODY)
    seen: list[int] = []
    download(
        source.as_uri(), target, sha256=sha256(BODY), progress=lambda done, total: seen.append(done)
    )
    assert target.read_bytes() == BODY and seen[-1] == len(BODY)
    assert not part_of(target).exists()
    assert download(source.as_uri(), target.with_name("first"), sha256=None) == sha256(BODY)


def test_a_file_of_this_machine_that_is_another_one_or_is_not_there_is_told(
    tmp_path: Path, target: Path
) -> None:
    source = tmp_path / "by-hand.bin"
    with pytest.raises(BuildError, match=r"by-hand\.bin cannot be read: No such file"):
        download(source.as_uri(), target, sha256=sha256(BODY))
    source.write_bytes(OTHER)
    with pytest.raises(BuildError, match="is not the expected file and was discarded"):
        download(source.as_uri(), target, sha256=sha256(BODY))
    assert not target.exists() and not part_of(target).exists()
