"""Reads the frames of an MP3 (ISO/IEC 11172-3 and 13818-3) and finds damage in them.

A frame says how long it is, so that the file can be walked. The first frame may be a `Xing` or `Info` tag, which says
how many frames and bytes there are and, where LAME wrote it, the delay, the padding and a CRC-16 over all frames
(the LAME tag, revision 1): with that, cuts and flipped bits are noticed; without it, only cuts inside a frame are.

Others than LAME write such a tag too, with checksums that are wrong (ffmpeg 5.1 for mono, Lavf's for low rates), and
`mp3gain` changes the frames under it: those are not called broken.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import NamedTuple

from tydust_assetgen.codec.containers.crc import crc16_reflected
from tydust_assetgen.codec.tags import id3
from tydust_assetgen.errors import CodecError

BITRATES_KBPS: dict[int, tuple[int, ...]] = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Layer III, by version: 1 above 24 kHz, 2 at or below."""
RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


_OTHER_KBPS: dict[tuple[int, bool], tuple[int, ...]] = {
    (1, True): tuple(range(32, 449, 32)),
    (1, False): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, True): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, False): BITRATES_KBPS[2],
}
"""Layers I and II, by layer and whether it is version 1: some MP3 are none."""
_LAME = b"LAME3.1"
"""3.100 and later. Before 3.90 there was the name without the checksums, and libsndfile's wheels have 3.100."""
_MOST_TAGS = 4
"""Of each kind in one place; more are not passed over."""
_ZEROS = re.compile(rb"\0*")
_SYNC = re.compile(rb"\xff[\xe2-\xff]")


class Frame(NamedTuple):
    """The header of one frame."""

    length: int
    kbps: int
    rate_hz: int
    channels: int
    samples: int
    tag: int
    """Where the `Xing` tag stands in it, when it has one."""


class Stream(NamedTuple):
    """What a walk over all frames found."""

    start: int
    end: int
    frames: int
    first: Frame
    kbps: float
    """Mean over the frames, which is each frame's own bit rate when it is constant."""

    @property
    def samples(self) -> int:
        """Per channel, delay and padding included: what it decodes to at most."""
        return self.frames * self.first.samples


def objection(kbps: int, rate_hz: int) -> str:
    """What layer III can't do of a bit rate and a sample rate, in words; empty when it can."""
    version = next((version for version, rates in RATES_HZ.items() if rate_hz in rates), None)
    if version is None:
        return f"mp3 has no sample rate of {rate_hz} Hz, take 44100 or 48000"
    choices = BITRATES_KBPS[1 if version == 3 else 2]
    if version == 0:
        choices = tuple(choice for choice in choices if choice <= 64)
    return "" if kbps in choices else f"mp3 has no {kbps} kb/s, take one of {', '.join(map(str, choices))}"


def lame_scale(kbps: int) -> float:
    """What LAME 3.100 multiplies the samples with at a constant bit rate: its presets guard against clipping so."""
    return {192: 0.97, 224: 0.98, 256: 1.0, 320: 1.0}.get(kbps, 0.95)


def damage(data: bytes) -> str:
    """What is broken in an MP3; empty when it is whole."""
    try:
        return "" if _is_free(data) else _tag_damage(data, walk(data))
    except CodecError as broken:
        return str(broken)


def begins(data: bytes) -> bool:
    """Does it begin with two frames of a kind?"""
    start = _after_tags(data, 0)
    first = _header(data, start)
    second = _header(data, start + first.length) if first else None
    return first is not None and second is not None and first.rate_hz == second.rate_hz


def walk(data: bytes) -> Stream:
    """Walk over all frames, from after the tags in front to the end, or to what follows the audio.

    Raises:
        CodecError: it is cut, or something stands between the frames that is neither a tag nor zeros.
    """
    position = start = _after_tags(data, 0)
    end, limit = start, id3.trailing_start(data)
    first = _header(data, start)
    count = kbps = 0
    while position < limit:
        frame = _header(data, position)
        if frame:
            position, count, kbps = position + frame.length, count + 1, kbps + frame.kbps
            end = position
        elif (after := _gap(data, position, first)) > position:
            position = after
        elif count < 2 or _sync(data, position):
            raise CodecError(f"no frame begins at byte {position}")
        else:
            break
    if first is None or end > limit:
        raise CodecError(f"truncated at byte {limit}, inside frame {count}" if first else "this is no MP3")
    return Stream(start, end, count, first, kbps / count)


def with_tags(data: bytes, values: Mapping[str, str]) -> bytes:
    """The same frames under an ID3v2 tag of these values, which replaces every tag in front and behind."""
    return id3.tag(values) + untagged(data)


def untagged(data: bytes) -> bytes:
    """The frames alone."""
    return data[_after_tags(data, 0) : id3.trailing_start(data)]


def _gap(data: bytes, position: int, first: Frame | None) -> int:
    """Where frames go on after tags or zeros; after zeros alone, at the same rate: else the first header is broken."""
    after = _after_tags(data, position)
    frame = _header(data, after) if data.startswith(b"\0", position) else None
    return position if frame and first and frame.rate_hz != first.rate_hz else after


def _after_tags(data: bytes, position: int) -> int:
    """What may stand in front of frames: ID3v2 tags (section 3.1), those at the end of a file before it, and zeros.

    Files are joined by copying one behind the other.
    """
    for _ in range(_MOST_TAGS):
        start, position = position, id3.end_of_all(data, position)
        if position and data.startswith(b"TAG", position):
            position += 128
        if position and data.startswith(b"APETAGEX", position):
            position += 32 + int.from_bytes(data[position + 12 : position + 16], "little")
        zeros = _ZEROS.match(data, position)
        position = zeros.end() if zeros else position
        if position == start:
            break
    return position


def _sync(data: bytes, start: int) -> bool:
    """Do frames go on within 64 KB?"""
    for found in _SYNC.finditer(data, start, start + 65_536):
        frame = _header(data, found.start())
        after = _header(data, found.start() + frame.length) if frame else None
        if frame and after and frame.rate_hz == after.rate_hz:
            return True
    return False


def _is_free(data: bytes) -> bool:
    """Frames of a bit rate that no header tells ("free format", section 2.4.2.3): how long they are, none can say."""
    start = _after_tags(data, 0)
    head = data[start : start + 3]
    free = len(head) == 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 6 and not head[2] >> 4
    return bool(free) and data.find(head[:2] + bytes([head[2] & 0xFD]), start + 4, start + 8192) > 0


def _header(data: bytes, position: int) -> Frame | None:
    if position + 4 > len(data) or data[position] != 0xFF or data[position + 1] & 0xE0 != 0xE0:
        return None
    version, layer, code = data[position + 1] >> 3 & 3, 4 - (data[position + 1] >> 1 & 3), data[position + 2]
    if version == 1 or layer == 4 or not 1 <= code >> 4 <= 14 or code >> 2 & 3 == 3:
        return None
    rate_hz, mono, full = RATES_HZ[version][code >> 2 & 3], data[position + 3] >> 6 == 3, version == 3
    kbps = (BITRATES_KBPS[1 if full else 2] if layer == 3 else _OTHER_KBPS[layer, full])[(code >> 4) - 1]
    samples = 384 if layer == 1 else 1152 if full or layer == 2 else 576
    slot = 4 if layer == 1 else 1
    length = (samples // 8 // slot * kbps * 1000 // rate_hz + (code >> 1 & 1)) * slot
    side = (17 if mono else 32) if full else (9 if mono else 17)
    return Frame(length, kbps, rate_hz, 1 if mono else 2, samples, 4 + side)


def _tag_damage(data: bytes, stream: Stream) -> str:
    """Hold the `Xing`/`Info` tag against what was found (Xing VBR header; LAME tag revision 1).

    There may be more frames than it counts, where files were joined. Others than LAME count the first frame too.
    """
    start = stream.start + stream.first.tag
    if data[start : start + 4] not in (b"Xing", b"Info"):
        return ""
    flags, frames, size = _word(data, start + 4), _word(data, start + 8), 0
    if flags & 2:
        size = _word(data, start + (12 if flags & 1 else 8))
    extension = start + 8 + 4 * (flags & 3).bit_count() + (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    lame = data.startswith(_LAME, extension)
    if flags & 1 and frames > stream.frames - (1 if lame else 0):
        return f"truncated: {stream.frames - 1} frames of {frames} are there"
    if not flags & 1 and size > len(data) + stream.first.length:
        return f"truncated: {len(data)} bytes of {size} are there"
    return _lame_damage(data, stream, extension, joined=frames != stream.frames - 1) if lame else ""


def _lame_damage(data: bytes, stream: Stream, start: int, *, joined: bool) -> str:
    if start + 36 > stream.start + stream.first.length or _is_gained(data, stream):
        return ""
    music, tag = struct.unpack_from(">HH", data, start + 32)
    if tag and tag != crc16_reflected(data[stream.start : start + 34]):
        return "the checksum of its `Info` tag is wrong"
    if music and not joined and music != crc16_reflected(data[stream.start + stream.first.length : stream.end]):
        return "the checksum of its frames is wrong"
    return ""


def _is_gained(data: bytes, stream: Stream) -> bool:
    """Has `mp3gain` been at it? It turns the volume in the frames, not their checksum, and says so in a tag."""
    return b"MP3GAIN" in (data[: stream.start] + data[stream.end :]).upper()


def _word(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 4], "big")
