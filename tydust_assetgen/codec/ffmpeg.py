"""Calls ffmpeg, which encodes and decodes M4A.

Everything goes through pipes, so that nothing is left on the disk, and no ffmpeg runs on, however a build ends: when
we are gone, its input ends. pydub wraps the samples up as a WAV file for it; pydub's own way to ffmpeg would leave
temporary files behind when it fails or is interrupted, and asks for ffprobe, which some installations lack.
"""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from tydust_assetgen.errors import CodecError, UnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HINT = "install ffmpeg (`apt install ffmpeg`, `brew install ffmpeg`, `winget install ffmpeg`), or take ogg"
_QUIET = ["-nostdin", "-v", "error", "-threads", "1", "-protocol_whitelist", "pipe"]
_PLAIN = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"]
"""No encoder name and no difference between two runs."""
_AAC = ["-c:a", "aac", "-aac_pns", "0"]
"""Without noise substitution: each decoder would draw its own noise, and peaks rise (by 0.5 to 1 dB, measured)."""
_AU = struct.Struct(">4s5I")
"""The header of Sun's format: magic, where the samples begin, their size, their kind, rate, channels."""


class Sound(NamedTuple):
    """What ffmpeg decoded: big-endian float32 samples, interleaved, from `start` on."""

    data: bytes
    start: int
    rate_hz: int
    channels: int


def missing() -> str:
    """Empty when ffmpeg is on the path, else what is missing and how to get it."""
    return "" if shutil.which("ffmpeg") else f"m4a needs ffmpeg, and there is none on the path; {HINT}"


def encode_aac(samples: NDArray[np.int32], rate_hz: int, kbps: int) -> bytes:
    """AAC-LC as ADTS frames, from 32-bit samples `[frames, channels]`.

    Raises:
        CodecError: ffmpeg can't, and why.
    """
    segment = _pydub().AudioSegment(
        data=samples.tobytes(), sample_width=4, frame_rate=rate_hz, channels=samples.shape[1]
    )
    wav = segment.export(io.BytesIO(), format="wav").getvalue()
    target = [*_AAC, "-b:a", f"{kbps}k", "-ar", str(rate_hz), *_PLAIN, "-f", "adts", "pipe:1"]
    return _run(["ffmpeg", *_QUIET, "-f", "wav", "-i", "pipe:0", *target], wav, "encode")


def decode_m4a(data: bytes, max_duration_s: float, max_bytes: int) -> Sound:
    """The samples of an M4A file whose `moov` stands in front, at its own rate; at most so many.

    Raises:
        CodecError: it does not decode, and why.
        UnavailableError: there is no ffmpeg.
    """
    if missing():
        raise UnavailableError("m4a needs ffmpeg, and there is none on the path", hint=HINT)
    limits = ["-t", str(max_duration_s), "-fs", str(max_bytes)]
    target = ["-map", "0:a:0", *limits, *_PLAIN, "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    made = _run(["ffmpeg", *_QUIET, "-xerror", "-f", "mov", "-i", "pipe:0", *target], data, "decode")
    if len(made) < _AU.size:
        raise CodecError("ffmpeg could not decode m4a: there is no audio in the file")
    _, start, _, _, rate_hz, channels = _AU.unpack_from(made)
    return Sound(made, start, rate_hz, channels)


def _run(command: list[str], data: bytes, verb: str) -> bytes:
    try:
        done = subprocess.run(command, input=data, capture_output=True, check=False)
    except OSError as error:
        raise CodecError(f"ffmpeg could not {verb} m4a: {error}") from error
    if done.returncode != 0 or done.stderr:
        raise CodecError(f"ffmpeg could not {verb} m4a: {_last_line(done.stderr.decode('utf-8', 'replace'))}")
    return done.stdout


def _pydub() -> Any:
    """pydub, without its warnings: it looks for ffmpeg, and compiles old string escapes, when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pydub
    return pydub


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it did not say why"
