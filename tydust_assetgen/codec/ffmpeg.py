"""The way to ffmpeg, for M4A alone. Samples walk in, an M4A file walks out, and back.

Encoding goes through pydub, which writes a WAV file for ffmpeg and reads back what ffmpeg makes of it. Decoding calls
ffmpeg itself: pydub would want ffprobe besides, which some installations of ffmpeg lack.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tydust_assetgen.errors import CodecError, UnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HINT = "install ffmpeg (`apt install ffmpeg`, `brew install ffmpeg`, `winget install ffmpeg`), or take ogg"
_PLAIN = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"]
"""No encoder name, no creation time, no difference between two runs."""


def missing() -> str:
    """Empty when ffmpeg is on the path, else what is missing and how to get it."""
    return "" if shutil.which("ffmpeg") else f"m4a needs ffmpeg, and there is none on the path; {HINT}"


def encode_m4a(samples: NDArray[np.int32], rate_hz: int, kbps: int) -> bytes:
    """AAC-LC in an MP4 container, from 32-bit samples `[frames, channels]`.

    The edit list counts in samples (`-movie_timescale`), so that delay and padding can be cut exactly.
    """
    exact = ["-movie_timescale", str(rate_hz), "-ar", str(rate_hz)]
    with tempfile.TemporaryDirectory(prefix="assetgen-") as folder:
        target = Path(folder, "out.m4a")
        segment = _pydub().AudioSegment(
            data=samples.tobytes(), sample_width=4, frame_rate=rate_hz, channels=samples.shape[1]
        )
        try:
            segment.export(
                str(target), format="ipod", codec="aac", bitrate=f"{kbps}k", parameters=_PLAIN + exact
            ).close()
        except (_pydub().exceptions.CouldntEncodeError, OSError) as error:
            raise CodecError(f"ffmpeg could not encode m4a: {_last_line(str(error))}") from error
        return target.read_bytes()


def decode_m4a(data: bytes, rate_hz: int, channels: int, max_duration_s: float) -> bytes:
    """The samples of an M4A file as float32, interleaved; at most `max_duration_s` of them."""
    if missing():
        raise UnavailableError("m4a needs ffmpeg, and there is none on the path", hint=HINT)
    with tempfile.TemporaryDirectory(prefix="assetgen-") as folder:
        source = Path(folder, "in.m4a")
        source.write_bytes(data)
        done = subprocess.run(_decoding(source, rate_hz, channels, max_duration_s), capture_output=True, check=False)
    if done.returncode != 0 or done.stderr:
        raise CodecError(f"ffmpeg could not decode m4a: {_last_line(done.stderr.decode('utf-8', 'replace'))}")
    return done.stdout


def _decoding(source: Path, rate_hz: int, channels: int, max_duration_s: float) -> list[str]:
    quiet = ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-threads", "1", "-protocol_whitelist", "file"]
    shape = ["-f", "f32le", "-c:a", "pcm_f32le", "-ar", str(rate_hz), "-ac", str(channels)]
    return [*quiet, "-f", "mov", "-i", str(source), "-map", "0:a:0", "-t", str(max_duration_s), *shape, "pipe:1"]


def _pydub() -> Any:
    """pydub, without its warnings: it looks for ffmpeg, and compiles old string escapes, when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pydub
        import pydub.exceptions
    return pydub


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines() if line.strip(" '\"")]
    return lines[-1][:200] if lines else "it did not say why"
