"""Reads ID3 tags of any version, writes ID3v2.4 tags in UTF-8, and finds where tags behind the audio begin.

Source: M. Nilsson, "ID3 tag version 2.4.0 - Main Structure", called "structure" below, and "- Native Frames" (id3.org,
2000); versions 2.3.0 (1999) and 2.2.0 (1998) where they differ; ID3v1 (E. Kemp, 1996).

Only the title, the album and free text (`TXXX`) are read. Compressed and encrypted frames are passed over.

Behind the audio, taggers hang tags onto any kind of file, MP3 or not, and players look away: ID3v1 and the `TAG+` block
in front of it; APE tags version 1 and 2 (Monkey's Audio); Lyrics3 version 2 (P. Strnad, 1998); ID3v2.4 with a footer
(structure, section 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count as count_from

from tydust_assetgen.codec.tags import MOST_PIECES, refuse_large, refuse_many
from tydust_assetgen.errors import CodecError

_TITLE, _ALBUM, _FREE = b"TIT2", b"TALB", b"TXXX"
_FRAMES = {"TITLE": _TITLE, "ALBUM": _ALBUM}
_NAMES = {_TITLE: "TITLE", _ALBUM: "ALBUM", b"TT2": "TITLE", b"TAL": "ALBUM"}
_FREES = (_FREE, b"TXX")
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
"""By the first byte of a text frame (structure, section 4)."""
_UTF8 = b"\x03"
_HEADER = 10
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
"""Flags of the tag (structure, section 3.1)."""


def tag(values: Mapping[str, str]) -> bytes:
    """An ID3v2.4 tag; nothing for no values, as libsndfile opens no MP3 whose tag is empty."""
    frames = b"".join(_frame(name, text) for name, text in values.items())
    return b"ID3\x04\x00\x00" + _syncsafe(len(frames)) + frames if frames else b""


def end_of_tag(data: bytes, position: int = 0) -> int:
    """Where the ID3v2 tag ends that begins at `position`; `position` itself when none does."""
    if data[position : position + 3] != b"ID3" or position + _HEADER > len(data):
        return position
    footer = _HEADER if data[position + 5] & _FOOTER else 0
    return position + _HEADER + _number(data[position + 6 : position + _HEADER], 7) + footer


def end_of_all(data: bytes, position: int = 0) -> int:
    """Where the last of the ID3v2 tags ends that stand one behind another from `position`; of too many, any."""
    for _ in range(MOST_PIECES):
        after = end_of_tag(data, position)
        if after == position:
            break
        position = after
    return position


def tags(data: bytes) -> dict[str, str]:
    """Title, album and free text of the tag in front, else of an ID3v1 tag at the end; of one name the first.

    Raises:
        CodecError: the tag is too large or has too many frames.
    """
    if end_of_tag(data) == 0:
        return _version1(data[-128:])
    found: dict[str, str] = {}
    for frame, content in _frames(data):
        if content and (frame in _FREES or frame in _NAMES):
            first, second, *_ = [*_strings(content), ""]
            name, text = (first, second) if frame in _FREES else (_NAMES[frame], first)
            found.setdefault(name, text)
    return found


def _frame(name: str, text: str) -> bytes:
    body = text.encode() if name in _FRAMES else name.encode() + b"\0" + text.encode()
    return _FRAMES.get(name, _FREE) + _syncsafe(len(body) + 1) + b"\0\0" + _UTF8 + body


def _frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each frame up to the padding; an unknown version has none."""
    version, flags = data[3], data[5]
    body = data[_HEADER : end_of_tag(data)]
    refuse_large(len(body))
    if version not in (2, 3, 4) or (version == 2 and flags & _EXTENDED):  # there, that flag says compressed
        return
    if version < 4 and flags & _UNSYNCHRONISED:
        body = _synchronised(body)
    position = _extended(body, version) if flags & _EXTENDED else 0
    for count in count_from(1):
        name, size, start = _frame_header(body, position, version)
        if not size or start + size > len(body) or name[:1] == b"\0":
            return
        refuse_many(count)
        yield name, _content(body[start - 2 : start], body[start : start + size], version)
        position = start + size


def _frame_header(body: bytes, position: int, version: int) -> tuple[bytes, int, int]:
    """Name, size of the content and where it begins. Some write plain sizes into version 2.4 (iTunes did)."""
    if version == 2:
        return body[position : position + 3], _number(body[position + 3 : position + 6]), position + 6
    size = body[position + 4 : position + 8]
    bits = 7 if version == 4 and max(size, default=0) < 0x80 else 8
    return body[position : position + 4], _number(size, bits), position + 10


def _content(flags: bytes, content: bytes, version: int) -> bytes:
    """What a frame holds, without what its flags put in front (2.4 structure, section 4.1; 2.3, section 3.3.1).

    Nothing when it is compressed or encrypted.
    """
    if version == 2:
        return content
    how = flags[1]
    if how & (0xC0 if version == 3 else 0x0C):
        return b""
    if version == 3:
        return content[1:] if how & 0x20 else content
    content = content[bool(how & 0x40) + 4 * (how & 1) :]
    return _synchronised(content) if how & 2 else content


def _extended(body: bytes, version: int) -> int:
    """The length of the extended header (structure, section 3.2); 2.3 does not count the size itself."""
    return _number(body[:4], 7) if version == 4 else 4 + _number(body[:4])


def _strings(content: bytes) -> list[str]:
    """The first texts of a text frame, which zeros separate."""
    if content[0] >= len(_ENCODINGS):
        return [""]
    encoding = _ENCODINGS[content[0]]
    return [text.removeprefix("\ufeff") for text in content[1:].decode(encoding, "replace").split("\0", 2)]


def _version1(data: bytes) -> dict[str, str]:
    if len(data) < 128 or data[:3] != b"TAG":
        return {}
    fields = {"TITLE": data[3:33], "ALBUM": data[63:93]}
    texts = {name: field.split(b"\0")[0].decode("latin-1").rstrip() for name, field in fields.items()}
    return {name: text for name, text in texts.items() if text}


def _synchronised(data: bytes) -> bytes:
    """Undo the unsynchronisation (structure, section 6.1): a zero after each 0xff."""
    return data.replace(b"\xff\x00", b"\xff")


def _syncsafe(number: int) -> bytes:
    if number >= 1 << 28:
        raise CodecError("the tags are too long for an MP3")
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _number(data: bytes, bits: int = 8) -> int:
    """A big-endian number of so many bits a byte; 7 where it is synchsafe (structure, section 6.2)."""
    return sum((byte & (1 << bits) - 1) << bits * place for place, byte in enumerate(reversed(data)))


_ID3V1, _ID3V1_MORE = 128, 227
_APE_FOOTER, _HAS_HEADER = 32, 0x80000000
_LYRICS_END, _LYRICS_BEGIN, _LYRICS_SIZE = b"LYRICS200", b"LYRICSBEGIN", 6


def trailing_start(data: bytes) -> int:
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
    size = end_of_tag(b"ID3" + data[start + 3 : end])
    return size if size <= end and data.startswith(b"ID3", end - size) else 0
