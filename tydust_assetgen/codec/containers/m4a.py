"""Makes a playable M4A file of the AAC frames (ADTS) that ffmpeg writes.

ADTS can be had from an encoder through a pipe, which M4A can't: its table of samples is known only at the end. So the
table is made here, with `moov` in front and an edit list in whole samples that cuts delay and padding.

Source: ISO/IEC 13818-7, section 6.2 (ADTS); ISO/IEC 14496-12, chapter 8 (boxes); ISO/IEC 14496-14, section 5.6
(`mp4a`, `esds`); ISO/IEC 14496-1, section 7.2.6 (descriptors); ISO/IEC 14496-3, section 1.6.2.1 (the configuration).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tydust_assetgen.codec.containers.mp4 import box, movie_first
from tydust_assetgen.errors import CodecError

FRAME = 1024
"""Samples per channel in one frame of AAC-LC."""
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""No turning of a picture that is not there (section 6.2.2)."""
_RATES = 13
_UNDEFINED = 0x55C4
"""The language `und`, five bits a letter."""


def m4a(adts: bytes, rate_hz: int, skipped: int, played: int) -> bytes:
    """An M4A file of these frames, of which a player is to skip the first samples and to play `played` after them.

    Raises:
        CodecError: the frames are damaged, or too few.
    """
    frames = list(_frames(adts))
    if skipped + played > len(frames) * FRAME:
        raise CodecError(f"ffmpeg made {len(frames)} frames of AAC, too few")
    kind = box(b"ftyp", b"M4A ", struct.pack(">I", 512), b"M4A isomiso2")
    audio = box(b"mdat", *frames)
    movie = box(
        b"moov",
        _full(b"mvhd", struct.pack(">4IIH10x", 0, 0, rate_hz, played, 0x10000, 0x100), _MATRIX, bytes(24), _word(2)),
        _track(adts[:4], [len(frame) for frame in frames], rate_hz, skipped, played, len(kind) + 8),
    )
    return movie_first(kind + audio + movie)


def _frames(adts: bytes) -> Iterator[bytes]:
    """The frames without their ADTS headers, which are longer when there is a checksum."""
    position = 0
    while position < len(adts):
        header = int.from_bytes(adts[position : position + 7], "big")
        length, head = header >> 13 & 0x1FFF, 7 if header >> 40 & 1 else 9
        if header >> 44 != 0xFFF or length <= head or position + length > len(adts):
            raise CodecError(f"ffmpeg made no frame of AAC at byte {position}")
        yield adts[position + head : position + length]
        position += length


def _track(head: bytes, sizes: list[int], rate_hz: int, skipped: int, played: int, audio: int) -> bytes:
    shape = struct.pack(">5I8x4H", 0, 0, 1, 0, played, 0, 1, 0x100, 0)
    media = box(
        b"mdia",
        _full(b"mdhd", struct.pack(">4I2H", 0, 0, rate_hz, len(sizes) * FRAME, _UNDEFINED, 0)),
        _full(b"hdlr", bytes(4), b"soun", bytes(12), b"SoundHandler\0"),
        box(b"minf", _full(b"smhd", bytes(4)), _where(), _tables(head, sizes, rate_hz, audio)),
    )
    edits = _full(b"elst", struct.pack(">4I", 1, played, skipped, 0x10000))
    return box(b"trak", _full(b"tkhd", shape, _MATRIX, bytes(8), flags=3), box(b"edts", edits), media)


def _where() -> bytes:
    """The samples lie in this very file (section 8.7.2)."""
    return box(b"dinf", _full(b"dref", _word(1), _full(b"url ", flags=1)))


def _tables(head: bytes, sizes: list[int], rate_hz: int, audio: int) -> bytes:
    """One chunk of all samples; each needs the one before it to be decoded (`roll`, section 10.1)."""
    count = len(sizes)
    return box(
        b"stbl",
        _full(b"stsd", _word(1), _entry(head, sizes, rate_hz)),
        _full(b"stts", struct.pack(">3I", 1, count, FRAME)),
        _full(b"stsc", struct.pack(">4I", 1, 1, count, 1)),
        _full(b"stsz", struct.pack(f">2I{count}I", 0, count, *sizes)),
        _full(b"stco", struct.pack(">2I", 1, audio)),
        _full(b"sgpd", b"roll", struct.pack(">2Ih", 2, 1, -1), version=1),
        _full(b"sbgp", b"roll", struct.pack(">3I", 1, count, 1)),
    )


def _entry(head: bytes, sizes: list[int], rate_hz: int) -> bytes:
    """How the frames are to be decoded. The configuration is what the first ADTS header says."""
    bits = int.from_bytes(head, "big")
    profile, rate, channels = bits >> 14 & 3, bits >> 10 & 15, bits >> 6 & 7
    if rate >= _RATES or not channels:
        raise CodecError("ffmpeg made AAC of an unknown shape")
    config = _descriptor(5, struct.pack(">H", profile + 1 << 11 | rate << 7 | channels << 3))
    mean = sum(sizes) * 8 * rate_hz // (len(sizes) * FRAME)
    decoder = _descriptor(4, struct.pack(">2B", 0x40, 0x15), bytes(3), struct.pack(">2I", mean, mean), config)
    stream = _descriptor(3, struct.pack(">HB", 1, 0), decoder, _descriptor(6, b"\x02"))
    fixed = rate_hz << 16 if rate_hz < 1 << 16 else 0
    return box(b"mp4a", struct.pack(">6xH8x2H4xI", 1, channels, 16, fixed), _full(b"esds", stream))


def _descriptor(tag: int, *content: bytes) -> bytes:
    """All of ours are shorter than 128 bytes."""
    body = b"".join(content)
    return bytes([tag, len(body)]) + body


def _full(name: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(name, _word(version << 24 | flags), *content)


def _word(number: int) -> bytes:
    return struct.pack(">I", number)
