"""What a kind of remote must be able to do, and the choice of the one that fits an address."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tydust_assetgen.remote.address import Address


class Transport(Protocol):
    """Moves bytes by their names. Used from several threads at once.

    Everything may raise `RemoteError`, or whatever its library raises: the caller knows how to say it.
    """

    def get(self, name: str, max_bytes: int) -> bytes | None:
        """The content; `None` when there is no such name.

        Raises:
            DistrustError: there are more bytes.
        """
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a name."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Keep content under a name, whole or not at all."""
        ...


def open_transport(address: Address, root: Path, timeout_s: float) -> Transport:
    """The way to a remote.

    Args:
        address: where.
        root: what a relative path starts from.
        timeout_s: limit of one request, in seconds.

    Raises:
        RemoteError: what it needs is not installed, or it can't be reached.
    """
    match address.scheme:
        case "directory":
            from tydust_assetgen.remote.directory import Directory

            return Directory(root / Path(address.path).expanduser())
        case "http" | "https":
            from tydust_assetgen.remote.http import Http

            return Http(address, timeout_s)
        case "sftp":
            from tydust_assetgen.remote.sftp import Sftp

            return Sftp(address, timeout_s)
        case "s3" | "gs" | "az":
            from tydust_assetgen.remote.buckets import Bucket

            return Bucket(address, timeout_s)
