"""Nothing runs, or is believed, that nobody vouched for; and secrets are not shown."""

import hashlib
import json
import threading

import pytest
import requests
from http_server import Page, serve
from small_clone import zip_of

from tasks import extract, lock
from tasks.archives import archive
from tasks.core import config_file, manifest, urls
from tasks.core.config import Artifact, Source
from tasks.core.errors import BuildError, ConfigError
from tasks.downloads import download, network
from tasks.fetch import fetch, known_hash
from tasks.pythons.portable import uv_environment

CONTENT = b"an archive" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    with serve() as running:
        running.pages["/a.zip"] = Page(CONTENT)
        yield running


def first_use(url: str) -> Artifact:
    return Artifact(sources=(Source(url=url, sha256="first-use"),))


@pytest.mark.parametrize(("sha256", "trusted"), [("first-use", False), (HASH, True)])
def test_only_an_archive_whose_hash_was_known_beforehand_may_be_run(
    tmp_path, job, monkeypatch, sha256, trusted
):
    asked = []
    monkeypatch.setattr(archive, "unpack", lambda *a, **options: asked.append(options["trusted"]))
    source = Source(url="https://host/a.exe", sha256=sha256, inner="b.exe")
    extract.unpack(tmp_path / "a.exe", source, (), tmp_path / "out", job)
    assert asked == [trusted, trusted]


def test_a_first_use_over_http_is_refused_unless_it_is_of_this_machine(tmp_path, job):
    with pytest.raises(BuildError, match="no hash is known for it, so it must come over https"):
        fetch("a", first_use("http://mirror.test/a.zip"), tmp_path, False, job)


def test_a_first_use_that_is_redirected_to_http_is_refused(server, tmp_path, job, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.pages["/old.zip"] = Page(redirect="http://mirror.test/a.zip")
    with pytest.raises(
        BuildError, match=r"redirects away from https \(http://mirror\.test/a\.zip\)"
    ):
        fetch("a", first_use(server.url + "/old.zip"), tmp_path, False, job)
    assert not (tmp_path / "first-use.json").exists()
    known = Artifact(sources=(Source(url=server.url + "/old.zip", sha256=HASH),))
    assert fetch("a", known, tmp_path, False, job).where.read_bytes() == CONTENT


def test_a_first_use_is_one_even_if_two_clones_begin_at_once(server, tmp_path, job):
    server.pages["/a.zip"] = Page(CONTENT, delay_s=0.2)
    one = first_use(server.url + "/a.zip")
    threads = [
        threading.Thread(target=fetch, args=("a", one, tmp_path, False, job)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1


def test_what_is_left_of_an_interrupted_first_use_is_not_taken_for_it(server, tmp_path):
    target = tmp_path / "a.zip"
    target.write_bytes(b"something else")
    download.download(server.url + "/a.zip", target, sha256=None)
    assert target.read_bytes() == CONTENT


def fetched(tmp_path, server, job, sha256: str) -> tuple[Artifact, object]:
    one = Artifact(sources=(Source(url=server.url + "/a.zip", sha256=sha256),))
    made = fetch("a", one, tmp_path / "downloads", False, job)
    path = tmp_path / "manifests" / "fetch-a.json"
    manifest.write(path, made)
    return one, path


def test_a_first_use_that_is_no_archive_is_forgotten_and_its_reason_told(server, tmp_path, job):
    one, path = fetched(tmp_path, server, job, "first-use")
    with pytest.raises(BuildError, match=r"is broken .*No hash was known beforehand"):
        extract.extract("a", one, path, tmp_path / "out", [], job)
    assert known_hash(one.sources[0], tmp_path / "downloads") is None


def test_a_first_use_that_is_damaged_in_the_cache_is_not_forgotten(server, tmp_path, job):
    server.pages["/a.zip"] = Page(zip_of({"a": b"1"}))
    one, path = fetched(tmp_path, server, job, "first-use")
    manifest.read(path).where.write_bytes(b"damaged")
    with pytest.raises(BuildError, match="was damaged in the cache"):
        extract.extract("a", one, path, tmp_path / "out", [], job)
    assert known_hash(one.sources[0], tmp_path / "downloads") is not None


def test_a_tree_is_patched_and_gets_files_and_is_recorded_as_it_is_then(server, tmp_path, job):
    server.pages["/a.zip"] = Page(zip_of({"a.txt": b"one\n"}))
    one, path = fetched(tmp_path, server, job, "first-use")
    patch = tmp_path / "a.patch"
    patch.write_text("--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n")
    changed = one.model_copy(update={"added_files": {"new/CMakeLists.txt": "project(a)\n"}})
    made = extract.extract("a", changed, path, tmp_path / "out", [patch], job)
    assert (tmp_path / "out" / "a.txt").read_text() == "two\n"
    assert (tmp_path / "out" / "new" / "CMakeLists.txt").read_text() == "project(a)\n"
    assert made.files["a.txt"].sha256 == manifest.sha256_of(tmp_path / "out" / "a.txt")
    assert set(made.files) == {"a.txt", "new/CMakeLists.txt"}


def test_a_broken_archive_with_the_right_hash_is_not_said_to_be_cut_short(server, tmp_path, job):
    one, path = fetched(tmp_path, server, job, HASH)
    with pytest.raises(BuildError) as caught:
        extract.extract("a", one, path, tmp_path / "out", [], job)
    assert "has the sha256 that config.yaml names, and is broken" in caught.value.message
    assert "cut short" not in caught.value.message


def test_nothing_is_left_of_an_outer_archive_whose_inner_one_is_broken(tmp_path, job):
    (tmp_path / "a.zip").write_bytes(zip_of({"inner.zip": b"nothing"}))
    source = Source(url="https://host/a.zip", sha256=HASH, inner="inner.zip")
    with pytest.raises(BuildError):
        extract.unpack(tmp_path / "a.zip", source, (), tmp_path / "out", job)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


SECRET = "http://user:s3cret@127.0.0.1:1/x.whl?sig=s3cret"


def test_no_message_of_a_download_shows_a_secret(tmp_path, recorder, monkeypatch):
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    one = Artifact(sources=(Source(url=SECRET, sha256=HASH),))
    shown = [repr(one), one.sources[0].place]
    for offline in (False, True):
        with pytest.raises(BuildError) as caught:
            fetch("a", one, tmp_path, offline, recorder.job)
        shown.append(caught.value.message)
    assert "127.0.0.1:1/x.whl" in shown[-1]
    assert "s3cret" not in "".join([*shown, *recorder.lines])


def test_no_message_about_config_shows_a_secret(edit_config):
    def spoil(data):
        data["artifacts"]["ffcv"]["sources"][0] = {
            "url": SECRET.replace("http", "ftp"),
            "sha256": "x",
        }

    with pytest.raises(ConfigError) as caught:
        config_file.load(edit_config(spoil))
    assert "s3cret" not in caught.value.message and "127.0.0.1" in caught.value.message


def test_an_index_is_named_without_its_password(monkeypatch):
    from tasks.downloads import index

    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:s3cret@127.0.0.1:1/simple")
    with pytest.raises(BuildError) as caught:
        index.find_distribution("x", "1", kind="wheel", sha256=None, platform=None)
    assert "127.0.0.1:1" in caught.value.message and "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:pw@host/a b", "see https://host/a b"),
        ("https://host/a?token=1#x", "https://host/a?..."),
        ("nothing@here", "nothing@here"),
    ],
)
def test_secrets_are_cut_out_of_any_text(text, shown):
    assert urls.public_url(text) == shown


def test_uv_gets_the_mirror_that_pip_uses(monkeypatch, tmp_path):
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.test/simple")
    assert uv_environment(tmp_path)["UV_DEFAULT_INDEX"] == "https://mirror.test/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.test/simple")
    assert uv_environment(tmp_path)["UV_DEFAULT_INDEX"] == "https://other.test/simple"


def test_offline_a_lock_is_resolved_without_the_network(tmp_path, job, monkeypatch):
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "a.in").write_text("thing==1.0\n", encoding="utf-8")
    with serve() as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.url + "/simple/")
        with pytest.raises(BuildError):
            lock.compile_lock(
                tmp_path / "a.in", tmp_path / "a.txt", [], tmp_path / "cache", True, job
            )
        assert server.requests == []


def test_a_redirect_to_a_file_is_not_called_an_incomplete_address(server):
    server.pages["/a"] = Page(redirect="file:///etc/hostname")
    with network.make_session() as session, pytest.raises(ValueError) as caught:
        session.get(server.url + "/a")
    said = network.reason(caught.value, server.url + "/a")
    assert said.startswith("it redirects to an address that is not http or https")


def test_a_proxy_that_is_no_address_is_named(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", ":::")
    with (
        network.make_session() as session,
        pytest.raises((ValueError, requests.RequestException)) as c,
    ):
        session.get("http://mirror.test/a")
    assert "HTTP_PROXY" in network.reason(c.value, "http://mirror.test/a")


def test_a_server_that_drips_gives_way_to_the_next_source(server, tmp_path, job, monkeypatch):
    monkeypatch.setattr(network, "SLOWNESS_ENDURED_S", 0.5)
    with serve() as slow:
        slow.pages["/a.zip"] = Page(CONTENT, delay_s=0.2, piece_bytes=1)
        sources = [Source(url=s.url + "/a.zip", sha256=HASH) for s in (slow, server)]
        made = fetch("a", Artifact(sources=tuple(sources)), tmp_path, False, job)
    assert made.details["source"] == 1


def test_a_server_whose_answer_never_ends_gives_way(server, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "ANSWER_TIMEOUT_S", 0.5)
    server.pages["/slow"] = Page(CONTENT, head_delay_s=5)
    with pytest.raises(BuildError, match=r"no whole answer within 0\.5 s"):
        download.download(server.url + "/slow", tmp_path / "a", sha256=HASH)


def test_what_was_recorded_at_a_first_use_is_shown(server, tmp_path, recorder):
    fetch("a", first_use(server.url + "/a.zip"), tmp_path, False, recorder.job)
    assert any(HASH in line for line in recorder.warnings)
    recorded = json.loads((tmp_path / "first-use.json").read_text(encoding="utf-8"))
    assert recorded == {server.url + "/a.zip": HASH}
