"""Addresses: how they are shown, and which of them nobody in the network can alter."""

import ipaddress
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s\"'<>]*)", re.I)


def public_url(text: str) -> str:
    """A text without the secrets of the addresses in it: fit for a message or a file.

    User names and passwords are left out. So are the values after a "?", by which stores give
    access to a file for a while.
    """
    return _ADDRESS.sub(lambda match: match[1] + _public(match[2]), text)


def without_login(url: str) -> str:
    """An address to ask, without the user name and password that it may carry."""
    return re.sub(r"//[^/?#]*@", "//", url)


def _public(rest: str) -> str:
    place, question, _ = rest.partition("?")
    host, slash, path = place.partition("/")
    return host.rpartition("@")[2] + slash + path + ("?..." if question else "")


def address_problem(url: str) -> str | None:
    """Why nothing can be asked for at an address, or None."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        return f"is no address: {public_url(str(error))}"
    if parts.scheme not in ("http", "https") or not host:
        return "is not a complete http or https address"
    if any(ord(letter) <= 0x20 for letter in url):
        return "has a blank in it: write it as %20"
    return None


def local_file(url: str) -> Path | None:
    """The file of this machine that a file:///... address is of; None for another address.

    https://www.rfc-editor.org/rfc/rfc8089
    """
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" and not parts.netloc else None


def file_problem(url: str) -> str | None:
    """Why a file cannot be had from an address, or None."""
    if url.startswith("file:"):
        path = local_file(url)
        if path is None or not path.is_absolute():
            return "is not a complete address of a file: it begins with file:///"
    elif wrong := address_problem(url):
        return wrong
    name = file_name(url)
    if not name or name in (".", "..") or re.search(r"[\x00-\x1f/\\:]", name):
        return "does not end in the name of a file"
    return None


def file_name(url: str) -> str:
    """The name of the file that an address is of."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


def cannot_be_altered_on_the_way(url: str) -> bool:
    """Whether nobody in the network can alter what comes from there: TLS, or this machine."""
    parts = urlsplit(url)
    if parts.scheme in ("https", "file"):
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
