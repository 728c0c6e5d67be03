"""The store's records: which content belongs to a key, and what is known of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from tydust_assetgen.audio import LoopPoints
from tydust_assetgen.flow import Facts, Provenance, Verified
from tydust_assetgen.system import digest_bytes

Kind: TypeAlias = Literal["takes", "masters", "outputs"]
KINDS: tuple[Kind, ...] = ("takes", "masters", "outputs")


class StoredAudio(msgspec.Struct, frozen=True, kw_only=True):
    """Where samples lie: an object of little-endian float32, one channel after the other."""

    digest: str
    channels: int
    frames: int
    rate_hz: int


class TakeRecord(msgspec.Struct, frozen=True, kw_only=True):
    audio: StoredAudio
    facts: Facts
    provenance: Provenance
    notes: tuple[str, ...] = ()


class MasterRecord(msgspec.Struct, frozen=True, kw_only=True):
    audio: StoredAudio
    loop: LoopPoints | None
    facts: Facts
    provenance: Provenance
    notes: tuple[str, ...]


class OutputRecord(msgspec.Struct, frozen=True, kw_only=True):
    verified: Verified
    facts: Facts
    provenance: Provenance


Record: TypeAlias = TakeRecord | MasterRecord | OutputRecord


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What `gc` did, in bytes and counts."""

    removed: int
    freed_bytes: int
    kept: int
    kept_bytes: int


def digest_in(record: Record) -> str:
    """Of the content that a record names."""
    return record.verified.digest if isinstance(record, OutputRecord) else record.audio.digest


def is_digest(text: str) -> bool:
    """Records and lock files may come from elsewhere, and digests become paths."""
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)


def with_digest(data: bytes) -> bytes:
    """A record as it lies on the disk: the SHA-256 of its JSON in a line, then the JSON."""
    return digest_bytes(data).encode() + b"\n" + data


def without_digest(data: bytes) -> bytes | None:
    """The JSON of a record, or `None` where a bit of it is another than was written. Records of version 0.1 have no
    digest: they begin with a brace, which no digest does."""
    if data.startswith(b"{"):
        return data
    digest, _, rest = data.partition(b"\n")
    return rest if digest == digest_bytes(rest).encode() else None
