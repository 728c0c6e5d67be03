"""Encode a master into the bytes of an audio file, and decode such bytes.

Importing this package loads neither numpy nor an encoder: `encode` and `decode` load what they need when they are
called. The other functions work with the standard library alone.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from tydust_assetgen.codec.formats import (
    CONTAINERS,
    EXTENSIONS,
    MAX_BYTES,
    MAX_DURATION_S,
    ONLY_READ,
    OPUS_RATE_HZ,
    Decoded,
    Tags,
    available,
    codec_of,
    damage,
    delivered,
    objection,
)

if TYPE_CHECKING:
    from tydust_assetgen.audio import Audio
    from tydust_assetgen.flow import Codec, Master, Output

__all__ = [
    "CODEC_VERSION",
    "CONTAINERS",
    "EXTENSIONS",
    "MAX_BYTES",
    "MAX_DURATION_S",
    "ONLY_READ",
    "OPUS_RATE_HZ",
    "Decoded",
    "Tags",
    "available",
    "codec_of",
    "damage",
    "decode",
    "decode_reference",
    "delivered",
    "encode",
    "objection",
]

CODEC_VERSION = "1"
"""Goes into the output key: a new version means other bytes from the same master."""


def encode(master: Master, output: Output, tags: Tags) -> bytes:
    """Encode a master. The same master, output and tags give the same bytes, in whatever process.

    Raises:
        CodecError: the codec can't do what the output asks for, or the encoder failed.
        UnavailableError: the codec needs ffmpeg, and there is none.
    """
    from tydust_assetgen.codec import encoding

    return encoding.encode(master, output, tags)


def decode(data: bytes, codec: Codec, *, max_duration_s: float = MAX_DURATION_S) -> Decoded:
    """Decode a whole file, audio as float32 in ±1.0.

    Raises:
        CodecError: it is damaged, of another codec, larger than `MAX_BYTES` or longer than `max_duration_s`.
        UnavailableError: the codec needs ffmpeg, and there is none.
    """
    from tydust_assetgen.codec import decoding

    return decoding.decode(data, codec, max_duration_s)


def decode_reference(data: bytes, path: str, *, max_duration_s: float) -> Audio:
    """Decode a sound that is to be followed, of which only the samples matter: also one of `ONLY_READ`.

    Raises:
        CodecError: it is damaged, of another codec than its name says, larger than `MAX_BYTES` or too long.
        UnavailableError: the codec needs ffmpeg, and there is none.
    """
    if codec := codec_of(path):
        return decode(data, codec, max_duration_s=max_duration_s).audio
    from tydust_assetgen.codec import decoding

    return decoding.decode_other(data, PurePath(path).suffix[1:].lower(), max_duration_s)
