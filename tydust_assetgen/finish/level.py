"""Loudness and peaks. Audio and two numbers walk in; the same audio at that loudness, under that peak, walks out.

A linear gain brings the integrated loudness (ITU-R BS.1770-4) to the target. Only where that drives peaks over the
limit does the limiter work; as it takes loudness away, gain and limiter are tried again until the loudness is right.
"""

from __future__ import annotations

import math

import numpy as np

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.finish.limiter import Limiter
from tydust_assetgen.measure import integrated_lufs, true_peak_dbtp

_CLOSE_LU = 0.03
_MOST_TRIES = 12
_MOST_LIMITING_DB = 20.0
"""More than this is no limiting any more: the track stays under its target instead."""


def level(audio: Audio, target_lufs: float, peak_dbtp: float, *, circular: bool) -> tuple[Audio, tuple[str, ...]]:
    """The audio at the target loudness, its true peak not over the limit, and what a person should know about it."""
    plain = _full_scale(audio)
    gain_db = target_lufs - _loudness(plain)
    if true_peak_dbtp(plain) + gain_db <= peak_dbtp:
        return _amplified(plain, gain_db), ()
    return _limited(plain, gain_db, target_lufs, peak_dbtp, circular)


def _limited(
    plain: Audio, gain_db: float, target_lufs: float, peak_dbtp: float, circular: bool
) -> tuple[Audio, tuple[str, ...]]:
    limiter = Limiter(plain, peak_dbtp, circular=circular)
    highest_db = gain_db + _MOST_LIMITING_DB
    for _ in range(_MOST_TRIES):
        limited, most_db = limiter.at(gain_db)
        loudness = _loudness(limited)
        if abs(loudness - target_lufs) <= _CLOSE_LU or gain_db >= highest_db:
            break
        gain_db = min(gain_db + (target_lufs - loudness), highest_db)
    notes = (f"{most_db:.1f} dB of limiting at most",)
    short = f"{loudness:.1f} LUFS instead of {target_lufs:g}: its peaks allow no more"
    return limited, notes if abs(loudness - target_lufs) <= 0.1 else (*notes, short)


def _full_scale(audio: Audio) -> Audio:
    """At a sample peak of 0 dBFS, so that a quiet take passes the absolute gate of the loudness measure."""
    peak = max(float(audio.samples.max()), -float(audio.samples.min()))
    return Audio(audio.samples / np.float32(peak), audio.rate_hz)


def _loudness(audio: Audio) -> float:
    loudness = integrated_lufs(audio)
    if not math.isfinite(loudness):
        raise GenerationError("the take is too short or too quiet for its loudness to be measured")
    return loudness


def _amplified(audio: Audio, gain_db: float) -> Audio:
    return Audio(audio.samples * np.float32(10 ** (gain_db / 20)), audio.rate_hz)
