"""Reads Ogg pages (RFC 3533), finds damage, and rewrites comments and serial numbers.

Every byte of an Ogg file lies in a page and every page carries a checksum, so that no flipped bit and no cut
goes unnoticed. Encoders draw the stream's serial number at random; `with_serial_from_content` replaces it.
The comments stand in the second packet, whatever pages it takes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tydust_assetgen.codec.containers.crc import crc32_ogg
from tydust_assetgen.codec.tags import id3, refuse_large, refuse_many, vorbis
from tydust_assetgen.errors import CodecError

_CAPTURE = b"OggS"
_HEADER = struct.Struct("<4sBBqIIIB")
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_UNKNOWN_POSITION = -1
_LARGEST = 0xFFFFFFFF
"""After it pages are numbered from zero again."""
MAGIC = {"ogg": b"\x01vorbis", "opus": b"OpusHead"}
_CONTENTS = {
    b"\x01vorbis": "Vorbis",
    b"OpusHead": "Opus",
    b"\x7fFLAC": "FLAC",
    b"Speex   ": "Speex",
    b"\x80theora": "video",
    b"fishead\0": "a skeleton",
}
_TAGS_MAGIC = {"ogg": b"\x03vorbis", "opus": b"OpusTags"}
_HEADERS = {"ogg": 3, "opus": 2}
"""Packets before the audio: what it is, its comments and, for Vorbis, its codebooks."""


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


def damage(data: bytes) -> str:
    """What is broken in an Ogg file, whatever is in it; empty when it is whole.

    Streams may run side by side and follow each other. Every stream of the last group has to end.
    """
    numbers: dict[int, int] = {}
    opening = False
    try:
        for page in _pages(data):
            if page.flags & _FIRST:
                numbers = numbers if opening else {}
            elif page.serial not in numbers:
                return "the beginning of the stream is missing"
            elif page.number != numbers[page.serial]:
                return f"page {numbers[page.serial]} is missing"
            opening = bool(page.flags & _FIRST)
            numbers[page.serial] = page.number + 1 & _LARGEST
    except CodecError as broken:
        return str(broken)
    return ""


def links(data: bytes) -> list[bytes]:
    """The streams that follow each other in a file, each as a file of its own: `cat intro.ogg loop.ogg` makes such a
    chain (RFC 3533, section 4), and players play all of it. The file has to be whole: checksums are not looked at."""
    starts, opening, position = list[int](), False, id3.end_of_all(data)
    while data.startswith(_CAPTURE, position):
        page = _page_at(data, position)
        if page.flags & _FIRST and not opening:
            starts.append(page.start)
        opening, position = bool(page.flags & _FIRST), page.end
    return [data[start:end] for start, end in zip(starts, [*starts[1:], position], strict=True)]


def content(data: bytes) -> str:
    """What the first stream is, by its first packet."""
    page = next(_pages(data))
    return next((name for mark, name in _CONTENTS.items() if data.startswith(mark, page.body)), "unknown")


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


def tags(data: bytes, codec: str) -> dict[str, str]:
    """The comments of the first stream, `codec` being one of `MAGIC`."""
    return vorbis.comments(_headers(data, codec).comments)


def with_tags(data: bytes, codec: str, values: Mapping[str, str]) -> bytes:
    """The same single stream with these comments in place of its own: the pages before the audio are made anew.

    The last packet before the audio ends its page (Vorbis I, section A.2; RFC 7845, section 3), so the audio
    keeps its pages and its positions; only their numbers move.
    """
    headers = _headers(data, codec)
    first, *pages = _pages(data)
    alone = first.body == first.start + _HEADER.size + 1  # one segment, which is the first packet
    if not (alone and headers.apart) or any(page.serial != first.serial for page in pages):
        raise CodecError("it is not one stream with its headers and its audio on pages of their own")
    comments = vorbis.block(values, vorbis.vendor(headers.comments))
    framing = b"\x01" if codec == "ogg" else b""  # Vorbis I, section 5.2.1
    made = _paged([_TAGS_MAGIC[codec] + comments + framing, *headers.after], first.serial)
    audio = (page._replace(number=n) for n, page in enumerate(pages[headers.pages - 1 :], start=len(made) + 1))
    return b"".join((data[: first.end], *made, *(_page_with(data, page, page.serial) for page in audio)))


class _Headers(NamedTuple):
    """What stands before the audio."""

    comments: bytes
    """The block of comments, without what marks its packet."""
    after: list[bytes]
    """The packets between the comments and the audio."""
    pages: int
    apart: bool
    """Does the audio begin on a page of its own?"""


def _headers(data: bytes, codec: str) -> _Headers:
    laces, bodies, ended, wanted = bytearray(), bytearray(), 0, _HEADERS[codec]
    for count, page in enumerate(_first_stream(data), start=1):
        refuse_many(count)
        laces += (new := data[page.start + _HEADER.size : page.body])
        bodies += data[page.body : page.end]
        refuse_large(len(bodies))
        ended += sum(lace < 255 for lace in new)
        if ended >= wanted:
            packets = list(_packets(bytes(laces), bytes(bodies)))
            apart = ended == wanted and laces[-1] < 255
            return _Headers(_comment_block(packets[1], codec), packets[2:wanted], count, apart)
    raise CodecError("it ends before its audio begins")


def _first_stream(data: bytes) -> Iterator[Page]:
    serial = None
    for page in _pages(data):
        serial = page.serial if serial is None else serial
        if page.serial == serial:
            yield page


def _packets(laces: bytes, bodies: bytes) -> Iterator[bytes]:
    """The whole packets: each ends at the first lacing value under 255 (RFC 3533, section 5)."""
    start = end = 0
    for lace in laces:
        end += lace
        if lace < 255:
            yield bodies[start:end]
            start = end


def _comment_block(packet: bytes, codec: str) -> bytes:
    if not packet.startswith(_TAGS_MAGIC[codec]):
        raise CodecError("it has no comments where they belong")
    return packet[len(_TAGS_MAGIC[codec]) :]


def _paged(packets: list[bytes], serial: int) -> list[bytes]:
    """These packets on as few pages as they take, numbered from 1; none of them is audio, so positions are zero."""
    laces = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    pages: list[bytes] = []
    bodies, position = b"".join(packets), 0
    for start in range(0, len(laces), 255):
        part = laces[start : start + 255]
        end = position + sum(part)
        flags = _CONTINUED if start and laces[start - 1] == 255 else 0
        granule = 0 if min(part) < 255 else _UNKNOWN_POSITION
        after = bytes([len(part)]) + part + bodies[position:end]
        pages.append(_sealed(flags, granule, serial, len(pages) + 1, after))
        position = end
    return pages


def _pages(data: bytes) -> Iterator[Page]:
    """The pages, up to what is no page where every stream has ended: taggers leave their marks behind the last.

    Raises:
        CodecError: a page is broken, or streams of the last group have no end.
    """
    position = start = id3.end_of_all(data)
    running, opening = frozenset[int](), False
    while position == start or running or _CAPTURE.startswith(data[position : position + 4] or b"-"):
        if position == len(data) and position > start:
            raise CodecError(f"truncated at byte {position}: the stream has no end")
        page = _sound_page(data, position)
        yield page
        running = _running(page, running if opening or not page.flags & _FIRST else frozenset())
        position, opening = page.end, bool(page.flags & _FIRST)


def _running(page: Page, before: frozenset[int]) -> frozenset[int]:
    """The streams that have not ended after this page."""
    return before - {page.serial} if page.flags & _LAST else before | {page.serial}


def _sound_page(data: bytes, start: int) -> Page:
    page = _page_at(data, start)
    if page.crc != crc32_ogg(_without_crc(data, page)):
        raise CodecError(f"the checksum of page {page.number}, at byte {page.start}, is wrong")
    return page


def _page_at(data: bytes, start: int) -> Page:
    if len(data) < start + _HEADER.size:
        raise CodecError(f"truncated at byte {len(data)}, inside a page header")
    capture, version, flags, position, serial, number, crc, segments = _HEADER.unpack_from(data, start)
    if capture != _CAPTURE or version != 0:
        raise CodecError(f"no page begins at byte {start}")
    body = start + _HEADER.size + segments
    end = body + sum(data[start + _HEADER.size : body])
    if end > len(data):
        raise CodecError(f"truncated at byte {len(data)}, inside page {number}")
    return Page(start, end, body, flags, position, serial, number, crc)


def _without_crc(data: bytes, page: Page) -> bytes:
    return b"".join((data[page.start : page.start + 22], bytes(4), data[page.start + 26 : page.end]))


def _page_with(data: bytes, page: Page, serial: int) -> bytes:
    return _sealed(page.flags, page.position, serial, page.number, data[page.start + 26 : page.end])


def _sealed(flags: int, position: int, serial: int, number: int, after: bytes) -> bytes:
    """A page with its checksum, of what stands before that and what stands after it."""
    head = struct.pack("<4sBBqII", _CAPTURE, 0, flags, position, serial, number)
    return b"".join((head, struct.pack("<I", crc32_ogg(head + bytes(4) + after)), after))
