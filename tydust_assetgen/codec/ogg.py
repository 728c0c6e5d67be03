"""Ogg pages (RFC 3533). A file walks in; what is damaged, or the same file under a serial of its own, walks out.

Every byte of an Ogg file lies in a page and every page carries a checksum, so that no flipped bit and no cut
goes unnoticed. Encoders draw the stream's serial number at random; `with_serial_from_content` replaces it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tydust_assetgen.codec.crc import crc32_ogg

_HEADER = struct.Struct("<4sBBqIIIB")
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_UNKNOWN_POSITION = -1
MAGIC = {"ogg": b"\x01vorbis", "opus": b"OpusHead"}


class Page(NamedTuple):
    """One page: where it lies in the file, and its header."""

    start: int
    end: int
    body: int
    """Where its packets begin, in the file."""
    flags: int
    position: int
    """Granule position: samples decoded when this page is done; -1 when no packet ends here."""
    serial: int
    number: int
    crc: int


class _DamageError(Exception):
    """What is wrong with a page, in words."""


def damage(data: bytes, magic: bytes) -> str:
    """What is broken in an Ogg file whose first packet should start with `magic`; empty when it is whole."""
    try:
        pages = list(_pages(data))
    except _DamageError as broken:
        return str(broken)
    if not pages or data[pages[0].body : pages[0].body + len(magic)] != magic:
        return "the stream is of another codec"
    streams: dict[int, list[Page]] = {}
    for page in pages:
        streams.setdefault(page.serial, []).append(page)
    return next(filter(None, map(_stream_damage, streams.values())), "")


def with_serial_from_content(data: bytes) -> bytes:
    """The same stream, its serial number taken from its content, so that encoding twice gives the same bytes."""
    pages = list(_pages(data))
    bodies = hashlib.sha256(b"".join(data[page.body : page.end] for page in pages))
    serials: dict[int, int] = {}
    for page in pages:
        if page.serial not in serials:
            bodies.update(b"stream")
            serials[page.serial] = int.from_bytes(bodies.digest()[:4], "little")
    return b"".join(_page_with(data, page, serials[page.serial]) for page in pages)


def opus_ending_at(data: bytes, frames: int) -> bytes:
    """The same Opus stream, cut after this many frames: the last page's position says where (RFC 7845, section 4.4)."""
    pages = list(_pages(data))
    skipped = int.from_bytes(data[pages[0].body + 10 : pages[0].body + 12], "little")
    last = next(page for page in pages if page.position >= skipped + frames)
    ended = last._replace(flags=last.flags | _LAST, position=skipped + frames)
    return data[: last.start] + _page_with(data, ended, last.serial)


def _pages(data: bytes) -> Iterator[Page]:
    position = 0
    while position < len(data):
        page = _page_at(data, position)
        if page.crc != crc32_ogg(_without_crc(data, page)):
            raise _DamageError(f"the checksum of page {page.number}, at byte {page.start}, is wrong")
        yield page
        position = page.end


def _page_at(data: bytes, start: int) -> Page:
    if len(data) < start + _HEADER.size:
        raise _DamageError(f"truncated at byte {len(data)}, inside a page header")
    capture, version, flags, position, serial, number, crc, segments = _HEADER.unpack_from(data, start)
    if capture != b"OggS" or version != 0:
        raise _DamageError(f"no page begins at byte {start}")
    body = start + _HEADER.size + segments
    end = body + sum(data[start + _HEADER.size : body])
    if end > len(data):
        raise _DamageError(f"truncated at byte {len(data)}, inside page {number}")
    return Page(start, end, body, flags, position, serial, number, crc)


def _without_crc(data: bytes, page: Page) -> bytes:
    return b"".join((data[page.start : page.start + 22], bytes(4), data[page.start + 26 : page.end]))


def _page_with(data: bytes, page: Page, serial: int) -> bytes:
    after = data[page.start + 26 : page.end]
    head = struct.pack("<4sBBqII", b"OggS", 0, page.flags, page.position, serial, page.number)
    return b"".join((head, struct.pack("<I", crc32_ogg(head + bytes(4) + after)), after))


def _stream_damage(pages: list[Page]) -> str:
    for expected, page in enumerate(pages, start=pages[0].number):
        if page.number != expected:
            return f"page {expected} is missing"
    if not pages[0].flags & _FIRST:
        return "the beginning of the stream is missing"
    if not pages[-1].flags & _LAST:
        return f"truncated after page {pages[-1].number}: the stream has no end"
    positions = [page.position for page in pages if page.position != _UNKNOWN_POSITION]
    if any(later < earlier for earlier, later in pairwise(positions)):
        return "positions run backwards"
    return ""
