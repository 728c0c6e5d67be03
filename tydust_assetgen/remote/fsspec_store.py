"""A remote in a bucket: S3 and what speaks like it, Google Cloud Storage, or Azure Blob Storage, through fsspec.

Credentials, regions and endpoints are found as each provider's own tools find them.
"""

from __future__ import annotations

from typing import Any

from tydust_assetgen.remote import DistrustError, RemoteError
from tydust_assetgen.remote.address import Address

_PROTOCOLS = {"s3": ("s3", "s3fs"), "gs": ("gcs", "gcsfs"), "az": ("az", "adlfs")}


class Bucket:
    """Satisfies `Transport`."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._base = "/".join(filter(None, (address.host, address.path)))
        self._files = _files(address, timeout_s)

    def get(self, name: str, max_bytes: int) -> bytes | None:
        try:
            data: bytes = self._files.cat_file(f"{self._base}/{name}", start=0, end=max_bytes + 1)
        except FileNotFoundError:
            return None
        if len(data) > max_bytes:
            raise DistrustError("it is larger than it should be")
        return data

    def has(self, name: str) -> bool:
        return bool(self._files.exists(f"{self._base}/{name}"))

    def put(self, name: str, data: bytes) -> None:
        self._files.pipe_file(f"{self._base}/{name}", data)  # buckets show an object when it is whole


def _files(address: Address, timeout_s: float) -> Any:
    protocol, package = _PROTOCOLS[address.scheme]
    more: dict[str, Any] = {}
    if protocol == "s3":
        limit = {"connect_timeout": min(5.0, timeout_s), "read_timeout": timeout_s, "retries": {"max_attempts": 2}}
        more = {"config_kwargs": limit}
    try:
        import fsspec

        return fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **more)
    except ImportError:
        hint = 'pip install "tydust-assetgen[remote]"'
        raise RemoteError(f"`{address.scheme}:` needs the package {package}, which is not here", hint) from None
