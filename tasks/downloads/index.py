"""Finds the files of packages in the Python package index, without running their set-up.

    name, version, sha256 ──(project page of the index)──> Distribution: address, file name

The index is the default of its client library, or the mirror that UV_DEFAULT_INDEX or
PIP_INDEX_URL names. `tasks.downloads.download` gets the file.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from tasks.core.errors import BuildError
from tasks.core.urls import address_problem, public_url, without_login
from tasks.downloads import network

if TYPE_CHECKING:
    import requests
    from pypi_simple import DistributionPackage

MENTIONED = 5  # how many files or versions a message lists


@dataclass(frozen=True)
class Distribution:
    """One file of a release.

    Args:
        url: its address, without the credentials of the index: `session` adds them.
        filename: its name, without any folder.
        sha256: its digest in hex as the index tells it, None if it does not.
        size: in bytes, None if the index does not tell it.
    """

    url: str
    filename: str
    sha256: str | None
    size: int | None


def find_distribution(
    name: str,
    version: str,
    *,
    kind: Literal["sdist", "wheel"],
    sha256: str | None,
    platform: str | None,
) -> Distribution:
    """Find one file of a release.

    Args:
        name: of the project, in any spelling.
        version: of the release; `1.0` and `1.0.0` are the same.
        kind: used, with `platform`, only where the digest does not decide.
        sha256: the file's digest in hex; decides wherever the index tells digests.
        platform: the wheel's platform tag, such as `win_amd64`; None for any.

    Raises:
        BuildError: the index cannot be asked, or has no such file, or has several.
    """
    wanted = f"{name} {version} ({kind}{f', {platform}' if platform else ''})"
    files = _files(_index_url(), name)
    if sha256:
        for file in files:
            if file.digests.get("sha256", "").lower() == sha256.lower():
                return _distribution(file)
    release = [file for file in files if _is_version(file, version)]
    if not release:
        versions = list(dict.fromkeys(file.version for file in files if file.version))
        raise BuildError(
            f"{_host()} has no {name} {version}, it has {_mention(versions[::-1])}: "
            "check the version in config.yaml, or whether a mirror lags behind"
        )
    offered = [file for file in release if _is_kind(file, kind, platform)]
    if not offered:
        listed = _mention([file.filename for file in release])
        raise BuildError(
            f"{_host()} has no file of {wanted}, it offers {listed}: "
            "check kind and platform in config.yaml"
        )
    # An index may not tell digests; then the download is held to ours.
    possible = [file for file in offered if not (sha256 and file.digests.get("sha256"))]
    if sha256 and not possible:
        listed = _mention([f"{f.filename} ({f.digests['sha256'][:12]}...)" for f in offered])
        raise BuildError(
            f"{_host()} has no file of {wanted} with sha256 {sha256[:12]}..., it offers {listed}: "
            "check the sha256 in config.yaml"
        )
    if len(possible) > 1:
        listed = _mention([file.filename for file in possible])
        raise BuildError(
            f"{_host()} has several files of {wanted} that nothing tells apart: {listed}: give the "
            "sha256 of one in config.yaml, or use an index that tells digests"
        )
    return _distribution(possible[0])


@dataclass(frozen=True)
class Release:
    """What the index has of one version of a project for a Windows Python.

    Args:
        sdist: its source, None if there is none.
        wheels: file names of the wheels that such a Python installs.
        compiled: that of a wheel for one system, whichever; "" where all are for every system.
    """

    version: str
    sdist: Distribution | None
    wheels: tuple[str, ...]
    compiled: str = ""


def find_release(name: str, version: str | None, python: str) -> Release:
    """What the index has of a project: of one version, or of the newest that has a source.

    Args:
        python: as in "3.11"; what says that it wants another Python is left out.

    Raises:
        BuildError: the index cannot be asked, or has nothing of the kind.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    def fits(file: DistributionPackage) -> bool:
        try:
            return SpecifierSet(file.requires_python or "").contains(f"{python}.99")
        except InvalidSpecifier:
            return True

    def order(text: str) -> tuple[bool, Version]:
        try:
            parsed = Version(text)
        except InvalidVersion:
            return False, Version("0")
        return not parsed.is_prerelease, parsed

    files = [f for f in _files(_index_url(), name) if f.version and not f.is_yanked]
    if version:
        chosen = next((f.version for f in files if _is_version(f, version)), None)
    else:
        sources = [f for f in files if _is_kind(f, "sdist", None) and fits(f)]
        newest = max(sources or [f for f in files if fits(f)], default=None,
                     key=lambda file: order(str(file.version)))  # fmt: skip
        chosen = newest.version if newest else None
    if chosen is None:
        versions = list(dict.fromkeys(file.version for file in files if file.version))
        wanted = f"{name} {version}" if version else f"{name} for Python {python}"
        raise BuildError(f"{_host()} has no {wanted}, it has {_mention(versions[::-1])}")
    release = [file for file in files if file.version == chosen]
    sdist = next((f for f in release if _is_kind(f, "sdist", None)), None)
    wheels = [f.filename for f in release if _installs(f, python)]
    names = [file.filename for file in release if file.package_type == "wheel"]
    compiled = next((name for name in names if not name.endswith("-any.whl")), "")
    return Release(chosen, _distribution(sdist) if sdist else None, tuple(wheels), compiled)


def _installs(file: DistributionPackage, python: str) -> bool:
    """Whether a 64-bit Windows Python installs this wheel."""
    from packaging.tags import compatible_tags, cpython_tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    version = tuple(int(part) for part in python.split("."))
    platforms = ["win_amd64"]
    tags = {*cpython_tags(version, platforms=platforms),
            *compatible_tags(version, f"cp{python.replace('.', '')}", platforms)}  # fmt: skip
    try:
        return file.package_type == "wheel" and bool(tags & parse_wheel_filename(file.filename)[3])
    except InvalidWheelFilename:
        return False


def session() -> requests.Session:
    """The session to download a `Distribution` with: it has the credentials of the index."""
    return _session(_index_url())


def _index_url() -> str | None:
    """The mirror that the user set, with its credentials; None for the client's default."""
    variable = "UV_DEFAULT_INDEX" if os.environ.get("UV_DEFAULT_INDEX") else "PIP_INDEX_URL"
    # uv also takes NAME=URL: https://docs.astral.sh/uv/concepts/indexes/
    url = re.sub(r"^[\w.-]+=", "", os.environ.get(variable, "").strip())
    if url and (wrong := address_problem(url)):
        raise BuildError(f"{variable} cannot be used: {public_url(url)} {wrong}")
    return url or None


def _endpoint(index_url: str | None) -> str:
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    return without_login(index_url) if index_url else PYPI_SIMPLE_ENDPOINT


def _host() -> str:
    """The index as messages name it."""
    return "the package index at " + urlsplit(_endpoint(_index_url())).netloc


@functools.cache
def _session(index_url: str | None) -> requests.Session:
    from requests.auth import HTTPBasicAuth

    made = network.make_session()
    parts = urlsplit(index_url or "")
    if parts.username is not None:
        basic = HTTPBasicAuth(unquote(parts.username), unquote(parts.password or ""))

        def authenticate(request: requests.PreparedRequest) -> requests.PreparedRequest:
            # Files may be on another host, which must not see the password.
            asked = urlsplit(request.url or "")
            same = (asked.scheme, asked.hostname, asked.port) == (
                parts.scheme,
                parts.hostname,
                parts.port,
            )
            return basic(request) if same else request

        made.auth = authenticate
    return made


@functools.cache
def _files(index_url: str | None, name: str) -> Sequence[DistributionPackage]:
    """The files on a project's page, asked for once in a run."""
    import pydantic
    import requests
    from pypi_simple import (
        NoSuchProjectError,
        PyPISimple,
        UnsupportedContentTypeError,
        UnsupportedRepoVersionError,
    )

    client = PyPISimple(_endpoint(index_url), session=_session(index_url))
    address = public_url(client.get_project_url(name))
    try:
        page = network.within(
            network.ANSWER_TIMEOUT_S,
            lambda: client.get_project_page(name, timeout=network.timeouts()),
        )
    except NoSuchProjectError as error:
        raise BuildError(f"{_host()} has no project {name}, check its name") from error
    except (
        UnsupportedContentTypeError,
        UnsupportedRepoVersionError,
        requests.JSONDecodeError,
        pydantic.ValidationError,
    ) as error:
        raise BuildError(
            f"{address} did not answer as a package index does: check UV_DEFAULT_INDEX and "
            "PIP_INDEX_URL, or log in where the network wants it"
        ) from error
    except (OSError, ValueError) as error:  # requests' exceptions are OSErrors
        why = network.reason(error, address)
        raise BuildError(f"{name} could not be looked up at {address}: {why}") from error
    # A name with a folder in it would be written outside the cache.
    return [file for file in page.packages if not re.search(r"[/\\:]", file.filename)]


def _distribution(file: DistributionPackage) -> Distribution:
    return Distribution(file.url, file.filename, file.digests.get("sha256"), file.size)


def _is_version(file: DistributionPackage, version: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return file.version is not None and Version(file.version) == Version(version)
    except InvalidVersion:
        return file.version == version


def _is_kind(file: DistributionPackage, kind: str, platform: str | None) -> bool:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    if file.package_type != kind:
        return False
    if kind == "sdist" or platform is None:
        return True
    try:
        tags = parse_wheel_filename(file.filename)[3]
    except InvalidWheelFilename:
        return False
    return any(tag.platform in (platform, "any") for tag in tags)


def _mention(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MENTIONED]) or "nothing"
    hidden = len(names) - MENTIONED
    return f"{shown} and {hidden} more" if hidden > 0 else shown
