"""Reads the address of a remote, as a person wrote it.

An address from a manifest never carries a secret, and `shown` never does.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

Scheme: TypeAlias = Literal["directory", "http", "https", "s3", "gs", "az", "sftp"]
_SCHEMES: dict[str, Scheme] = {
    "http": "http",
    "https": "https",
    "s3": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "sftp": "sftp",
    "ssh": "sftp",
}
_KNOWN = "known are a folder, `https:`, `http:`, `s3:`, `gs:`, `az:`, `sftp:`"
_LIKE_A_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_LIKE_A_LOGIN = re.compile(r"[^\s/@]+:[^\s@]*@")
_NO_SECRETS = (
    "a manifest is read by everyone: put them into your `.netrc`, or the whole address into `ASSETGEN_CACHE_REMOTE`"
)


class Address(NamedTuple):
    """A remote's place, taken apart."""

    scheme: Scheme
    shown: str
    """As it may be shown, and as it is asked: without user and password."""
    host: str = ""
    port: int | None = None
    path: str = ""
    """For a directory its path; else what follows the host, without slashes at the ends."""
    user: str = ""
    password: str = ""
    named_by_user: bool = False
    """It comes from the user's own environment, not from a manifest, which may be a stranger's."""

    @property
    def discreet(self) -> bool:
        """Whether nobody on the way can read what is sent: over TLS, or on this machine."""
        return self.scheme != "http" or self.host in ("localhost", "127.0.0.1", "::1")


class Objection(NamedTuple):
    """Why something is no address."""

    message: str
    hint: str = ""


def read_address(text: str, *, secrets: bool = False) -> Address | Objection:
    """Take an address apart.

    Args:
        text: a path, `file:…`, or a URL.
        secrets: whether a user and a password may stand in it: never in a manifest.
    """
    scheme, _, rest = text.strip().partition(":")
    if scheme.lower() == "file":
        return _from_file_url(rest)
    if not text.strip():
        return Objection("it is empty")
    like = _LIKE_A_SCHEME.match(text.strip())
    if not like:
        if _LIKE_A_LOGIN.search(text):
            return Objection(
                "it has a user or a password in it, but no scheme", "such as `https://cache.example.org/game`"
            )
        return Address("directory", text.strip(), path=text.strip())
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        return Objection("it is no URL", "such as `https://cache.example.org/game`")
    if like[1].lower() not in _SCHEMES:
        return Objection(f"there is no remote of the kind `{like[1].lower()}:`", _KNOWN)
    return _objection(url, secrets) or _address(_SCHEMES[like[1].lower()], url, port)


def _from_file_url(rest: str) -> Address | Objection:
    host, _, _ = rest[2:].partition("/") if rest.startswith("//") else ("", "", "")
    path = unquote(rest[2 + len(host) :] if rest.startswith("//") else rest)
    if host not in ("", "localhost"):
        return Objection(f"`file:` names the machine `{host}`", "mount its folder here, and name the path")
    return Address("directory", path, path=path) if path.strip("/") else Objection("`file:` names no folder")


def _objection(url: SplitResult, secrets: bool) -> Objection | None:
    if not url.netloc or not url.hostname:
        return Objection("it names no host or bucket", "such as `s3://bucket/prefix`")
    named = url.username if url.scheme in ("sftp", "ssh") else None  # a user's name alone is no secret there
    if not secrets and url.username is not None and (url.password is not None or named is None):
        return Objection("it has a user or a password in it", _NO_SECRETS)
    if url.query or url.fragment:
        return Objection("it has a `?` or a `#` in it", "keys and tokens belong into the environment")
    return None


def _address(scheme: Scheme, url: SplitResult, port: int | None) -> Address:
    host = url.hostname or ""
    if scheme in ("s3", "gs", "az"):  # the name of a bucket keeps its letters
        host = url.netloc.rpartition("@")[2].partition(":")[0]
    path = url.path.strip("/")
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    shown = f"{scheme}://{place}" + (f"/{path}" if path else "")
    return Address(scheme, shown, host, port, path, unquote(url.username or ""), unquote(url.password or ""))
