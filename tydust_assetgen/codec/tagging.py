"""Writes tags and loop points into an encoded file of any format, and reads them again.

Vorbis comments (OGG, Opus, FLAC) hold LOOPSTART and LOOPLENGTH in samples, as RPG Maker and many game engines read
them; MP3 holds them as TXXX frames, M4A as free-form atoms, WAV as a sampler chunk whose end is inclusive. How each
container keeps its tags is the business of its own module; here stand their names.
"""

from __future__ import annotations

import msgspec

from tydust_assetgen.audio import LoopPoints
from tydust_assetgen.codec.containers import flac, mp3, mp4, ogg, riff
from tydust_assetgen.codec.formats import Tags
from tydust_assetgen.codec.tags import id3
from tydust_assetgen.errors import CodecError
from tydust_assetgen.flow import Codec

_NAMES = {
    "title": "TITLE",
    "game": "ALBUM",
    "prompt_digest": "PROMPT_DIGEST",
    "generator": "GENERATOR",
    "version": "GENERATOR_VERSION",
    "model": "MODEL",
    "licence": "LICENSE",
}
_FIELDS = {name.lower(): field for field, name in _NAMES.items()} | {"product": "game"}
_LOOP_TAGS = (("loopstart", "looplength", True), ("loopstart", "loopend", False), ("loop_start", "loop_end", False))


def write(data: bytes, codec: Codec, tags: Tags, loop: LoopPoints | None, rate_hz: int) -> bytes:
    """The same file with these tags in place of what the encoder wrote. Loop points are at the file's rate.

    Raises:
        CodecError: the tags do not go into this file.
    """
    texts = {field: _clean(text) for field, text in msgspec.structs.asdict(tags).items() if text}
    if codec == "wav":
        return riff.with_tags(data, texts, loop, rate_hz)
    values = {_NAMES[field]: text for field, text in texts.items()} | _loop_values(loop)
    if codec in ogg.MAGIC:
        return ogg.with_tags(data, codec, values)
    return {"flac": flac.with_tags, "mp3": mp3.with_tags, "m4a": mp4.with_tags}[codec](data, values)


def read(data: bytes, codec: Codec) -> tuple[dict[str, str], LoopPoints | None]:
    """Tags by our names, and the loop points, if there are any that make sense. The bytes may be anything.

    Raises:
        CodecError: the tags can't be read, or there are too many of them.
    """
    try:
        return _read(data, codec)
    except CodecError as error:
        raise CodecError(f"the tags of the {codec} file can't be read: {error}") from error


def _read(data: bytes, codec: Codec) -> tuple[dict[str, str], LoopPoints | None]:
    if codec == "wav":
        parts = riff.chunks(data)
        return riff.info_of(parts), riff.loop_of(parts)
    found = {name.lower(): text for name, text in sorted(_values(data, codec).items())}
    loop = _loop(found)
    return {_FIELDS.get(name, name): text for name, text in found.items()}, loop


def _values(data: bytes, codec: Codec) -> dict[str, str]:
    if codec in ogg.MAGIC:
        return ogg.tags(data, codec)
    return {"flac": flac.tags, "mp3": id3.tags, "m4a": mp4.tags}[codec](data)


def _clean(text: str) -> str:
    """Without zeros, which end a text in ID3 and RIFF, and without what UTF-8 has no bytes for."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def _loop_values(loop: LoopPoints | None) -> dict[str, str]:
    return {"LOOPSTART": str(loop.start_frames), "LOOPLENGTH": str(loop.length_frames)} if loop else {}


def _loop(tags: dict[str, str]) -> LoopPoints | None:
    """The loop that tags name in samples, which they then no longer hold: LOOPSTART with LOOPLENGTH (RPG Maker), with
    LOOPEND, or LOOP_START with LOOP_END (ZDoom). What is not understood, such as times, stays among the tags."""
    for first, last, is_length in _LOOP_TAGS:
        start, end = _samples(tags.get(first, "")), _samples(tags.get(last, ""))
        if start is None or end is None:
            continue
        end += start if is_length else 0
        if end > start:
            del tags[first], tags[last]
            return LoopPoints(start, end)
    return None


def _samples(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 15 else None
