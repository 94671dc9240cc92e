"""Downloads one file: resumed, retried, verified, and only then given its name.

    URL ──> TARGET.part ──(sha256 is right)──> TARGET
            TARGET.part.json   address and ETag of what .part holds a piece of
            TARGET.lock        one download of TARGET at a time, among all runs

A run that is killed leaves TARGET.part, never a half-made TARGET. `tasks.downloads.index` finds the
addresses of packages.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core import manifest
from tasks.core.errors import BuildError
from tasks.core.files import rename
from tasks.core.progress import ProgressCallback, silent
from tasks.core.urls import cannot_be_altered_on_the_way, local_file, public_url
from tasks.downloads import network

if TYPE_CHECKING:
    import requests

BODY_ATTEMPTS = 5  # how often a file is begun or continued before its source is given up
CHUNK_BYTES = 1 << 16
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Candidate:
    """One of several places to get a file from.

    Args:
        label: names the place in messages: `config.yaml, artifacts.opencv.sources[1]`.
        fetch: gets the file and returns its sha256; raises BuildError where it cannot.
    """

    label: str
    fetch: Callable[[], str]


@dataclass(frozen=True)
class Choice:
    """The candidate that worked: its index, the file's sha256, and why those before it failed."""

    index: int
    sha256: str
    failures: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    """One download under way; `expected` is the sha256 in lower case, if known."""

    session: requests.Session
    url: str
    target: Path
    expected: str | None
    progress: ProgressCallback

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def origin(self) -> Path:
        return self.target.with_name(self.target.name + ".part.json")

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)

    def failure(self, reason: str) -> BuildError:
        address = public_url(self.url)
        return BuildError(f"{self.target.name} could not be downloaded from {address}: {reason}")


class _Pace:
    """Notices a server that sends too little for too long, which no time limit of a read does."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0

    def is_too_slow(self, received: int) -> bool:
        """Whether the last span of time brought too little; `received` bytes have come just now."""
        self._bytes += received
        seconds = time.monotonic() - self._since
        if seconds < network.SLOWNESS_ENDURED_S:
            return False
        too_slow = self._bytes < network.SLOWEST_BYTES_PER_S * seconds
        self._since, self._bytes = time.monotonic(), 0
        return too_slow


class _InterruptedError(Exception):
    """The body did not arrive whole; asking again may help."""


def download_first(candidates: Sequence[Candidate]) -> Choice:
    """Try the candidates in order until one works.

    Returns:
        the choice; its `failures` (`label: reason`) are worth a warning.

    Raises:
        BuildError: none worked; lists every candidate with its reason.
    """
    failures: list[str] = []
    for index, candidate in enumerate(candidates):
        try:
            digest = candidate.fetch()
        except BuildError as error:
            failures.append(f"{candidate.label}: {error.message}")
        else:
            return Choice(index, digest, tuple(failures))
    raise BuildError("no source worked: " + "; ".join(failures or ["none is given"]))


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None,
    progress: ProgressCallback = silent,
    session: requests.Session | None = None,
) -> str:
    """Download `url` to `target`, unless `target` is already there and right.

    Args:
        url: an http(s) address, or file:///... for a file of this machine, which is copied. A user
            name and password in it are not shown in messages.
        target: the file to make; its parent folders are made too.
        sha256: the expected digest in hex, or None where it is not known yet: then a file
            that has come in whole is accepted, but only if nobody in the network could have
            altered it: over https, without a redirect that leaves it.
        progress: called with the bytes so far and in all; goes back when a download starts over.
        session: from `network.make_session`, if there is one to share.

    Returns:
        the sha256 of `target` in hex.

    Raises:
        BuildError: the file cannot be had, is not the expected one, or cannot be written.
    """
    from filelock import FileLock

    expected = sha256.lower() if sha256 else None  # PowerShell's Get-FileHash prints capitals
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if expected and target.is_file() and manifest.sha256_of(target) == expected:
                return expected
            with nullcontext(session) if session else network.make_session() as in_use:
                job = _Job(in_use, url, target, expected, progress)
                digest = _fetch_verified(job)
            rename(job.part, target)
            job.origin.unlink(missing_ok=True)
            return digest
    except OSError as error:
        raise BuildError(
            f"{target.name} cannot be written to {target.parent}: {error.strerror or error}, "
            "check the folder's permissions or choose another one"
        ) from error


def _fetch_verified(job: _Job) -> str:
    """Fill .part with the right content and return its sha256."""
    digest, pieced_together = _fetch(job)
    if pieced_together and job.expected not in (None, digest):
        # Its beginning may be of an older file, or damaged: that is no fault of the source.
        job.discard()
        digest, _ = _fetch(job)
    if job.expected is None or job.expected == digest:
        return digest
    with job.part.open("rb") as file:
        is_web_page = file.read(256).lstrip().startswith(b"<")
    job.discard()
    cause = (
        "it is a web page, perhaps of a proxy that wants a login"
        if is_web_page
        else "the file was replaced at its source, or altered on the way"
    )
    raise BuildError(
        f"{job.target.name} from {public_url(job.url)} is not the expected file and was "
        f"discarded: sha256 {digest[:12]}... instead of {job.expected[:12]}..., {cause}"
    )


def _fetch(job: _Job) -> tuple[str, bool]:
    """Fill .part, asking again where the connection drops; returns as `_fetch_once`."""
    if path := local_file(job.url):
        return _copy(job, path), False
    reason = ""
    for attempt in range(BODY_ATTEMPTS):
        time.sleep(network.BACKOFF_S * attempt)
        try:
            return _fetch_once(job)
        except _InterruptedError as error:
            reason = str(error)
    raise job.failure(f"{reason} ({BODY_ATTEMPTS} attempts), run again to continue")


def _copy(job: _Job, path: Path) -> str:
    """Fill .part with a file of this machine; returns its sha256."""
    digest, done = hashlib.sha256(), 0
    try:
        source = path.open("rb")
    except OSError as error:
        raise job.failure(f"{path} cannot be read: {error.strerror}") from error
    with source, job.part.open("wb") as file:
        total = path.stat().st_size
        while chunk := source.read(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            job.progress(done, total)
    return digest.hexdigest()


def _fetch_once(job: _Job) -> tuple[str, bool]:
    """Begin or continue .part with one request.

    Returns:
        the sha256 of the whole, and whether it was put together from more than one answer.
    """
    validator = _read_validator(job)
    digest = hashlib.sha256()
    offset = 0
    # Without a validator the server cannot tell that the file changed, but the hash can.
    if job.part.is_file() and (validator or job.expected):
        offset = _feed(digest, job.part)
    if offset and digest.hexdigest() == job.expected:
        return job.expected, True
    with _ask(job, offset, validator) as response:
        if offset and response.status_code == HTTPStatus.OK:
            # No ranges here, or another file by now: this is the whole, from its beginning.
            digest, offset = hashlib.sha256(), 0
        elif offset and not _continues(response, offset, validator):
            job.discard()
            raise _InterruptedError("the server does not continue the file where it stopped")
        _receive(job, response, offset, digest)
    return digest.hexdigest(), offset > 0


def _ask(job: _Job, offset: int, validator: str | None) -> requests.Response:
    """Ask for the file from `offset` on; a status that cannot be used raises BuildError."""
    headers = {"Accept-Encoding": "identity"}  # ranges and the hash are of the file itself
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    if job.expected is None and not cannot_be_altered_on_the_way(job.url):
        raise job.failure("no hash is known for it, so it must come over https")
    try:
        response = network.within(
            network.ANSWER_TIMEOUT_S,
            lambda: job.session.get(
                job.url, headers=headers, stream=True, timeout=network.timeouts()
            ),
        )
    except (OSError, ValueError) as error:  # requests' exceptions are OSErrors
        raise job.failure(network.reason(error, job.url)) from error
    hops = [public_url(r.url) for r in (*response.history, response)]
    if job.expected is None and not all(map(cannot_be_altered_on_the_way, hops)):
        response.close()
        raise job.failure(f"no hash is known for it, and it redirects away from https ({hops[-1]})")
    usable = {HTTPStatus.OK}
    if offset:
        usable |= {HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
    if response.status_code not in usable:
        response.close()
        raise job.failure(network.status_reason(response.status_code, response.reason))
    return response


def _receive(job: _Job, response: requests.Response, offset: int, digest: hashlib._Hash) -> None:
    """Write the body to .part from `offset` on, and into `digest`."""
    from urllib3.exceptions import HTTPError

    total = _total_bytes(response)
    done = offset
    job.progress(done, total)
    try:
        with job.part.open("ab" if offset else "wb") as file:
            if not offset:  # .part is empty now: old bytes never meet a new validator
                _write_validator(job, response)
            # raw: requests would unpack a .tar.gz that the server labels as gzip-encoded
            # read1: what has come, however little it is
            pace = _Pace()
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                job.progress(done, total)
                if pace.is_too_slow(len(chunk)):
                    raise job.failure(
                        f"less than {network.SLOWEST_BYTES_PER_S:,} bytes a second came for "
                        f"{network.SLOWNESS_ENDURED_S:g} s"
                    )
    except HTTPError as error:
        raise _InterruptedError(network.reason(error, job.url)) from error
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        size = "size unknown" if total is None else f"{total:,} bytes in all"
        raise BuildError(
            f"no space for {job.target.name} ({size}) in {job.target.parent}: {error.strerror}, "
            "make room there or choose another folder, then run again to continue"
        ) from error
    if total is not None and done < total:
        raise _InterruptedError(f"only {done:,} of {total:,} bytes arrived")


def _continues(response: requests.Response, offset: int, validator: str | None) -> bool:
    """Whether an answer to a Range request goes on exactly where .part ends, in the same file."""
    partial = response.status_code == HTTPStatus.PARTIAL_CONTENT
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
    same_file = validator is None or _validator(response) in (None, validator)
    return partial and begins and same_file


def _total_bytes(response: requests.Response) -> int | None:
    """The size of the whole file, if the server tells."""
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        size = response.headers.get("Content-Length", "")
    return int(size) if size.isdecimal() else None


def _validator(response: requests.Response) -> str | None:
    """What If-Range can compare: a strong ETag, else the date (RFC 9110, section 13.1.5)."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _write_validator(job: _Job, response: requests.Response) -> None:
    origin = {"url": public_url(job.url), "validator": _validator(response)}
    job.origin.write_text(json.dumps(origin), encoding="utf-8")


def _read_validator(job: _Job) -> str | None:
    try:
        origin = json.loads(job.origin.read_text(encoding="utf-8"))
        same_address = origin["url"] == public_url(job.url)
        return origin["validator"] if same_address else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # not there, or cut short by a kill


def _feed(digest: hashlib._Hash, path: Path) -> int:
    """Add a file's content to `digest`; returns its size in bytes."""
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size
