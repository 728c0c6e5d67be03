"""Finds damage in FLAC files (RFC 9639) without decoding them, and reads and writes their header and tags.

Every frame carries a CRC-16 over all its bytes; the header says how many samples there are. A frame does not say how
long it is: it ends where the next header begins and the checksum fits. Frames need not be numbered from zero: who cuts
or joins files without encoding them again leaves the numbers as they were.
The tags before the frames carry no checksum: a flipped bit in a title stays unseen here, as in every FLAC tool.
The MD5 of the samples is checked where they are decoded, in `decoding.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tydust_assetgen.codec.containers.crc import crc8, crc16
from tydust_assetgen.codec.tags import id3, refuse_many, vorbis
from tydust_assetgen.errors import CodecError

_PADDING, _COMMENTS = 1, 4
_MOST_FALSE_STARTS = 64
"""How many sound headers may stand inside one frame, before we call it hostile; one in 2^22 places is one by chance."""
_MOST_FALSE_MARKS = 4096
"""And how many places with a header's first two bytes."""
_MOST_FRAME_BYTES = 1 << 24
"""No longer frame can be written into the header (RFC 9639, section 8.2)."""


class StreamInfo(NamedTuple):
    """What the first metadata block says (RFC 9639, section 8.2)."""

    rate_hz: int
    channels: int
    bits: int
    frames: int
    """Samples per channel; 0 when the encoder did not know."""
    md5: bytes
    audio: int
    """Where the first frame begins, in the file."""


class _Block(NamedTuple):
    kind: int
    start: int
    """Of the content, in the file."""
    end: int


class _Frame(NamedTuple):
    blocks: int
    """Samples per channel."""
    length: int
    """Of the header."""


def damage(data: bytes) -> str:
    """What is broken in a FLAC file; empty when it is whole."""
    try:
        facts = stream_info(data)
        found = sum(_walk(data, facts.audio, id3.trailing_start(data)))
    except CodecError as broken:
        return str(broken)
    if found < facts.frames:
        return f"truncated: {found} samples of {facts.frames} are there"
    return ""


def stream_info(data: bytes) -> StreamInfo:
    """The facts of a FLAC file's header, and where its audio begins."""
    blocks = list(_blocks(data))
    first, audio = blocks[0].start, blocks[-1].end
    packed = int.from_bytes(data[first + 10 : first + 18], "big")
    shape = (packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & 0xFFFFFFFFF)
    return StreamInfo(*shape, data[first + 18 : first + 34], audio)


def tags(data: bytes) -> dict[str, str]:
    """The Vorbis comments of the first block that has them."""
    return vorbis.comments(_comments(data))


def with_tags(data: bytes, values: Mapping[str, str]) -> bytes:
    """The same file with these comments, as its second block, in place of its own; and without padding."""
    comments = vorbis.block(values, vorbis.vendor(_comments(data)))
    blocks = list(_blocks(data))
    kept = [(block.kind, data[block.start : block.end]) for block in blocks if block.kind not in (_PADDING, _COMMENTS)]
    parts = [kept[0], (_COMMENTS, comments), *kept[1:]]
    header = b"".join(_block(*part, last=part is parts[-1]) for part in parts)
    return b"".join((b"fLaC", header, data[blocks[-1].end :]))


def _comments(data: bytes) -> bytes:
    """The content of the comment block, an empty one where there is none."""
    found = (data[block.start : block.end] for block in _blocks(data) if block.kind == _COMMENTS)
    return next(found, vorbis.block({}, b""))


def _blocks(data: bytes) -> Iterator[_Block]:
    """The metadata blocks (RFC 9639, section 8), the first of which holds the stream's facts."""
    position = id3.end_of_all(data)
    if data[position : position + 4] != b"fLaC" or data[position + 4 : position + 5] not in (b"\0", b"\x80"):
        raise CodecError("this is no FLAC file")
    position, last, count = position + 4, False, 0
    while not last:
        refuse_many(count)
        end = position + 4 + int.from_bytes(data[position + 1 : position + 4], "big")
        if position + 4 > len(data) or end > len(data):
            raise CodecError(f"truncated at byte {len(data)}, before the audio")
        last = data[position] >= 0x80
        yield _Block(data[position] & 0x7F, position + 4, end)
        position, count = end, count + 1


def _block(kind: int, content: bytes, *, last: bool) -> bytes:
    if len(content) >= 1 << 24:
        raise CodecError("the tags are too long for FLAC, which takes 16 MB")
    return bytes([kind | 0x80 * last]) + len(content).to_bytes(3, "big") + content


def _walk(data: bytes, position: int, end: int) -> Iterator[int]:
    """The samples per channel of each frame, in order."""
    frame = _header(data, position)
    while position < end:
        if frame is None:
            raise CodecError(f"no frame begins at byte {position}")
        start = position
        position, after = _next(data, start, frame, end)
        if after is None and crc16(data[start:position]) != 0:
            raise CodecError(f"the checksum of the last frame, at byte {start}, is wrong")
        yield frame.blocks
        frame = after


def _next(data: bytes, position: int, frame: _Frame, end: int) -> tuple[int, _Frame | None]:
    """Where this frame ends by its checksum, and the header after it; or the end of the audio, unchecked.

    Zeros behind the last frame change nothing about its checksum, as it is a remainder.
    """
    start, heads = position + frame.length, 0
    mark, last = data[position : position + 2], min(end, position + _MOST_FRAME_BYTES)
    for _ in range(_MOST_FALSE_MARKS):
        start = data.find(mark, start + 1, last)
        if start < 0:
            return end, None
        after = _header(data, start)
        heads += after is not None
        if after is not None and crc16(data[position:start]) == 0:
            return start, after
        if heads > _MOST_FALSE_STARTS:
            break
    raise CodecError(f"the frame at byte {position} has no end")


def _header(data: bytes, start: int) -> _Frame | None:
    """The header of a frame (RFC 9639, section 9.1), if a sound one stands at `start`."""
    head = data[start : start + 16].ljust(16, b"\0")
    blocks, rate = head[2] >> 4, head[2] & 15
    position = _after_number(head)
    if head[0] != 0xFF or head[1] & 0xFE != 0xF8 or blocks == 0 or rate == 15 or not position:
        return None
    extra = {6: 1, 7: 2}.get(blocks, 0)
    size = int.from_bytes(head[position : position + extra], "big") + 1 if extra else _block_size(blocks)
    position += extra + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    return _Frame(size, position + 1) if crc8(head[:position]) == head[position] else None


def _block_size(code: int) -> int:
    return 192 if code == 1 else 576 << (code - 2) if code <= 5 else 256 << (code - 8)


def _after_number(head: bytes) -> int:
    """What follows the frame's number, which is coded as UTF-8 stretched to 36 bits; 0 when it is none."""
    first = head[4]
    if first < 0x80:
        return 5
    more = 7 - (first ^ 0xFF).bit_length()
    return 5 + more if 1 <= more <= 6 else 0
