"""MPEG audio layer III frames (ISO/IEC 11172-3 and 13818-3). The bytes of an MP3 walk in; damage and facts walk out.

A frame says how long it is, so that the file can be walked. The first frame may be a `Xing` or `Info` tag, which says
how many frames and bytes there are and, where LAME wrote it, the delay, the padding and a CRC-16 over all frames
(the LAME tag, revision 1): with that, cuts and flipped bits are noticed; without it, only cuts inside a frame are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from tydust_assetgen.codec import id3
from tydust_assetgen.codec.crc import crc16_reflected
from tydust_assetgen.errors import CodecError

BITRATES_KBPS: dict[int, tuple[int, ...]] = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Layer III, by version: 1 above 24 kHz, 2 at or below."""
RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


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
        stream = walk(data)
        return _tag_damage(data, stream)
    except CodecError as broken:
        return str(broken)


def walk(data: bytes) -> Stream:
    """Walk over all frames, from after the ID3 tag to the end or to what follows the audio."""
    start = position = _after_id3(data)
    end = _before_trailer(data)
    first = frame = _header(data, position)
    count = kbps = 0
    while position < end:
        frame = _header(data, position)
        if frame is None:
            raise CodecError(f"no frame begins at byte {position}")
        position, count, kbps = position + frame.length, count + 1, kbps + frame.kbps
    if first is None or position != end:
        raise CodecError(f"truncated at byte {end}, inside frame {count}" if first else "this is no MP3")
    return Stream(start, end, count, first, kbps / count)


def with_tags(data: bytes, values: Mapping[str, str]) -> bytes:
    """The same frames under an ID3v2 tag of these values, which replaces every tag in front and behind."""
    return id3.tag(values) + untagged(data)


def untagged(data: bytes) -> bytes:
    """The frames alone."""
    return data[_after_id3(data) : _before_trailer(data)]


def _after_id3(data: bytes) -> int:
    """Tags in front (ID3v2, section 3.1), of which there may be several; and zero bytes behind them."""
    position, after = 0, id3.end(data)
    while after > position:
        position, after = after, id3.end(data, after)
    while position and data[position : position + 1] == b"\0":
        position += 1
    return position


def _before_trailer(data: bytes) -> int:
    """Tags at the end: ID3v1, and APE in front of it."""
    end = len(data)
    if data[end - 128 : end - 125] == b"TAG":
        end -= 128
    if data[max(end - 32, 0) : end - 24] == b"APETAGEX":
        size, _, flags = struct.unpack_from("<3I", data, end - 20)
        end -= size + (32 if flags >> 31 else 0)
    return end


def _header(data: bytes, position: int) -> Frame | None:
    if position + 4 > len(data) or data[position] != 0xFF or data[position + 1] & 0xE6 != 0xE2:
        return None
    version, code = data[position + 1] >> 3 & 3, data[position + 2]
    if version == 1 or not 1 <= code >> 4 <= 14 or code >> 2 & 3 == 3:
        return None
    rate_hz, mono = RATES_HZ[version][code >> 2 & 3], data[position + 3] >> 6 == 3
    full = version == 3
    kbps = BITRATES_KBPS[1 if full else 2][(code >> 4) - 1]
    length = (144 if full else 72) * kbps * 1000 // rate_hz + (code >> 1 & 1)
    side = (17 if mono else 32) if full else (9 if mono else 17)
    return Frame(length, kbps, rate_hz, 1 if mono else 2, 1152 if full else 576, 4 + side)


def _tag_damage(data: bytes, stream: Stream) -> str:
    """Hold the `Xing`/`Info` tag against what was found (Xing VBR header; LAME tag revision 1)."""
    start = stream.start + stream.first.tag
    if data[start : start + 4] not in (b"Xing", b"Info"):
        return ""
    flags = struct.unpack_from(">I", data, start + 4)[0]
    counts = struct.unpack_from(f">{(flags & 3).bit_count()}I", data, start + 8)
    if flags & 1 and counts[0] != stream.frames - 1:
        return f"truncated: {stream.frames - 1} frames of {counts[0]} are there"
    extension = start + 8 + 4 * len(counts) + (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    if flags & 2 and abs(counts[-1] - (stream.end - stream.start)) > stream.first.length:
        return f"truncated: {stream.end - stream.start} bytes of {counts[-1]} are there"
    return _lame_damage(data, stream, extension)


def _lame_damage(data: bytes, stream: Stream, start: int) -> str:
    if data[start : start + 4] not in (b"LAME", b"Lavf", b"Lavc") or start + 36 > stream.start + stream.first.length:
        return ""
    music, tag = struct.unpack_from(">HH", data, start + 32)
    if tag and tag != crc16_reflected(data[stream.start : start + 34]):
        return "the checksum of its `Info` tag is wrong"
    if music and music != crc16_reflected(data[stream.start + stream.first.length : stream.end]):
        return "the checksum of its frames is wrong"
    return ""
