"""A remote on an HTTP or HTTPS server: GET, HEAD and PUT, as ccache and Bazel use them.

Redirects are not followed: where they lead, our credentials are not known. Proxies are those of the environment.
"""

from __future__ import annotations

import base64
import netrc
import os
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import urllib3

from tydust_assetgen.remote import DistrustError, RemoteError
from tydust_assetgen.remote.address import Address

CONNECT_S = 5.0
_AT_ONCE = 16
_CHUNK_BYTES = 1 << 18
_FULL = (413, 507)
_READ_ONLY = "`read_only = true` under `[cache]`, or `ASSETGEN_CACHE_READ_ONLY=1`, stops uploads from here"
_LOGIN = "credentials come from your `.netrc`, or from `ASSETGEN_CACHE_TOKEN`"
_NOT_IN_THE_CLEAR = "credentials go over plain `http:` only to an address that stands in `ASSETGEN_CACHE_REMOTE`"


class Http:
    """Satisfies `Transport`."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._base = address.shown
        self._discreet = address.discreet or address.named_by_user
        self._headers = {"User-Agent": "assetgen", "Accept-Encoding": "identity"}
        self._headers |= authorization(address, os.environ)
        self._pool = _pool(address, min(CONNECT_S, timeout_s), timeout_s)

    def get(self, name: str, max_bytes: int) -> bytes | None:
        with self._ask("GET", name) as answer:
            if answer.status in (404, 410):
                return None
            self._check(answer, (200,))
            return _at_most(answer, max_bytes)

    def has(self, name: str) -> bool:
        """A server that doesn't know HEAD is told everything once more."""
        with self._ask("HEAD", name) as answer:
            if answer.status in (404, 405, 410, 501):
                return False
            self._check(answer, (200, 204))
            return True

    def put(self, name: str, data: bytes) -> None:
        with self._ask("PUT", name, data) as answer:
            if answer.status in _FULL:
                raise RemoteError(f"it is full (HTTP {answer.status})")
            if answer.status in (401, 403, 405):
                raise RemoteError(f"it takes no uploads from here (HTTP {answer.status})", _READ_ONLY)
            self._check(answer, (200, 201, 202, 204))

    def _check(self, answer: urllib3.BaseHTTPResponse, well: tuple[int, ...]) -> None:
        status = answer.status
        if status in well:
            return
        if status in (401, 403, 407):
            raise RemoteError(f"it lets us not in (HTTP {status})", _LOGIN if self._discreet else _NOT_IN_THE_CLEAR)
        if 300 <= status < 400:
            raise RemoteError(f"it sends us elsewhere (HTTP {status})", "name the address that it leads to")
        raise RemoteError(f"it answers with HTTP {status}")

    @contextmanager
    def _ask(self, method: str, name: str, body: bytes | None = None) -> Iterator[urllib3.BaseHTTPResponse]:
        retries = urllib3.Retry(total=1, connect=0, read=1, redirect=False, status=0, other=0)  # a stale connection
        try:
            answer = self._pool.request(
                method,
                f"{self._base}/{name}",
                body=body,
                headers=self._headers,
                preload_content=False,
                redirect=False,
                retries=retries,
            )
            try:
                yield answer
                answer.drain_conn()
            finally:
                answer.close() if answer.connection is not None else answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise RemoteError(_words(error)) from None


def _pool(address: Address, connect_s: float, timeout_s: float) -> urllib3.PoolManager:
    timeout = urllib3.Timeout(connect=connect_s, read=timeout_s)
    proxy = urllib.request.getproxies().get(address.scheme)
    if not proxy or urllib.request.proxy_bypass(address.host):
        return urllib3.PoolManager(maxsize=_AT_ONCE, timeout=timeout)
    login = urlsplit(proxy)
    words = f"{unquote(login.username)}:{unquote(login.password or '')}" if login.username else None
    headers = urllib3.make_headers(proxy_basic_auth=words)
    place = f"{login.scheme}://{login.netloc.rpartition('@')[2]}"
    return urllib3.ProxyManager(place, maxsize=_AT_ONCE, timeout=timeout, proxy_headers=headers)


def _at_most(answer: urllib3.BaseHTTPResponse, max_bytes: int) -> bytes:
    pieces, total = list[bytes](), 0
    while piece := answer.read(_CHUNK_BYTES, decode_content=False):
        total += len(piece)
        if total > max_bytes:
            raise DistrustError("it is larger than it should be")
        pieces.append(piece)
    return b"".join(pieces)


def _words(error: urllib3.exceptions.HTTPError) -> str:
    """The library's own words hold the whole URL."""
    cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    match cause:
        case urllib3.exceptions.NameResolutionError():
            return "its name is not known"
        case urllib3.exceptions.NewConnectionError():
            return "it can't be reached"
        case urllib3.exceptions.ConnectTimeoutError() | urllib3.exceptions.ReadTimeoutError():
            return "no answer in time"
        case urllib3.exceptions.SSLError():
            return "its certificate or its TLS is not right"
        case urllib3.exceptions.ProxyError():
            return "the proxy can't be reached"
        case urllib3.exceptions.ProtocolError():
            return "the connection broke off"
    return type(cause).__name__


TOKEN = "ASSETGEN_CACHE_TOKEN"  # noqa: S105  the name of a variable
"""`HOST=TOKEN`: bound to a host, so that no manifest can send it elsewhere."""


def authorization(address: Address, environment: Mapping[str, str]) -> dict[str, str]:
    """The header, or none. What belongs to a host goes to no other; and where others can read along, it goes only to an
    address that the user's own environment has: a manifest could say `http:` of a host that is asked by `https:`.

    Raises:
        RemoteError: the netrc file can't be read.
    """
    if not (address.discreet or address.named_by_user):
        return {}
    host, _, token = environment.get(TOKEN, "").partition("=")
    if token and host.strip().lower() in (address.host, f"{address.host}:{address.port}"):
        return {"Authorization": f"Bearer {token.strip()}"}
    found = (address.user, address.password) if address.user else _from_netrc(address.host, environment)
    if not found:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(found).encode()).decode()}


def _from_netrc(host: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Of this very host: `default` in a netrc file names none, and would go to whatever a manifest names."""
    named = environment.get("NETRC", "")
    home = Path(os.path.expanduser("~"))
    files = [Path(named)] if named else [home / ".netrc", home / "_netrc"]
    file = next((file for file in files if file.is_file()), None)
    try:
        found = netrc.netrc(str(file)).hosts.get(host) if file else None
    except (OSError, netrc.NetrcParseError):
        raise RemoteError("the netrc file can't be read") from None
    return (found[0], found[2] or "") if found else None
