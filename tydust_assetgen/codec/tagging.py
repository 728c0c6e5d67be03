"""Tags and loop points, in and out of encoded bytes, through mutagen (and `riff.py` for WAV, whose `smpl` it lacks).

Vorbis comments (OGG, Opus, FLAC) hold LOOPSTART and LOOPLENGTH in samples, as RPG Maker and many game engines read
them; MP3 holds them as TXXX frames, M4A as free-form atoms, WAV as a sampler chunk whose end is inclusive.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec

from tydust_assetgen.audio import LoopPoints
from tydust_assetgen.codec import Tags, riff
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
_M4A = {"TITLE": "\xa9nam", "ALBUM": "\xa9alb"}
_M4A_FREE = "----:com.apple.iTunes:"
_CLASSES = {
    "ogg": ("oggvorbis", "OggVorbis"),
    "opus": ("oggopus", "OggOpus"),
    "flac": ("flac", "FLAC"),
    "m4a": ("mp4", "MP4"),
}
_ID3 = {"TITLE": "TIT2", "ALBUM": "TALB"}


def write(data: bytes, codec: Codec, tags: Tags, loop: LoopPoints | None, rate_hz: int) -> bytes:
    """The same file with these tags in place of what the encoder wrote. Loop points are at the file's rate."""
    if codec == "wav":
        return _write_wav(data, tags, loop, rate_hz)
    file = io.BytesIO(data)
    _WRITERS[codec](file, _values(tags, loop))
    return file.getvalue()


def read(data: bytes, codec: Codec) -> tuple[dict[str, str], LoopPoints | None]:
    """Tags by our names, and the loop points, if there are any that make sense."""
    if codec == "wav":
        parts = riff.chunks(data)
        return riff.info_of(parts), riff.loop_of(parts)
    found = {name.lower(): text for name, text in _READERS[codec](io.BytesIO(data)).items()}
    loop = _loop(found.pop("loopstart", ""), found.pop("looplength", ""))
    return {_FIELDS.get(name, name): text for name, text in found.items()}, loop


def mutagen(module: str) -> Any:
    """A module of mutagen, which is untyped and loaded only when there are tags to write or read."""
    return import_module(f"mutagen.{module}")


def _no_padding(_info: object) -> int:
    """Room for longer tags is of no use in a game."""
    return 0


def _values(tags: Tags, loop: LoopPoints | None) -> dict[str, str]:
    named = {_NAMES[field]: text for field, text in msgspec.structs.asdict(tags).items() if text}
    if loop is None:
        return named
    return named | {"LOOPSTART": str(loop.start_frames), "LOOPLENGTH": str(loop.length_frames)}


def _loop(start: str, length: str) -> LoopPoints | None:
    if not (start.isdecimal() and length.isdecimal() and len(start + length) < 30 and int(length)):
        return None
    return LoopPoints(int(start), int(start) + int(length))


def _write_wav(data: bytes, tags: Tags, loop: LoopPoints | None, rate_hz: int) -> bytes:
    """Without `PEAK`, in which libsndfile puts the time of day."""
    parts = [part for part in riff.chunks(data) if part[0] != b"PEAK"]
    parts += [riff.smpl(loop, rate_hz)] if loop else []
    values = msgspec.structs.asdict(tags)
    return riff.wav([*parts, riff.info(values)] if any(map(values.get, riff.INFO)) else parts)


def _write_comments(kind: str) -> Any:
    def write_comments(file: io.BytesIO, values: Mapping[str, str]) -> None:
        audio = _open(kind, file)
        if audio.tags is None:
            audio.add_tags()
        audio.tags.clear()
        for name, text in values.items():
            audio.tags[name] = text
        file.seek(0)
        audio.save(file, padding=_no_padding)

    return write_comments


def _read_comments(kind: str) -> Any:
    def read_comments(file: io.BytesIO) -> dict[str, str]:
        tags = _open(kind, file).tags
        return {name: texts[0] for name, texts in sorted(dict(tags or {}).items()) if texts}

    return read_comments


def _open(kind: str, file: io.BytesIO) -> Any:
    module, name = _CLASSES[kind]
    return getattr(mutagen(module), name)(file)


def _write_id3(file: io.BytesIO, values: Mapping[str, str]) -> None:
    id3 = mutagen("id3")
    tags = id3.ID3()
    for name, text in values.items():
        if name in _ID3:
            tags.add(getattr(id3, _ID3[name])(encoding=3, text=text))
        else:
            tags.add(id3.TXXX(encoding=3, desc=name, text=text))
    if values:  # libsndfile does not open an MP3 whose ID3 tag is empty
        tags.save(file, padding=_no_padding)


def _read_id3(file: io.BytesIO) -> dict[str, str]:
    id3 = mutagen("id3")
    try:
        tags = id3.ID3(file)
    except id3.ID3NoHeaderError:
        return {}
    plain = {name: str(tags[frame]) for name, frame in _ID3.items() if frame in tags}
    return plain | {frame.desc: str(frame) for frame in tags.getall("TXXX")}


def _write_m4a(file: io.BytesIO, values: Mapping[str, str]) -> None:
    audio = _open("m4a", file)
    if audio.tags is None:
        audio.add_tags()
    audio.tags.clear()
    for name, text in values.items():
        audio.tags[_M4A.get(name, _M4A_FREE + name)] = [text if name in _M4A else text.encode()]
    file.seek(0)
    audio.save(file, padding=_no_padding)


def _read_m4a(file: io.BytesIO) -> dict[str, str]:
    names = {atom: name for name, atom in _M4A.items()}
    found = {}
    for atom, values in dict(_open("m4a", file).tags or {}).items():
        if atom in names or atom.startswith(_M4A_FREE):
            text = values[0].decode("utf-8", "replace") if isinstance(values[0], bytes) else str(values[0])
            found[names.get(atom, atom.removeprefix(_M4A_FREE))] = text
    return found


_WRITERS: dict[str, Any] = {kind: _write_comments(kind) for kind in ("ogg", "opus", "flac")}
_WRITERS |= {"mp3": _write_id3, "m4a": _write_m4a}
_READERS: dict[str, Any] = {kind: _read_comments(kind) for kind in ("ogg", "opus", "flac")}
_READERS |= {"mp3": _read_id3, "m4a": _read_m4a}
