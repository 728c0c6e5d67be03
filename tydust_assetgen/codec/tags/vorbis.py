"""Reads and writes Vorbis comments, the tags of OGG Vorbis, Opus and FLAC.

Source: Vorbis I specification, section 5 (Xiph.Org, 2020); RFC 7845, section 5.2 for Opus; RFC 9639, section 8.6 for
FLAC. The three differ only in what stands around the block, which is the business of their own modules.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from tydust_assetgen.codec.tags import refuse_large, refuse_many
from tydust_assetgen.errors import CodecError

_SIZE = struct.Struct("<I")


def block(values: Mapping[str, str], vendor: bytes) -> bytes:
    """A comment block. Names are printable ASCII without `=`; texts may hold anything."""
    comments = [f"{name}={text}".encode() for name, text in values.items()]
    return b"".join((_sized(vendor), _SIZE.pack(len(comments)), *map(_sized, comments)))


def vendor(data: bytes) -> bytes:
    """Who encoded the file, which stands at the front of a comment block."""
    return _piece(data, 0)


def comments(data: bytes) -> dict[str, str]:
    """The comments of a block by their names in upper case; of one name the first. What follows them is ignored.

    Raises:
        CodecError: the block ends before its comments do, or they are too many.
    """
    refuse_large(len(data))
    found: dict[str, str] = {}
    for comment in _comments(data):
        name, equals, text = comment.decode("utf-8", "replace").partition("=")
        if equals:
            found.setdefault(name.upper(), text)
    return found


def _comments(data: bytes) -> Iterator[bytes]:
    position = _SIZE.size + len(_piece(data, 0))
    count = _number(data, position)
    refuse_many(count)
    position += _SIZE.size
    for _ in range(count):
        comment = _piece(data, position)
        yield comment
        position += _SIZE.size + len(comment)


def _sized(data: bytes) -> bytes:
    return _SIZE.pack(len(data)) + data


def _piece(data: bytes, position: int) -> bytes:
    length = _number(data, position)
    start = position + _SIZE.size
    if start + length > len(data):
        raise CodecError("its comments are cut")
    return data[start : start + length]


def _number(data: bytes, position: int) -> int:
    if position + _SIZE.size > len(data):
        raise CodecError("its comments are cut")
    number: int = _SIZE.unpack_from(data, position)[0]
    return number
