"""M4A files as boxes (ISO/IEC 14496-12). The bytes walk in; what is damaged walks out.

M4A carries no checksum: a cut is noticed, a flipped bit in the audio is not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator


class _DamageError(Exception):
    """What is wrong, in words."""


def damage(data: bytes) -> str:
    """What is broken in an M4A file; empty when it is whole."""
    if data[4:8] != b"ftyp":
        return "this is no M4A file"
    try:
        names = [name for name, _, _ in _boxes(data, 0, len(data))]
        missing = [name for name in (b"moov", b"mdat") if name not in names]
        return f"its `{missing[0].decode()}` box is missing" if missing else _audio_damage(data)
    except _DamageError as broken:
        return str(broken)


def _boxes(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start of the content and end of each box."""
    while position < end:
        if position + 8 > end:
            raise _DamageError(f"truncated at byte {len(data)}, inside a box header")
        size, name = struct.unpack_from(">I4s", data, position)
        head = 8
        if size == 1 and position + 16 <= end:
            size, head = struct.unpack_from(">Q", data, position + 8)[0], 16
        size = size or end - position
        if size < head or position + size > end:
            raise _DamageError(f"truncated at byte {len(data)}, inside its `{name.decode('latin-1')}` box")
        yield name, position + head, position + size
        position += size


def _inside(data: bytes, path: tuple[bytes, ...], start: int, end: int) -> tuple[int, int] | None:
    if not path:
        return start, end
    found = (_inside(data, path[1:], *box[1:]) for box in _boxes(data, start, end) if box[0] == path[0])
    return next(filter(None, found), None)


def played_frames(data: bytes, rate_hz: int) -> int:
    """What the edit list (section 8.6.6) says is played, without delay and padding; 0 when it does not say."""
    movie = _inside(data, (b"moov", b"mvhd"), 0, len(data))
    edits = _inside(data, (b"moov", b"trak", b"edts", b"elst"), 0, len(data))
    if movie is None or edits is None or edits[1] - edits[0] < 20 or movie[1] - movie[0] < 24:
        return 0
    scale = struct.unpack_from(">I", data, movie[0] + (20 if data[movie[0]] == 1 else 12))[0]
    length = struct.unpack_from(">Q" if data[edits[0]] == 1 else ">I", data, edits[0] + 8)[0]
    return (length * rate_hz + scale // 2) // scale if scale else 0


def _audio_damage(data: bytes) -> str:
    """The table of sample sizes must fit into the media data (section 8.7.3)."""
    table = _inside(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"), 0, len(data))
    if table is None or table[1] - table[0] < 12:
        return "its table of samples is missing"
    size, count = struct.unpack_from(">II", data, table[0] + 4)
    if size == 0 and table[0] + 12 + 4 * count > table[1]:
        return "its table of samples is cut"
    wanted = size * count or sum(struct.unpack_from(f">{count}I", data, table[0] + 12))
    there = sum(end - start for name, start, end in _boxes(data, 0, len(data)) if name == b"mdat")
    return f"truncated: {there} bytes of audio of {wanted} are there" if wanted > there else ""
