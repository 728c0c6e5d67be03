"""Decodes the bytes of an audio file; call it through `codec.decode`.

The bytes may come from anywhere, so nothing in them is trusted.

First the structure is walked (`damage`), then the claimed length is held against the limit, then it is decoded in
blocks up to what was claimed. FLAC's MD5 over the samples is checked here, where there are samples.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.codec import ffmpeg, formats, tagging
from tydust_assetgen.codec.containers import flac, mp3, mp4, ogg, sniff
from tydust_assetgen.errors import CodecError

if TYPE_CHECKING:
    from tydust_assetgen.flow import Codec

_BLOCK_FRAMES = 65_536
_MAX_CHANNELS = 8
_MAX_SAMPLES = 1 << 28
"""Over all channels, 1 GB as float32: 30 minutes of stereo at 74 kHz."""
_RATES_HZ = range(4_000, 384_001)
_CONTENT = {
    "ogg": (("OGG",), "VORBIS"),
    "opus": (("OGG",), "OPUS"),
    "mp3": (("MP3",), "MPEG_LAYER_III"),
    "flac": (("FLAC",), ""),
    "wav": (("WAV", "WAVEX", "RF64"), ""),
}
"""What libsndfile calls the container and what is in it."""
_OGG: dict[Codec, str] = {"ogg": "Vorbis", "opus": "Opus"}
_BITS = {
    "PCM_U8": "8",
    "PCM_S8": "8",
    "PCM_16": "16",
    "PCM_24": "24",
    "PCM_32": "32",
    "FLOAT": "float",
    "DOUBLE": "float",
}


_MOST_LINKS = 64


def decode(data: bytes, kind: Codec, max_duration_s: float) -> formats.Decoded:
    """See `codec.decode`."""
    _refuse_large(data)
    if (found := sniff.container(data)) not in ("", formats.CONTAINERS[kind]):
        raise CodecError(f"the file is no {kind}, it is {found}")
    if broken := formats.damage(data, kind):
        raise CodecError(f"the {kind} file is damaged: {broken}")
    if kind in _OGG and (found := ogg.content(data)) != _OGG[kind]:
        raise CodecError(f"the file is no {kind}, it is {found} in Ogg")
    try:
        audio, bits = _audio(data, kind, max_duration_s)
    except soundfile.SoundFileError as error:
        raise CodecError(f"the {kind} file does not decode: {formats.reason(error)}") from error
    tags, loop = tagging.read(data, kind)
    return formats.Decoded(audio, kind, _kbps(data, kind, audio), bits, _within(loop, audio.frames), tags)


def _audio(data: bytes, kind: Codec, max_duration_s: float) -> tuple[Audio, str]:
    """The samples, and for WAV and FLAC what they are stored as."""
    if kind == "m4a":
        return _m4a(data, max_duration_s)
    chain = ogg.links(data) if kind in _OGG else [data]
    if len(chain) > _MOST_LINKS:
        raise CodecError(f"the file is a chain of {len(chain)} recordings, more than are read")
    parts = [_sndfile(link, kind, max_duration_s)[0] for link in chain] if len(chain) > 1 else []
    if not parts:
        return _sndfile(data, kind, max_duration_s)
    if len({(part.rate_hz, part.channels) for part in parts}) > 1:
        raise CodecError("the file is a chain of recordings with different rates or channels")
    audio = Audio(np.concatenate([part.samples for part in parts], axis=1), parts[0].rate_hz)
    _refuse(audio.frames, audio.rate_hz, audio.channels, max_duration_s)
    return audio, ""


def decode_other(data: bytes, kind: str, max_duration_s: float) -> Audio:
    """See `codec.decode_reference`. ffmpeg gives whole numbers, usually of 16 bits."""
    _refuse_large(data)
    what, samples = ffmpeg.decode_other(data, kind, max_duration_s + 1.0)
    numbers = np.frombuffer(samples, f"<i{what.width_bytes}")
    frames = numbers.size // max(what.channels, 1)
    _refuse(frames, what.rate_hz, what.channels, max_duration_s)
    full = np.float32(2.0 ** (8 * what.width_bytes - 1))
    return Audio(np.ascontiguousarray(numbers.reshape(frames, what.channels).T / full, np.float32), what.rate_hz)


def _refuse_large(data: bytes) -> None:
    if len(data) > formats.MAX_BYTES:
        raise CodecError(f"the file is larger than {formats.MAX_BYTES // 2**20} MB")


def _sndfile(data: bytes, kind: Codec, max_duration_s: float) -> tuple[Audio, str]:
    containers, subtype = _CONTENT[kind]
    frames = mp3.untagged(data) if kind == "mp3" else data  # libsndfile does not know every kind of tag
    with soundfile.SoundFile(io.BytesIO(frames)) as source:
        if source.format not in containers or subtype not in ("", source.subtype):
            raise CodecError(f"the file is no {kind}, it is {source.format} {source.subtype}")
        most = mp3.walk(frames).samples if kind == "mp3" else source.frames
        _refuse(most, source.samplerate, source.channels, max_duration_s)
        if kind == "flac":
            return _flac(source, data)
        samples = _join(_blocks(source, "float32", most), source.channels, most)
        if kind != "mp3":
            _whole(samples, most)
        return Audio(samples, source.samplerate), _BITS.get(source.subtype, "") if kind == "wav" else ""


def _refuse(frames: int, rate_hz: int, channels: int, max_duration_s: float) -> None:
    if rate_hz not in _RATES_HZ or not 1 <= channels <= _MAX_CHANNELS:
        raise CodecError(f"{channels} channels at {rate_hz} Hz are not taken")
    if frames > max_duration_s * rate_hz:
        raise CodecError(f"the file is longer than {max_duration_s:g} seconds")
    if frames * channels > _MAX_SAMPLES:
        raise CodecError(f"{channels} channels of {frames} samples are more than is taken")
    if frames == 0:
        raise CodecError("there is no audio in the file")


def _blocks(source: Any, dtype: str, most: int) -> Iterator[NDArray[Any]]:
    """Blocks `[frames, channels]`, `most` frames of them at most."""
    while most > 0 and len(block := source.read(min(most, _BLOCK_FRAMES), dtype=dtype, always_2d=True)):
        most -= len(block)
        yield block


def _join(blocks: Iterator[NDArray[Any]], channels: int, most: int) -> NDArray[np.float32]:
    samples = np.empty((channels, most), np.float32)
    start = 0
    for block in blocks:
        samples[:, start : start + len(block)] = block.T
        start += len(block)
    return np.ascontiguousarray(samples[:, :start])


def _whole(samples: NDArray[np.float32], frames: int) -> None:
    """MP3 is not asked: without an `Info` tag libsndfile only guesses its length."""
    if samples.shape[1] != frames:
        raise CodecError(f"the file is damaged: {samples.shape[1]} samples of {frames} are there")


def _flac(source: Any, data: bytes) -> tuple[Audio, str]:
    """Decode as integers, so that the MD5 in the header (RFC 9639, section 8.2) can be checked on the way."""
    facts = flac.stream_info(data)
    digest = hashlib.md5(usedforsecurity=False)

    def blocks() -> Iterator[NDArray[Any]]:
        for block in _blocks(source, "int32", source.frames):
            digest.update(_packed(block >> (32 - facts.bits), facts.bits))
            yield block * np.float32(2.0**-31)

    samples = _join(blocks(), source.channels, source.frames)
    _whole(samples, source.frames)
    if any(facts.md5) and digest.digest() != facts.md5:
        raise CodecError("the flac file is damaged: its samples are not those that its checksum was made of")
    return Audio(samples, source.samplerate), str(facts.bits)


def _packed(block: NDArray[np.int32], bits: int) -> bytes:
    """Little-endian, in as few whole bytes as the sample takes."""
    width = (bits + 7) // 8
    return np.ascontiguousarray(block.astype("<i4")).view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def _m4a(data: bytes, max_duration_s: float) -> tuple[Audio, str]:
    sound = ffmpeg.decode_m4a(mp4.movie_first(data), max_duration_s + 1.0, 4 * _MAX_SAMPLES)
    frames = (len(sound.data) - sound.start) // (4 * max(sound.channels, 1))
    _refuse(frames, sound.rate_hz, sound.channels, max_duration_s)
    samples = np.frombuffer(sound.data, ">f4", frames * sound.channels, sound.start).reshape(frames, sound.channels).T
    samples = samples[:, : mp4.played_frames(data, sound.rate_hz) or frames]
    return Audio(np.ascontiguousarray(samples, np.float32), sound.rate_hz), ""


def _kbps(data: bytes, kind: Codec, audio: Audio) -> float:
    return mp3.walk(data).kbps if kind == "mp3" else len(data) * 8 / 1000 / audio.duration_s


def _within(loop: LoopPoints | None, frames: int) -> LoopPoints | None:
    return loop if loop and 0 <= loop.start_frames < loop.end_frames <= frames else None
