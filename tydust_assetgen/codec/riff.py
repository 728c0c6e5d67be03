"""WAV files as chunks. Bytes walk in; damage, chunks or new bytes walk out.

Source: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), chapters 2 and 3.

A WAV file carries no checksum: a cut is noticed, a flipped bit in the samples is not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from tydust_assetgen.audio import LoopPoints
from tydust_assetgen.codec.limits import refuse_large, refuse_many

Chunk = tuple[bytes, bytes]
_STREAMED = 0xFFFFFFFF
"""Size that an encoder leaves in the header when it writes into a pipe."""
INFO = {"title": b"INAM", "game": b"IPRD", "generator": b"ISFT", "licence": b"ICOP", "prompt_digest": b"ICMT"}
"""Which tag goes into which chunk of `LIST INFO`."""


def damage(data: bytes) -> str:
    """What is broken in a WAV file; empty when it is whole."""
    if len(data) < 12 or data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        return "this is no WAV file"
    size = struct.unpack_from("<I", data, 4)[0]
    if size not in (_STREAMED, 0) and size + 8 > len(data) + (size & 1):
        return f"truncated at byte {len(data)}, of {size + 8}"
    names, position = set(), 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        names.add(name)
        if name == b"data" and length in (_STREAMED, 0):
            break
        if position + 8 + length > len(data):
            return f"truncated at byte {len(data)}, inside its `{_word(name)}` chunk"
        position += 8 + length + (length & 1)
    missing = [_word(name) for name in (b"fmt ", b"data") if name not in names]
    return f"its `{missing[0].strip()}` chunk is missing" if missing else ""


def chunks(data: bytes) -> list[Chunk]:
    """The chunks of a whole WAV file, in their order: name and content.

    Raises:
        CodecError: there are too many.
    """
    found: list[Chunk] = []
    position = 12
    while position + 8 <= len(data):
        refuse_many(len(found))
        name, length = struct.unpack_from("<4sI", data, position)
        found.append((name, data[position + 8 : position + 8 + length]))
        position += 8 + length + (length & 1)
    return found


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


def loop_of(parts: Iterable[Chunk]) -> LoopPoints | None:
    """The first loop of a sampler chunk, if there is one."""
    for name, content in parts:
        if name == b"smpl" and len(content) >= 60 and struct.unpack_from("<I", content, 28)[0] > 0:
            start, end = struct.unpack_from("<2I", content, 44)
            return LoopPoints(start, end + 1)
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
