import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from http_server import Page, Server, serve

from tasks.downloads import network


@pytest.fixture(autouse=True)
def no_waiting_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BACKOFF_S", 0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def why(url: str) -> str:
    """Ask for `url` in vain; returns the reason as a reader sees it."""
    with network.make_session() as session:
        try:
            session.get(url, timeout=network.timeouts()).raise_for_status()
        except (OSError, ValueError) as error:
            reason = network.reason(error, url)
            assert "\n" not in reason
            assert "Pool(" not in reason
            assert "object at" not in reason
            return reason
    pytest.fail(f"{url} answered")


def test_an_unknown_name_is_told() -> None:
    reason = why("http://nowhere.invalid/file")
    assert "nowhere.invalid cannot be resolved" in reason


def test_a_refused_connection_is_told(closed_port: int) -> None:
    assert f"127.0.0.1:{closed_port} refused the connection" in why(
        f"http://127.0.0.1:{closed_port}/"
    )


def test_a_silent_server_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "READ_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert f"127.0.0.1:{port} sent nothing for 0.1 s" in why(f"http://127.0.0.1:{port}/")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse at a full backlog")
def test_a_full_backlog_is_told_as_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "CONNECT_TIMEOUT_S", 0.1)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        assert "no connection to" in why(f"http://127.0.0.1:{port}/")


def test_a_dropped_connection_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(1 + network.CONNECT_RETRIES):
                connection, _address = listener.accept()
                connection.recv(1000)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        port = listener.getsockname()[1]
        assert f"127.0.0.1:{port} dropped the connection" in why(f"http://127.0.0.1:{port}/")
        thread.join()


def test_a_server_without_tls_is_told(server: Server) -> None:
    assert "no trusted TLS connection" in why(server.url.replace("http:", "https:"))


def test_an_untrusted_certificate_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = tmp_path / "own.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(
            [*command, "-keyout", pem, "-out", tmp_path / "cert.pem"],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("needs the openssl program to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", pem)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        url = f"https://localhost:{httpd.server_address[1]}/"
        reason = why(url)
        assert "certificate verify failed" in reason.lower()
        assert "REQUESTS_CA_BUNDLE" in reason
        # The remedy works: the connection is made, and the server's own answer comes through.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        assert "HTTP 404" in why(url)
        httpd.shutdown()


def test_a_missing_certificate_bundle_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "nowhere.pem")
    assert "nowhere.pem" in why(server.url.replace("http:", "https:"))


def test_a_proxy_that_is_not_there_is_told(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{closed_port}")
    reason = why("http://nowhere.invalid/file")
    assert reason.startswith("the proxy failed")
    assert "refused" in reason.lower()
    assert "secret" not in reason


def test_a_proxy_that_refuses_a_tunnel_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url)  # it knows no CONNECT
    assert why("https://nowhere.invalid/file").startswith("the proxy failed")


@pytest.mark.parametrize(
    "proxy", ["http://", "foo://me:secret@host:1", "socks5://me:secret@host:1"]
)
def test_a_proxy_setting_that_cannot_be_used_is_told(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    reason = why("http://nowhere.invalid/file")
    assert reason.startswith("the proxy cannot be used")
    assert "HTTP_PROXY" in reason
    assert "secret" not in reason


def test_a_circle_of_redirects_is_told(server: Server) -> None:
    server.pages["/a"] = Page(redirect="/a")
    assert "redirects in a circle" in why(server.url + "/a")


def test_the_host_that_failed_is_named_after_a_redirect(server: Server, closed_port: int) -> None:
    server.pages["/a"] = Page(redirect=f"http://127.0.0.1:{closed_port}/b")
    assert f"127.0.0.1:{closed_port} refused" in why(server.url + "/a")


@pytest.mark.parametrize("url", ["file.zip", "ftp://host/file.zip", "http://", "http://[half/"])
def test_what_is_not_an_http_address_is_told(url: str) -> None:
    assert why(url) == "this is not a complete http or https address"


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (404, "moved"),
        (403, "refused"),
        (401, "refused"),
        (503, "try again later"),
        (418, "does not"),
    ],
)
def test_a_status_is_told_with_its_likely_cause(server: Server, status: int, hint: str) -> None:
    server.pages["/a"] = Page(failures=[status] * 100)
    reason = why(server.url + "/a")
    assert reason.startswith(f"HTTP {status} ")
    assert hint in reason


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:p@ss@host:8080/a@b?c=d@e", "https://host:8080/a@b?..."),
        ("https://token@host/simple/", "https://host/simple/"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_credentials_are_cut_out_of_an_address(url: str, shown: str) -> None:
    assert network.public_url(url) == shown


def test_a_missing_file_is_asked_for_once(server: Server) -> None:
    with network.make_session() as session:
        assert session.get(server.url + "/nothing").status_code == requests.codes.not_found
    assert len(server.requests) == 1
