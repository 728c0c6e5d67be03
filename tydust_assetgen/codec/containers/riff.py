"""Reads and writes WAV files as chunks, with their tags and loop points, and finds damage.

Source: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), chapters 2 and 3.

A WAV file carries no checksum: a cut is noticed, a flipped bit in the samples is not.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator, Mapping

from tydust_assetgen.audio import LoopPoints
from tydust_assetgen.codec.tags import id3, refuse_large, refuse_many

Chunk = tuple[bytes, bytes]
_UNSTATED = 0x7FFF0000
"""From here on a size in a header means that the encoder did not know: it wrote into a pipe. So does zero."""
_LARGE = (b"RF64", b"BW64")
"""Files whose sizes stand in a `ds64` chunk, with 64 bits (EBU Tech 3306, section 3; ITU-R BS.2088, section 4)."""
_COMMON = (b"fmt ", b"data", b"fact", b"LIST", b"smpl", b"cue ", b"bext", b"JUNK", b"iXML", b"id3 ", b"PEAK")
_MOST_CHUNKS = 65_536
_SLACK = 8
"""Some writers give the length of the whole file as its size, which should not count the first eight bytes."""
INFO = {"title": b"INAM", "game": b"IPRD", "generator": b"ISFT", "licence": b"ICOP", "prompt_digest": b"ICMT"}
"""Which tag goes into which chunk of `LIST INFO`."""


def damage(data: bytes) -> str:
    """What is broken in a WAV file; empty when it is whole. What stands behind the samples may be anything."""
    data = data[id3.end_of_all(data) :]
    if data[:4] not in (b"RIFF", *_LARGE) or data[8:12] != b"WAVE":
        return "this is no WAV file"
    whole, audio = _sizes(data)
    names, end = set(), 12
    for name, start, length in _walk(data):
        names.add(name)
        stated = audio if name == b"data" and audio is not None else length
        if name == b"data" and not 0 < stated < _unstated(data):
            return _missing(names)
        if start + stated > len(data) and (name == b"data" or b"data" not in names):
            return f"truncated at byte {len(data)}, inside its `{_word(name)}` chunk"
        end = start + stated
    missing = whole + 8 - len(data) if 0 < whole < _unstated(data) else 0
    if missing > 0 and not (missing <= _SLACK and 0 <= len(data) - end <= 1):  # one for the padding
        return f"truncated at byte {len(data)}, of {whole + 8}"
    return _missing(names)


def chunks(data: bytes) -> list[Chunk]:
    """The chunks of a whole WAV file, in their order: name and content.

    Raises:
        CodecError: there are too many.
    """
    found: list[Chunk] = []
    for name, start, length in _walk(data):
        refuse_many(len(found))
        found.append((name, data[start : start + length]))
    return found


def _walk(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each chunk, as its header says."""
    position = 12
    for _ in range(_MOST_CHUNKS):
        if position + 8 > len(data):
            return
        name, length = struct.unpack_from("<4sI", data, position)
        yield name, position + 8, length
        position += 8 + length
        unpadded = data[position : position + 4] in _COMMON  # not as it should be, but not rare either
        position += length & 1 and not unpadded


def _sizes(data: bytes) -> tuple[int, int | None]:
    """What the header says of the file and, only in large files, of its samples."""
    size: int = struct.unpack_from("<I", data, 4)[0]
    if data[:4] not in _LARGE or data[12:16] != b"ds64" or len(data) < 36:
        return size, None
    whole, audio = struct.unpack_from("<2Q", data, 20)
    return (whole if size == 0xFFFFFFFF else size), audio


def _unstated(data: bytes) -> int:
    return 1 << 62 if data[:4] in _LARGE else _UNSTATED


def _missing(names: Container[bytes]) -> str:
    missing = [_word(name).strip() for name in (b"fmt ", b"data") if name not in names]
    return f"its `{missing[0]}` chunk is missing" if missing else ""


def wav(parts: Iterable[Chunk]) -> bytes:
    """A WAV file of these chunks."""
    body = b"".join(
        piece
        for name, content in parts
        for piece in (struct.pack("<4sI", name, len(content)), content, bytes(len(content) & 1))
    )
    return struct.pack("<4sI4s", b"RIFF", len(body) + 4, b"WAVE") + body


def with_tags(data: bytes, values: Mapping[str, str], loop: LoopPoints | None, rate_hz: int) -> bytes:
    """The same file with these tags and this loop; without `PEAK`, in which libsndfile puts the time of day."""
    old = (b"PEAK", b"smpl")
    parts = [part for part in chunks(data) if part[0] not in old and (part[0], part[1][:4]) != (b"LIST", b"INFO")]
    parts += [smpl(loop, rate_hz)] if loop else []
    return wav([*parts, info(values)] if any(map(values.get, INFO)) else parts)


def smpl(loop: LoopPoints, rate_hz: int) -> Chunk:
    """A sampler chunk with one endless forward loop; its end is inclusive, and the unity note is middle C (60)."""
    head = struct.pack("<9I", 0, 0, round(1e9 / rate_hz), 60, 0, 0, 0, 1, 0)
    return b"smpl", head + struct.pack("<6I", 0, 0, loop.start_frames, loop.end_frames - 1, 0, 0)


_FORWARD = 0
"""The others play to and fro, or backward (Microsoft, "New Multimedia Data Types and Data Techniques", 1994)."""


def loop_of(parts: Iterable[Chunk]) -> LoopPoints | None:
    """The first loop of a sampler chunk, if it plays forward. Some editors write one from 0 to 0 where none is."""
    for name, content in parts:
        if name == b"smpl" and len(content) >= 60 and struct.unpack_from("<I", content, 28)[0] > 0:
            kind, start, end = struct.unpack_from("<3I", content, 40)
            return LoopPoints(start, end + 1) if kind == _FORWARD and end > start else None
    return None


def info(values: Mapping[str, str]) -> Chunk:
    """`LIST INFO` of those tags that it has a place for."""
    parts = [(INFO[field], text.encode() + b"\0") for field, text in values.items() if text and field in INFO]
    return b"LIST", b"INFO" + wav(parts)[12:]


def info_of(parts: Iterable[Chunk]) -> dict[str, str]:
    """The tags of `LIST INFO`, by our names."""
    fields = {name: field for field, name in INFO.items()}
    inner = [content for name, content in parts if name == b"LIST" and content[:4] == b"INFO"]
    if not inner:
        return {}
    refuse_large(len(inner[0]))
    found = chunks(b"RIFF____WAVE" + inner[0][4:])
    return {fields[k]: v.split(b"\0")[0].decode("utf-8", "replace") for k, v in found if k in fields}


def _word(name: bytes) -> str:
    return name.decode("latin-1")
