"""A real HTTP server on the loopback interface that misbehaves on demand.

It serves what `Server.pages` holds, whatever host is asked for: so it answers as a proxy, too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PIECE_BYTES = 1 << 14


@dataclass
class Page:
    """What the server answers for one path, and how badly.

    Args:
        body: the content.
        content_type: of `body`.
        etag: with its quotes; compared with If-Range.
        last_modified: an HTTP date; compared with If-Range.
        ranges: False: Range is ignored, as plain servers do.
        longest_range: bytes that an answer to a Range holds at most, as a server may choose.
        encoding: a Content-Encoding to claim.
        sends_length: False: a chunked body, whose size is not told.
        failures: statuses to answer first, one per request.
        retry_after: seconds, sent along with the failures.
        drops: bodies to break off after so many bytes first, one per request.
        redirect: the address to send the client to.
        delay_s: seconds before every piece of the body.
        piece_bytes: how much of the body is sent at a time.
        head_delay_s: seconds before the answer begins.
        login: what the Authorization header must be; 401 otherwise.
    """

    body: bytes = b""
    content_type: str = "application/octet-stream"
    etag: str | None = None
    last_modified: str | None = None
    ranges: bool = True
    longest_range: int | None = None
    encoding: str | None = None
    sends_length: bool = True
    failures: list[int] = field(default_factory=list)
    retry_after: int | None = None
    drops: list[int] = field(default_factory=list)
    redirect: str | None = None
    delay_s: float = 0
    piece_bytes: int = PIECE_BYTES
    head_delay_s: float = 0
    login: str | None = None


@dataclass(frozen=True)
class Request:
    """One request as it came in; `target` is the whole address where a proxy was meant."""

    target: str
    headers: dict[str, str]


@dataclass
class Server:
    """`url` has no slash at its end; `pages` goes by path; `requests` are in order of arrival."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def ranges_asked(self) -> list[str | None]:
        """The Range header of each request."""
        return [request.headers.get("Range") for request in self.requests]


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """Run a server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.requests.append(Request(self.path, dict(self.headers.items())))
            with contextlib.suppress(ConnectionError):  # the client may leave at any time
                _answer(self, server.pages.get(urlsplit(self.path).path))

        def do_HEAD(self) -> None:  # uv asks so for a wheel's metadata
            page = server.pages.get(urlsplit(self.path).path)
            if page is None:
                _answer_empty(self, 404)
            else:
                _answer_empty(self, 200, {"Content-Length": str(len(page.body))})

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            httpd.shutdown()
            thread.join()


def _answer(handler: BaseHTTPRequestHandler, page: Page | None) -> None:
    if page is None:
        _answer_empty(handler, 404)
    elif page.failures:
        wait = {} if page.retry_after is None else {"Retry-After": str(page.retry_after)}
        _answer_empty(handler, page.failures.pop(0), wait)
    elif page.login is not None and handler.headers.get("Authorization") != page.login:
        _answer_empty(handler, 401)
    elif page.redirect is not None:
        _answer_empty(handler, 302, {"Location": page.redirect})
    else:
        _answer_body(handler, page)


def _answer_empty(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": "0", **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()


def _answer_body(handler: BaseHTTPRequestHandler, page: Page) -> None:
    time.sleep(page.head_delay_s)
    size = len(page.body)
    begin = _begin(handler, page)
    if begin is not None and begin >= size:
        _answer_empty(handler, 416, {"Content-Range": f"bytes */{size}"})
        return
    whole = begin is None
    begin = begin or 0
    end = size if whole or page.longest_range is None else min(size, begin + page.longest_range)
    handler.send_response(200 if whole else 206)
    headers = {
        "Content-Type": page.content_type,
        "Content-Length": str(end - begin) if page.sends_length else None,
        "Transfer-Encoding": None if page.sends_length else "chunked",
        "Content-Encoding": page.encoding,
        "Content-Range": None if whole else f"bytes {begin}-{end - 1}/{size}",
        "ETag": page.etag,
        "Last-Modified": page.last_modified,
    }
    for name, value in headers.items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    rest = page.body[begin:end]
    if page.drops:
        rest = rest[: page.drops.pop(0)]
        handler.close_connection = True
    for start in range(0, len(rest), page.piece_bytes):
        time.sleep(page.delay_s)
        piece = rest[start : start + page.piece_bytes]
        handler.wfile.write(piece if page.sends_length else b"%x\r\n%b\r\n" % (len(piece), piece))
    if not page.sends_length and not handler.close_connection:
        handler.wfile.write(b"0\r\n\r\n")


def _begin(handler: BaseHTTPRequestHandler, page: Page) -> int | None:
    """Where a range begins that is to be answered; None for the whole body."""
    asked = handler.headers.get("Range")
    if asked is None or not page.ranges:
        return None
    condition = handler.headers.get("If-Range")
    if condition is not None and condition not in (page.etag, page.last_modified):
        return None
    first, _, last = asked.removeprefix("bytes=").partition("-")
    return int(first) if first else max(0, len(page.body) - int(last))
