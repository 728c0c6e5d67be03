"""Finds the tags that stand behind the audio, and so where the audio ends.

Taggers hang these onto any kind of file, MP3 or not, and players look away. Source: ID3v1 (E. Kemp, 1996) and the
`TAG+` block in front of it; APE tags version 1 and 2 (Monkey's Audio); Lyrics3 version 2 (P. Strnad, 1998); ID3v2.4
with a footer (structure, section 3.4).
"""

from __future__ import annotations

from tydust_assetgen.codec.tags import id3

_ID3V1, _ID3V1_MORE = 128, 227
_APE_FOOTER, _HAS_HEADER = 32, 0x80000000
_LYRICS_END, _LYRICS_BEGIN, _LYRICS_SIZE = b"LYRICS200", b"LYRICSBEGIN", 6


def end(data: bytes) -> int:
    """Where the tags at the end of a file begin; its length when it has none. Any bytes will do."""
    position = len(data)
    while (before := _before(data, position)) < position:
        position = before
    return position


def _before(data: bytes, end: int) -> int:
    """Where the one tag begins that ends at `end`; `end` itself when none does."""
    for size, mark in ((_ID3V1, b"TAG"), (_ID3V1_MORE, b"TAG+")):
        if end >= size and data.startswith(mark, end - size):
            return end - size
    sizes = (_ape(data, end), _lyrics(data, end), _id3v2(data, end))
    return next((end - size for size in sizes if 0 < size <= end), end)


def _ape(data: bytes, end: int) -> int:
    start = end - _APE_FOOTER
    if start < 0 or not data.startswith(b"APETAGEX", start):
        return 0
    size, flags = (int.from_bytes(data[start + at : start + at + 4], "little") for at in (12, 20))
    return size + (_APE_FOOTER if flags & _HAS_HEADER else 0)


def _lyrics(data: bytes, end: int) -> int:
    start = end - len(_LYRICS_END)
    digits = data[max(start - _LYRICS_SIZE, 0) : max(start, 0)]
    if not (data.endswith(_LYRICS_END, 0, end) and len(digits) == _LYRICS_SIZE and digits.isdigit()):
        return 0
    size = end - start + _LYRICS_SIZE + int(digits)
    return size if size <= end and data.startswith(_LYRICS_BEGIN, end - size) else 0


def _id3v2(data: bytes, end: int) -> int:
    start = end - 10
    if start < 0 or not data.startswith(b"3DI", start):
        return 0
    size = id3.end(b"ID3" + data[start + 3 : end])
    return size if size <= end and data.startswith(b"ID3", end - size) else 0
