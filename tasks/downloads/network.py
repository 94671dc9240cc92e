"""HTTP as this project uses it: one kind of session, and failures in a reader's words."""

from __future__ import annotations

import queue
import re
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar, cast

from tasks.core.urls import address_problem, public_url

if TYPE_CHECKING:
    import requests

Answer = TypeVar("Answer")

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
BACKOFF_S = 1.0  # the first pause; later ones grow
CONNECT_RETRIES = 2  # few: a host that cannot be reached should give way to the next source
STATUS_RETRIES = 4
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
RETRY_AFTER_MAX_S = 60
ANSWER_TIMEOUT_S = 600.0  # for an answer's headers or a page, all retries and redirects included
# A server that is slower than this, for as long as that, should give way to the next source.
SLOWEST_BYTES_PER_S = 1000
SLOWNESS_ENDURED_S = 60.0


def make_session() -> requests.Session:
    """A session that retries failed connections, 429 and 5xx (with Retry-After), never other 4xx.

    Proxies and certificates are taken from the environment, as requests does.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=None,
        connect=CONNECT_RETRIES,
        read=CONNECT_RETRIES,
        status=STATUS_RETRIES,
        other=0,
        status_forcelist=RETRIED_STATUSES,
        allowed_methods={"GET"},
        backoff_factor=BACKOFF_S,
        retry_after_max=RETRY_AFTER_MAX_S,
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns or raises; TimeoutError if it takes longer.

    The time limits of a read begin anew with every byte, so that a server can hold a client for
    hours with its headers alone. There is no other way to give up on it than not to wait.
    """
    answers: queue.SimpleQueue[tuple[Answer | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((ask(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no whole answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return cast(Answer, answer)


def timeouts() -> tuple[float, float]:
    """Seconds to wait for a connection, and for each piece of an answer."""
    return CONNECT_TIMEOUT_S, READ_TIMEOUT_S


def reason(error: Exception, url: str) -> str:
    """Say in one clause, for a reader, why a request failed.

    Args:
        error: what requests or urllib3 raised.
        url: what was asked for; after a redirect, the address in the error is used instead.
    """
    import requests
    from urllib3 import exceptions as urllib3

    if type(error) is TimeoutError and error.errno is None and error.args:
        return str(error)  # of `within`
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return status_reason(error.response.status_code, error.response.reason)
    check_proxy = "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    chain = _causes(error)
    bad_proxy = (requests.exceptions.InvalidProxyURL, urllib3.ProxySchemeUnknown)
    # Without its extra for SOCKS, requests has no exception of its own for it.
    if any(isinstance(cause, bad_proxy) for cause in chain) or "SOCKS" in str(error):
        return f"the proxy cannot be used ({public_url(str(error)).rstrip('.')}), {check_proxy}"
    if isinstance(error, ValueError):  # MissingSchema, InvalidSchema, InvalidURL
        if address_problem(url) is None:  # so it is another one
            return _other_address(error, check_proxy)
        return "this is not a complete http or https address"
    asked = getattr(getattr(error, "request", None), "url", None) or url
    host = re.sub(r"^[^/]*//([^/?#]*).*", r"\1", public_url(asked))
    innermost = getattr(chain[-1], "strerror", None) or chain[-1]
    # From the particular to the general: a refused connection is a connection error, too.
    explanations: list[tuple[tuple[type[BaseException], ...], str]] = [
        (
            (urllib3.ProxyError,),
            f"the proxy failed ({innermost}), {check_proxy}",
        ),
        (
            (socket.gaierror,),
            f"the name {host} cannot be resolved: no network, or it needs a proxy (HTTPS_PROXY)",
        ),
        (
            (urllib3.SSLError,),
            f"no trusted TLS connection to {host} ({innermost}), where the network inspects TLS "
            "set REQUESTS_CA_BUNDLE to its certificates",
        ),
        (
            (ConnectionRefusedError,),
            f"{host} refused the connection: nothing listens there, or a firewall is in the way",
        ),
        ((urllib3.ConnectTimeoutError,), f"no connection to {host} within {CONNECT_TIMEOUT_S:g} s"),
        ((urllib3.ReadTimeoutError, TimeoutError), f"{host} sent nothing for {READ_TIMEOUT_S:g} s"),
        ((requests.TooManyRedirects,), f"{host} redirects in a circle"),
        ((urllib3.ProtocolError,), f"{host} dropped the connection"),
    ]
    for types, explanation in explanations:
        if any(isinstance(cause, types) for cause in chain):
            return explanation
    return f"no answer from {host} ({innermost})"


def _other_address(error: Exception, check_proxy: str) -> str:
    """Why a request failed whose own address is right: a redirect's is not, or the proxy's."""
    said = public_url(" ".join(str(error).split())).rstrip(".")
    if "No connection adapters" in said:
        return (
            f"it redirects to an address that is not http or https ({said.rpartition(' for ')[2]})"
        )
    return (
        f"the address that it redirects to, or that of the proxy, is none ({said}), {check_proxy}"
    )


def status_reason(status: int, phrase: str) -> str:
    """Say in one clause what an HTTP status means for the reader."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        hint = "access is refused, by the server or by a filter in the network"
    elif status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        hint = "it is not there, it may have moved"
    elif status in RETRIED_STATUSES:
        hint = f"also after {STATUS_RETRIES} retries, try again later"
    else:
        hint = "the server does not give it out"
    return f"HTTP {status} {phrase}".strip() + f": {hint}"


def _causes(error: BaseException) -> list[BaseException]:
    """`error` and what is behind it, outermost first: requests nests its causes in several ways."""
    chain = [error]
    for known in chain:  # grows while it is walked
        inner = (getattr(known, "reason", None), *known.args, known.__cause__, known.__context__)
        for cause in inner:
            if isinstance(cause, BaseException) and not any(cause is other for other in chain):
                chain.append(cause)
    return chain
