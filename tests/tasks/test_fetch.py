"""Archives come from the first source that answers, and the cache is enough where it has them."""

import hashlib
import json
from pathlib import Path

import pytest
from http_server import Page, serve

from tasks.core.config import Artifact, Source
from tasks.core.errors import BuildError
from tasks.fetch import fetch

CONTENT = b"an archive" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serve() as running:
        running.pages["/a.zip"] = Page(CONTENT)
        yield running


def artifact(*sources: tuple[str, str]) -> Artifact:
    return Artifact(sources=tuple(Source(url=url, sha256=sha256) for url, sha256 in sources))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("tasks.downloads.network.BACKOFF_S", 0.0)


def test_the_file_keeps_its_name_in_a_folder_named_after_its_hash(server, tmp_path, job):
    made = fetch("a", artifact((server.url + "/a.zip", HASH)), tmp_path, False, job)
    assert made.where == tmp_path / HASH / "a.zip"
    assert made.where.read_bytes() == CONTENT
    assert made.details["source"] == 0


def test_a_source_that_fails_gives_way_to_the_next_and_its_reason_is_told(
    server, tmp_path, recorder
):
    sources = artifact((server.url + "/gone.zip", HASH), (server.url + "/a.zip", HASH))
    made = fetch("a", sources, tmp_path, False, recorder.job)
    assert made.details["source"] == 1
    assert any("sources[0]" in line and "404" in line for line in recorder.lines)


def test_what_is_in_the_cache_needs_no_network(server, tmp_path, job):
    one = artifact((server.url + "/a.zip", HASH))
    fetch("a", one, tmp_path, False, job)
    before = len(server.requests)
    made = fetch("a", one, tmp_path, True, job)
    assert made.details["source"] == 0
    assert len(server.requests) == before


def test_a_damaged_file_in_the_cache_is_downloaded_again(server, tmp_path, job):
    one = artifact((server.url + "/a.zip", HASH))
    made = fetch("a", one, tmp_path, False, job)
    made.where.write_bytes(CONTENT[:-1])
    assert fetch("a", one, tmp_path, False, job).where.read_bytes() == CONTENT


def test_offline_says_which_file_is_missing(tmp_path, job):
    with pytest.raises(BuildError, match=r"^http://nowhere/a\.zip is not in .*this run is offline"):
        fetch("a", artifact(("http://nowhere/a.zip", HASH)), tmp_path, True, job)


def test_the_hash_of_a_first_use_is_recorded_with_a_warning(server, tmp_path, recorder):
    url = server.url + "/a.zip"
    made = fetch("a", artifact((url, "first-use")), tmp_path, False, recorder.job)
    assert made.where == tmp_path / HASH / "a.zip"
    assert json.loads((tmp_path / "first-use.json").read_text(encoding="utf-8")) == {url: HASH}
    assert len(recorder.warnings) == 1


def test_a_later_download_is_held_to_the_first(server, tmp_path, job):
    one = artifact((server.url + "/a.zip", "first-use"))
    fetch("a", one, tmp_path, False, job).where.unlink()
    server.pages["/a.zip"] = Page(CONTENT + b"altered")
    with pytest.raises(BuildError, match="sha256"):
        fetch("a", one, tmp_path, False, job)
    assert not [p for p in (tmp_path / HASH).iterdir() if p.name == "a.zip"]


def test_a_damaged_record_of_first_uses_is_one_line(tmp_path: Path, job):
    (tmp_path / "first-use.json").write_text("{", encoding="utf-8")
    with pytest.raises(BuildError, match=r"first-use\.json cannot be read"):
        fetch("a", artifact(("http://nowhere/a.zip", "first-use")), tmp_path, False, job)
