"""Reads M4A files as boxes (ISO/IEC 14496-12), finds damage, reorders boxes, and reads and writes tags.

M4A carries no checksum: a cut is noticed, a flipped bit in the audio is not. Tags are kept as iTunes keeps them:
sections 8.10.1 (`udta`) and 8.11.1 (`meta`); "QuickTime File Format Specification" (Apple, 2016), chapter "Metadata",
for the items of `ilst` and the free-form `----` with its `mean` and `name`.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tydust_assetgen.codec.tags import id3, refuse_large, refuse_many
from tydust_assetgen.errors import CodecError

_MOST_BOXES = 65_536
"""In one place; a file in fragments has some thousand."""
_NEEDED = (b"moov", b"mdat")
_FILLING = (b"free", b"skip", b"wide")
_TABLES = {b"stco": ">I", b"co64": ">Q"}
"""Where each chunk of samples begins, in the file (section 8.7.5)."""


class Box(NamedTuple):
    """One box: its name, where it begins, and where its content begins and ends."""

    name: bytes
    at: int
    start: int
    end: int


def damage(data: bytes) -> str:
    """What is broken in an M4A file; empty when it is whole. The order of its boxes, and what is behind, is free."""
    data = data[id3.end_of_all(data) :]
    top, broken = _top(data)
    names = {box.name for box in top}
    missing = [name.decode() for name in _NEEDED if name not in names]
    if missing:
        return broken or f"its `{missing[0]}` box is missing"
    cut = data[top[-1].end + 4 : top[-1].end + 8] in (*_NEEDED, b"moof")
    return broken if broken and cut else _audio_damage(data, top)


def _top(data: bytes) -> tuple[list[Box], str]:
    """The boxes of the file up to the first that is broken, and how that is."""
    top: list[Box] = []
    try:
        top.extend(boxes(data, 0, len(data)))  # keeps what came before
    except CodecError as broken:
        return top, str(broken)
    return top, ""


def boxes(data: bytes, position: int, end: int) -> Iterator[Box]:
    """The boxes that lie between two places. A few zeros at the end are no box: QuickTime writes four.

    Raises:
        CodecError: one goes beyond the end, or they are too many.
    """
    for _ in range(_MOST_BOXES):
        if not data[position : min(position + 8, end)].strip(b"\0"):
            return
        box = _box(data, position, end)
        yield box
        position = box.end
    raise CodecError(f"there are more than {_MOST_BOXES} boxes in it")


def inside(data: bytes, *path: bytes) -> Box | None:
    """The first box at the end of this path from the top."""
    return next(_at(data, path, 0, len(data)), None)


def box(name: bytes, *content: bytes) -> bytes:
    """A box of this content."""
    return struct.pack(">I4s", 8 + sum(map(len, content)), name) + b"".join(content)


def played_frames(data: bytes, rate_hz: int) -> int:
    """What the edit list (section 8.6.6) says is played, without delay and padding; 0 when it does not say."""
    movie, edits = inside(data, b"moov", b"mvhd"), inside(data, b"moov", b"trak", b"edts", b"elst")
    if movie is None or edits is None or edits.end - edits.start < 20 or movie.end - movie.start < 24:
        return 0
    (scale,) = struct.unpack_from(">I", data, movie.start + (20 if data[movie.start] == 1 else 12))
    (length,) = struct.unpack_from(">Q" if data[edits.start] == 1 else ">I", data, edits.start + 8)
    return int((length * rate_hz + scale // 2) // scale) if scale else 0


def movie_first(data: bytes, user: bytes | None = None) -> bytes:
    """The same file with `moov` in front of the audio, so that it can be read from a pipe, and with no filling.

    `user`, if given, is put in place of its `udta`.
    """
    top = [box for box in boxes(data, 0, len(data)) if box.name not in _FILLING]
    movies = [box for box in top if box.name == b"moov"]
    if not movies:
        raise CodecError("its `moov` box is missing")
    kept = [box for box in boxes(data, movies[0].start, movies[0].end) if user is None or box.name != b"udta"]
    size = 8 + sum(box.end - box.at for box in kept) + len(user or b"")
    kind = b"".join(data[box.at : box.end] for box in top if box.name == b"ftyp")
    rest = [box for box in top if box.name not in (b"ftyp", b"moov")]
    chunks = _with_offsets(data, _moves(rest, len(kind) + size))
    movie = box(b"moov", *(chunks[box.at : box.end] for box in kept), user or b"")
    return b"".join((kind, movie, *(data[box.at : box.end] for box in rest)))


def _box(data: bytes, position: int, end: int) -> Box:
    if position + 8 > end:
        raise CodecError(f"truncated at byte {len(data)}, inside a box header")
    size, name = struct.unpack_from(">I4s", data, position)
    head = 8
    if size == 1 and position + 16 <= end:
        size, head = struct.unpack_from(">Q", data, position + 8)[0], 16
    size = size or end - position
    if size < head or position + size > end:
        raise CodecError(f"truncated at byte {len(data)}, inside its `{name.decode('latin-1')}` box")
    return Box(name, position, position + head, position + size)


def _at(data: bytes, path: tuple[bytes, ...], start: int, end: int) -> Iterator[Box]:
    for found in boxes(data, start, end):
        if found.name == path[0]:
            if len(path) == 1:
                yield found
            else:
                yield from _at(data, path[1:], found.start, found.end)


def _moves(rest: Iterable[Box], position: int) -> list[tuple[int, int, int]]:
    """Where each of these boxes begins and ends, and how far it moves when they are laid out from `position`."""
    moves = []
    for found in rest:
        moves.append((found.at, found.end, position - found.at))
        position += found.end - found.at
    return moves


def _with_offsets(data: bytes, moves: list[tuple[int, int, int]]) -> bytes:
    """The same bytes, every chunk offset that points into a box which moves going along with it."""
    changed = bytearray(data)
    for name, code in _TABLES.items():
        width = struct.calcsize(code)
        for table in _at(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", name), 0, len(data)):
            for place in range(table.start + 8, table.end - width + 1, width):
                (offset,) = struct.unpack_from(code, data, place)
                struct.pack_into(code, changed, place, offset + _move(moves, offset))
    return bytes(changed)


def _move(moves: list[tuple[int, int, int]], offset: int) -> int:
    index = bisect_right(moves, offset, key=lambda move: move[0]) - 1
    return moves[index][2] if index >= 0 and offset < moves[index][1] else 0


def _audio_damage(data: bytes, top: list[Box]) -> str:
    """The table of sample sizes (section 8.7.3), if it has this one, must fit into the media data."""
    try:
        table = inside(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    except CodecError:
        return ""
    if table is None or table.end - table.start < 12:
        return ""
    size, count = struct.unpack_from(">II", data, table.start + 4)
    if size == 0 and table.start + 12 + 4 * count > table.end:
        return "its table of samples is cut"
    wanted = size * count or _sum(data[table.start + 12 : table.start + 12 + 4 * count])
    there = sum(box.end - box.start for box in top if box.name == b"mdat")
    return f"truncated: {there} bytes of audio of {wanted} are there" if wanted > there else ""


def _sum(words: bytes) -> int:
    """Of 32-bit big-endian numbers."""
    numbers = array("I", words)
    if sys.byteorder == "little":
        numbers.byteswap()
    return sum(numbers)


_ATOMS = {"TITLE": b"\xa9nam", "ALBUM": b"\xa9alb"}
_NAMES = {atom: name for name, atom in _ATOMS.items()}
_FREE, _MEAN = b"----", b"com.apple.iTunes"
_PLAIN = bytes(4)
"""Version and flags of a box that has neither."""
_UTF8, _UTF16 = 1, 2
"""Types of a `data` box."""


def tags(data: bytes) -> dict[str, str]:
    """Title, album and iTunes' free-form texts; of one name the first.

    Raises:
        CodecError: the boxes do not fit into each other, or the tags are too large or too many.
    """
    found: dict[str, str] = {}
    for item in _items(data):
        if item.name == _FREE or item.name in _NAMES:
            parts = {part.name: data[part.start : part.end] for part in boxes(data, item.start, item.end)}
            name = _NAMES.get(item.name) or parts.get(b"name", b"")[4:].decode("utf-8", "replace")
            if name and b"data" in parts and parts.get(b"mean", _PLAIN + _MEAN)[4:] == _MEAN:
                found.setdefault(name, _text(parts[b"data"]))
    return found


def with_tags(data: bytes, values: Mapping[str, str]) -> bytes:
    """The same file with these tags in place of its own, and with them in front of the audio."""
    return movie_first(data, _user_data(values) if values else b"")


def _text(content: bytes) -> str:
    """Of a `data` box: its type, a locale, and the text."""
    kind = int.from_bytes(content[:4], "big")
    return content[8:].decode("utf-16-be" if kind == _UTF16 else "utf-8", "replace")


def _user_data(values: Mapping[str, str]) -> bytes:
    handler = box(b"hdlr", _PLAIN, bytes(4), b"mdirappl", bytes(9))
    return box(b"udta", box(b"meta", _PLAIN, handler, box(b"ilst", *(_item(*pair) for pair in values.items()))))


def _item(name: str, text: str) -> bytes:
    content = box(b"data", _UTF8.to_bytes(4, "big"), bytes(4), text.encode())
    if name in _ATOMS:
        return box(_ATOMS[name], content)
    return box(_FREE, box(b"mean", _PLAIN, _MEAN), box(b"name", _PLAIN, name.encode()), content)


def _items(data: bytes) -> Iterator[Box]:
    meta = inside(data, b"moov", b"udta", b"meta")
    if meta is None:
        return
    plain = data[meta.start + 4 : meta.start + 8] == b"hdlr"  # as QuickTime has it: no version and flags
    start = meta.start if plain else meta.start + 4
    for items in (part for part in boxes(data, start, meta.end) if part.name == b"ilst"):
        refuse_large(items.end - items.start)
        for count, item in enumerate(boxes(data, items.start, items.end), start=1):
            refuse_many(count)
            yield item
