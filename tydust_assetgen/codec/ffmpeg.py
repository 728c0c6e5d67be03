"""What only ffmpeg can: encode and decode M4A, and decode other formats in which reference sounds come.

pydub calls ffmpeg, but for decoding M4A: files that we made are measured, which takes samples in float32, and pydub has
whole numbers only.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from tydust_assetgen.codec import pydub_client
from tydust_assetgen.codec.pydub_process import DecodeJob, EncodeJob, Samples
from tydust_assetgen.errors import CodecError, UnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HINT = "install ffmpeg (`apt install ffmpeg`, `brew install ffmpeg`, `winget install ffmpeg`), or take ogg"
_QUIET = ["-nostdin", "-v", "error", "-threads", "1", "-protocol_whitelist", "pipe"]
_PLAIN = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"]
"""No encoder name and no difference between two runs."""
_NO_PNS = ["-aac_pns", "0"]
"""No noise substitution: with it each decoder would draw its own noise, and peaks rise (by 0.5 to 1 dB, measured)."""
_AU = struct.Struct(">4s5I")
"""The header of Sun's format: magic, where the samples begin, their size, their kind, rate, channels."""


_DEMUXERS = {"m4b": "mov", "mka": "matroska", "mp4": "mov", "webm": "matroska", "wma": "asf"}
"""What ffmpeg calls the container, where that is not its extension. None of them makes it open another file."""


class Sound(NamedTuple):
    """What ffmpeg decoded: big-endian float32 samples, interleaved, from `start` on."""

    data: bytes
    start: int
    rate_hz: int
    channels: int


def missing(kind: str = "m4a") -> str:
    """Empty when ffmpeg is on the path, else what is missing and how to get it."""
    return "" if shutil.which("ffmpeg") else f"{kind} needs ffmpeg, and there is none on the path; {HINT}"


def encode_aac(samples: NDArray[np.int32], rate_hz: int, kbps: int) -> bytes:
    """AAC-LC as ADTS frames, from 32-bit samples `[frames, channels]`.

    Raises:
        CodecError: ffmpeg can't, and why.
    """
    options = (*_NO_PNS, "-ar", str(rate_hz), *_PLAIN)
    kind = Samples(width_bytes=4, rate_hz=rate_hz, channels=samples.shape[1])
    job = EncodeJob(samples=kind, format="adts", codec="aac", kbps=kbps, options=options)
    return pydub_client.encode(samples.astype("<i4", copy=False).tobytes(), job, "m4a")


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
    made = _run(["ffmpeg", *_QUIET, "-xerror", "-f", "mov", "-i", "pipe:0", *target], data)
    if len(made) < _AU.size:
        raise CodecError("ffmpeg could not decode m4a: there is no audio in the file")
    _, start, _, _, rate_hz, channels = _AU.unpack_from(made)
    return Sound(made, start, rate_hz, channels)


def decode_other(data: bytes, kind: str, max_duration_s: float) -> tuple[Samples, bytes]:
    """Whole numbers of a sound that only ffmpeg knows, at its own rate, of one of `codec.ONLY_READ`.

    Raises:
        CodecError: it does not decode, and why.
        UnavailableError: there is no ffmpeg.
    """
    if missing(kind):
        raise UnavailableError(f"{kind} needs ffmpeg, and there is none on the path", hint=HINT)
    job = DecodeJob(format=_DEMUXERS.get(kind, kind), max_duration_s=max_duration_s)
    return pydub_client.decode(data, job, kind)


def _run(command: list[str], data: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=pydub_client.TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CodecError(f"ffmpeg could not decode m4a: {error}") from error
    if done.returncode != 0 or done.stderr:
        raise CodecError(f"ffmpeg could not decode m4a: {pydub_client.last_line(done.stderr)}")
    return done.stdout
