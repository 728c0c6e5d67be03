"""Encodes a `Master` with soundfile (libsndfile), or with ffmpeg for M4A; call it through `codec.encode`.

Nothing random and no clock gets into the bytes: dither is seeded from the samples, and Ogg serial numbers are taken
from the content.
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
from tydust_assetgen.codec.containers import m4a, mp3, ogg
from tydust_assetgen.dsp.resample import resample
from tydust_assetgen.errors import CodecError, UnavailableError

if TYPE_CHECKING:
    from tydust_assetgen.flow import Codec, Master, Output

_OPUS_AFTER = 960
_AAC_BEFORE, _AAC_AFTER = 8 * m4a.FRAME, 2 * m4a.FRAME
"""What a loop gets of itself: before it until the encoder's bit rate has settled (measured), after it the overlap."""
_AAC_DELAY = m4a.FRAME
"""Of ffmpeg's own encoder (`initial_padding` in `libavcodec/aacenc.c`)."""
_CHUNK_FRAMES = 16_384
"""libsndfile crashes on one huge Vorbis write (libsndfile issue 424)."""
_FORMATS = {
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "flac": ("FLAC", "PCM_"),
    "wav": ("WAV", "PCM_"),
}


def encode(master: Master, output: Output, tags: formats.Tags) -> bytes:
    """See `codec.encode`."""
    _refuse(master, output)
    audio, loop = _delivered(master, output.codec)
    data = _untagged(audio, output, circular=loop is not None)
    tagged = tagging.write(data, output.codec, tags, loop, audio.rate_hz)
    return ogg.with_serial_from_content(tagged) if output.codec in ogg.MAGIC else tagged


def _refuse(master: Master, output: Output) -> None:
    if reason := formats.objection(output, master.audio.rate_hz):
        raise CodecError(reason, slot=output.path)
    if formats.available(output.codec):
        raise UnavailableError("m4a needs ffmpeg, and there is none on the path", slot=output.path, hint=ffmpeg.HINT)
    if master.audio.frames == 0 or not np.isfinite(master.audio.samples).all():
        raise CodecError("the master is empty or holds values that are no numbers", slot=output.path)


def _delivered(master: Master, kind: Codec) -> tuple[Audio, LoopPoints | None]:
    """The master at the rate of the file; a loop over the whole of it is resampled as a circle."""
    audio, loop = master.audio, master.loop
    rate_hz, _ = formats.delivered(kind, audio.rate_hz, audio.frames)
    if rate_hz == audio.rate_hz:
        return audio, loop
    whole = loop is not None and loop.length_frames == audio.frames
    moved = Audio(resample(audio.samples, audio.rate_hz, rate_hz, circular=whole), rate_hz)
    if loop is None:
        return moved, None
    start, end = (formats.delivered(kind, audio.rate_hz, at)[1] for at in (loop.start_frames, loop.end_frames))
    return moved, LoopPoints(start, end)


def _untagged(audio: Audio, output: Output, *, circular: bool) -> bytes:
    if output.codec == "m4a":
        return _m4a(audio, output, circular)
    if output.codec == "opus":
        return _opus(audio, output, circular)
    return _sndfile(audio, output)


def _opus(audio: Audio, output: Output, circular: bool) -> bytes:
    """libsndfile loses the last 6 ms, the encoder's delay: it is given more than is wanted, and that is cut again.

    For a loop the more is its beginning, so that the codec hears no end and the seam stays smooth.
    """
    after = np.pad(audio.samples, ((0, 0), (0, _OPUS_AFTER)), mode="wrap")
    if not circular:
        after[:, audio.frames :] = 0.0
    return ogg.opus_ending_at(_sndfile(Audio(after, audio.rate_hz), output), audio.frames)


def _m4a(audio: Audio, output: Output, circular: bool) -> bytes:
    """ffmpeg's encoder puts a frame of delay in front, which the edit list cuts.

    A loop has its end put before it and its beginning after it, and cut as well: the codec hears no seam at all.
    """
    before, after = (_AAC_BEFORE, _AAC_AFTER) if circular else (0, 0)
    around = np.pad(audio.samples, ((0, 0), (before, after)), mode="wrap")
    samples = np.concatenate([_integers(chunk, 32) for chunk in _chunks(around)])
    adts = ffmpeg.encode_aac(samples, audio.rate_hz, output.bitrate_kbps)
    return m4a.m4a(adts, audio.rate_hz, _AAC_DELAY + before, audio.frames)


def _sndfile(audio: Audio, output: Output) -> bytes:
    container, subtype = _FORMATS[output.codec]
    if subtype == "PCM_":
        subtype = "FLOAT" if output.bits == "float" else f"PCM_{output.bits}"
    file = io.BytesIO()
    shape = (audio.rate_hz, audio.channels, subtype)
    try:
        with soundfile.SoundFile(file, "w", *shape, format=container, **_settings(audio, output)) as sink:
            for chunk in _prepared(audio.samples, output):
                sink.write(chunk)
    except (soundfile.SoundFileError, ValueError) as error:
        raise CodecError(f"{output.codec} could not be encoded: {formats.reason(error)}", slot=output.path) from error
    return file.getvalue()


def _settings(audio: Audio, output: Output) -> dict[str, Any]:
    """libsndfile's `compression_level` is 0 to 1 for every codec; these are its own formulas, turned around."""
    if output.codec == "ogg":  # quality = 1 - level, in tenths
        return {"compression_level": 1.0 - output.quality / 10.0}
    if output.codec == "opus":  # per channel: 6 + 250 (1 - level) kb/s
        level = 1.0 - (output.bitrate_kbps / audio.channels - 6.0) / 250.0
        return {"compression_level": min(max(level, 0.0), 1.0)}
    if output.codec == "mp3":
        return {"compression_level": _mp3_level(output.bitrate_kbps, audio.rate_hz), "bitrate_mode": "CONSTANT"}
    return {}


def _mp3_level(kbps: int, rate_hz: int) -> float:
    """The lowest and highest bit rate stand for 1 and 0; but 1 itself is refused (it is set while the mode is VBR)."""
    lowest, highest = (32, 320) if rate_hz >= 32_000 else (8, 160) if rate_hz >= 16_000 else (8, 64)
    return min((highest - kbps) / (highest - lowest), 0.9999)


def _prepared(samples: NDArray[np.float32], output: Output) -> Iterator[NDArray[Any]]:
    """Chunks `[frames, channels]` in the sample format that the encoder is to be given."""
    if output.codec == "mp3":  # the limiter has left room: all files of a track should be equally loud
        yield from (chunk / np.float32(mp3.lame_scale(output.bitrate_kbps)) for chunk in _chunks(samples))
    elif _FORMATS[output.codec][1] != "PCM_" or output.bits == "float":
        yield from _chunks(samples)
    elif output.bits == "24":
        yield from (_integers(chunk, 24) << 8 for chunk in _chunks(samples))
    else:
        noise = _noise(samples)
        for chunk in _chunks(samples):
            dither = noise.random(chunk.shape, np.float32) - noise.random(chunk.shape, np.float32)
            yield _integers(chunk, 16, dither).astype(np.int16)


def _chunks(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, samples.shape[1], _CHUNK_FRAMES):
        yield np.ascontiguousarray(samples[:, start : start + _CHUNK_FRAMES].T)


def _integers(chunk: NDArray[np.float32], bits: int, dither: NDArray[np.float32] | None = None) -> NDArray[np.int32]:
    """Full scale is 2^(bits-1), as every decoder reads it; what is beyond is clipped."""
    full = 2.0 ** (bits - 1)
    scaled = chunk.astype(np.float64) * full
    if dither is not None:
        scaled += dither
    return np.clip(np.rint(scaled), -full, full - 1).astype(np.int32)


def _noise(samples: NDArray[np.float32]) -> np.random.Generator:
    """Where the dither of 16 bits comes from: triangular noise, two steps from peak to peak, seeded by the sound.

    S. Lipshitz, R. Wannamaker, J. Vanderkooy, "Quantization and Dither" (JAES 40(5), 1992).
    """
    seed = hashlib.sha256(np.ascontiguousarray(samples).data).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))
