import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import requests
from http_server import Page, Server, serve
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from tasks.core.errors import BuildError
from tasks.downloads import index, network
from tasks.downloads.download import download
from tasks.downloads.index import Distribution, find_distribution, find_release

FILES = {
    "demo-1.0.tar.gz": b"sdist",
    "demo-1.0-cp310-cp310-win_amd64.whl": b"wheel for 3.10",
    "demo-1.0-cp311-cp311-win_amd64.whl": b"wheel for 3.11",
    "demo-1.0-cp311-cp311-manylinux2014_x86_64.whl": b"wheel for Linux",
    "demo-2.0-py3-none-any.whl": b"pure wheel",
}
LOGIN = "Basic " + base64.b64encode(b"me:s/cret").decode()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def html_page(digests: bool = True) -> Page:
    """A project page as PEP 503 has it."""
    links = [
        f'<a href="../../files/{name}{"#sha256=" + sha256(body) if digests else ""}">{name}</a>'
        for name, body in FILES.items()
    ]
    return Page(f"<html><body>{''.join(links)}</body></html>".encode(), "text/html")


def json_page() -> Page:
    """The same page as PEP 691 and PEP 700 have it."""
    files = [
        {
            "filename": name,
            "url": f"../../files/{name}",
            "hashes": {"sha256": sha256(body)},
            "size": len(body),
        }
        for name, body in FILES.items()
    ]
    page = {"meta": {"api-version": "1.1"}, "name": "demo", "files": files, "versions": []}
    return Page(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting, and nothing remembered or set by the surroundings."""
    monkeypatch.setattr(network, "BACKOFF_S", 0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    index._files.cache_clear()
    index._session.cache_clear()


@pytest.fixture
def server(clean: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve() as running:
        running.pages["/simple/demo/"] = html_page()
        for name, body in FILES.items():
            running.pages[f"/files/{name}"] = Page(body)
        monkeypatch.setenv("PIP_INDEX_URL", running.url + "/simple")
        yield running


def find(
    name: str = "demo",
    version: str = "1.0",
    kind: Literal["sdist", "wheel"] = "sdist",
    sha256: str | None = None,
    platform: str | None = None,
) -> Distribution:
    return find_distribution(name, version, kind=kind, sha256=sha256, platform=platform)


def complaint(
    name: str = "demo",
    version: str = "1.0",
    kind: Literal["sdist", "wheel"] = "sdist",
    sha256: str | None = None,
    platform: str | None = None,
) -> str:
    with pytest.raises(BuildError) as caught:
        find(name, version, kind, sha256, platform)
    assert "\n" not in caught.value.message
    assert ";" not in caught.value.message, "it separates the sources where several failed"
    return caught.value.message


def test_the_digest_selects_the_file(server: Server) -> None:
    name = "demo-1.0-cp311-cp311-win_amd64.whl"
    found = find(kind="wheel", platform="win_amd64", sha256=sha256(FILES[name]).upper())
    assert found == Distribution(f"{server.url}/files/{name}", name, sha256(FILES[name]), None)


def test_a_json_index_tells_the_size(server: Server) -> None:
    server.pages["/simple/demo/"] = json_page()
    assert find(sha256=sha256(b"sdist")).size == 5


def test_what_was_found_can_be_downloaded(server: Server, tmp_path: Path) -> None:
    found = find(sha256=sha256(b"sdist"))
    download(found.url, tmp_path / found.filename, sha256=found.sha256, session=index.session())
    assert (tmp_path / "demo-1.0.tar.gz").read_bytes() == b"sdist"


def test_without_a_digest_the_only_sdist_is_taken(server: Server) -> None:
    assert find(version="1.0.0").filename == "demo-1.0.tar.gz"


def test_without_a_digest_the_platform_selects(server: Server) -> None:
    found = find(kind="wheel", platform="manylinux2014_x86_64")
    assert found.filename == "demo-1.0-cp311-cp311-manylinux2014_x86_64.whl"


def test_a_pure_wheel_fits_every_platform(server: Server) -> None:
    found = find(version="2.0", kind="wheel", platform="win_amd64")
    assert found.filename == "demo-2.0-py3-none-any.whl"


def test_several_files_without_a_digest_are_listed(server: Server) -> None:
    message = complaint(kind="wheel", platform="win_amd64")
    assert "demo-1.0-cp310-cp310-win_amd64.whl" in message
    assert "demo-1.0-cp311-cp311-win_amd64.whl" in message
    assert "manylinux" not in message


def test_an_unknown_digest_is_answered_with_what_there_is(server: Server) -> None:
    message = complaint(sha256="0" * 64)
    assert "000000000000..." in message
    assert f"demo-1.0.tar.gz ({sha256(b'sdist')[:12]}...)" in message


def test_an_index_without_digests_leaves_the_check_to_the_download(
    server: Server, tmp_path: Path
) -> None:
    server.pages["/simple/demo/"] = html_page(digests=False)
    found = find(sha256=sha256(b"sdist"))
    assert found == Distribution(
        f"{server.url}/files/demo-1.0.tar.gz", "demo-1.0.tar.gz", None, None
    )
    found = find(sha256="0" * 64)
    with pytest.raises(BuildError, match="not the expected file"):
        download(found.url, tmp_path / found.filename, sha256="0" * 64)


def test_a_missing_version_is_answered_with_those_there_are(server: Server) -> None:
    message = complaint(version="3.0")
    assert "has no demo 3.0" in message
    assert "2.0, 1.0" in message


def test_a_missing_kind_is_answered_with_what_there_is(server: Server) -> None:
    assert "demo-2.0-py3-none-any.whl" in complaint(version="2.0", kind="sdist")


def test_a_missing_project_is_told(server: Server) -> None:
    message = complaint("no-such-thing")
    assert "no project no-such-thing" in message
    assert server.url.removeprefix("http://") in message


def test_a_release_tells_what_a_windows_python_has_of_it_and_whether_any_is_compiled(
    server: Server,
) -> None:
    found = find_release("demo", "1.0", "3.11")
    assert found.wheels == ("demo-1.0-cp311-cp311-win_amd64.whl",)
    assert found.compiled == "demo-1.0-cp310-cp310-win_amd64.whl"
    assert not find_release("demo", "1.0", "3.13").wheels
    assert not find_release("demo", "2.0", "3.11").compiled


def test_a_page_is_asked_for_once(server: Server) -> None:
    find()
    find(sha256=sha256(b"sdist"))
    find(version="2.0", kind="wheel")
    assert [request.target for request in server.requests] == ["/simple/demo/"]


def test_a_failure_is_not_remembered(server: Server) -> None:
    server.pages["/simple/demo/"].failures = [403]
    assert "HTTP 403 Forbidden" in complaint()
    assert find().filename == "demo-1.0.tar.gz"


def test_a_server_error_is_retried(server: Server) -> None:
    server.pages["/simple/demo/"].failures = [500, 500]
    assert find().filename == "demo-1.0.tar.gz"


def test_an_index_that_cannot_be_reached_is_told(
    clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://nowhere.invalid/simple")
    assert "nowhere.invalid cannot be resolved" in complaint()


def test_an_address_that_requests_cannot_ask_is_told(
    clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "file:///srv/simple")
    assert "not a complete http or https address" in complaint()


@pytest.mark.parametrize(
    "page",
    [
        Page(b"%PDF", "application/pdf"),
        Page(b"{half", "application/vnd.pypi.simple.v1+json"),
        Page(b"{}", "application/vnd.pypi.simple.v1+json"),
    ],
    ids=["another type", "broken JSON", "other JSON"],
)
def test_an_answer_that_is_no_index_page_is_told(server: Server, page: Page) -> None:
    server.pages["/simple/demo/"] = page
    assert "did not answer as a package index does" in complaint()


def test_a_file_name_with_a_folder_in_it_is_ignored(server: Server) -> None:
    evil = f'<a href="../../files/x#sha256={"e" * 64}">../../evil.tar.gz</a>'.encode()
    page = server.pages["/simple/demo/"]
    page.body = page.body.replace(b"</body>", evil + b"</body>")
    assert "evil" not in complaint(sha256="e" * 64)


def test_the_index_of_uv_comes_first_and_may_have_a_name(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://nowhere.invalid/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"mirror={server.url}/simple/")
    assert find().filename == "demo-1.0.tar.gz"


def test_the_login_of_the_index_is_used_but_never_shown(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", server.url.replace("//", "//me:s%2Fcret@") + "/simple")
    for page in server.pages.values():
        page.login = LOGIN
    found = find()
    assert found.url == f"{server.url}/files/demo-1.0.tar.gz"
    download(found.url, tmp_path / found.filename, sha256=None, session=index.session())
    assert (tmp_path / found.filename).read_bytes() == b"sdist"
    for message in (complaint("nothing"), complaint(version="9"), complaint(sha256="0" * 64)):
        assert "cret" not in message


def test_the_login_of_the_index_is_not_sent_to_another_host(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", server.url.replace("//", "//me:secret@") + "/simple")
    with serve() as elsewhere:
        elsewhere.pages["/demo.bin"] = Page(b"sdist")
        download(
            elsewhere.url + "/demo.bin", tmp_path / "demo.bin", sha256=None, session=index.session()
        )
        assert "Authorization" not in elsewhere.requests[0].headers


def test_the_real_index_has_the_sdist_of_ffcv(clean: None) -> None:
    try:
        requests.head(PYPI_SIMPLE_ENDPOINT + "ffcv/", timeout=3).raise_for_status()
    except requests.RequestException as error:
        pytest.skip(
            f"the package index cannot be reached: {network.reason(error, PYPI_SIMPLE_ENDPOINT)}"
        )
    digest = "42766a487c8a659b543d070f24732c4b65aab8d96980f5792c63e91e55511f00"
    found = find("ffcv", "1.0.2", sha256=digest)
    assert found.filename == "ffcv-1.0.2.tar.gz"
    assert found.sha256 == digest
