"""Reads and writes the tags of M4A files, as iTunes keeps them.

Source: ISO/IEC 14496-12, sections 8.10.1 (`udta`) and 8.11.1 (`meta`); "QuickTime File Format Specification" (Apple,
2016), chapter "Metadata", for the items of `ilst` and the free-form `----` with its `mean` and `name`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tydust_assetgen.codec.containers.mp4 import Box, box, boxes, inside, movie_first
from tydust_assetgen.codec.tags import refuse_large, refuse_many

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
