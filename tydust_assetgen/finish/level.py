"""Loudness and peaks. Audio and two numbers walk in; the same audio at that loudness, under that peak, walks out.

A linear gain brings the integrated loudness (ITU-R BS.1770-4) to the target. Only where that drives peaks over the
limit does the limiter work; as it takes loudness away, gain and limiter are tried again until the loudness is right.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import integrated_lufs, true_peak_dbtp
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.finish.limiter import Limiter

_CLOSE_LU = 0.03
_MISSED_LU = 0.1
_MOST_TRIES = 8
_MOST_LIMITING_DB = 12.0
"""More than this is no limiting any more: the track stays under its target instead."""
_BETWEEN_DB = 0.3
"""A wave can rise this much between the four points of each frame that the envelope looks at."""
_SAFETY_DB = 0.1
"""How far under the limit the envelope is held: noise rises about this much between its points."""
_AGAIN_DB = 0.02
_NO_LOUDER = 0.1
"""A decibel of gain that brings less loudness than this is not worth what it does to the sound."""
_SEAM_FRAMES = 64


class _Try(NamedTuple):
    """One gain, and what came of it."""

    gain_db: float
    audio: Audio
    limiting_db: float
    lufs: float


def level(audio: Audio, target_lufs: float, peak_dbtp: float, *, circular: bool) -> tuple[Audio, tuple[str, ...]]:
    """The audio at the target loudness, its true peak not over the limit, and what a person should know about it.

    Raises:
        GenerationError: its loudness can't be measured.
    """
    plain = _full_scale(audio)
    gain_db = target_lufs - _lufs(plain)
    limiter = Limiter(plain, circular=circular)
    if limiter.highest_db + _BETWEEN_DB + gain_db <= peak_dbtp:
        return _amplified(plain, gain_db), ()
    best, over_db = _under_peak(limiter, gain_db, target_lufs, peak_dbtp)
    return _amplified(best.audio, -over_db), _notes(best, over_db, target_lufs)


def _under_peak(limiter: Limiter, gain_db: float, target_lufs: float, peak_dbtp: float) -> tuple[_Try, float]:
    """The settled gain, and by how much its true peak is still over the limit (almost always 0).

    The limiter looks at four points a frame, and the wave may pass a little higher between them: then its own limit
    is lowered by as much.
    """
    limit_db, over_db = peak_dbtp - _SAFETY_DB, 0.0
    for _ in range(3):
        best = _settled(limiter, gain_db, limit_db, target_lufs)
        over_db = max(_true_peak(best.audio, limiter.circular) - peak_dbtp, 0.0)
        if over_db == 0.0:
            break
        gain_db, limit_db = best.gain_db, limit_db - over_db - _AGAIN_DB
    return best, over_db


def _settled(limiter: Limiter, gain_db: float, limit_db: float, target_lufs: float) -> _Try:
    """Raise the gain until the limited track is loud enough (secant method on loudness over gain)."""
    highest_db = limit_db + _MOST_LIMITING_DB - limiter.highest_db
    now, slope = _attempt(limiter, min(gain_db, highest_db), limit_db), 1.0
    for _ in range(_MOST_TRIES):
        missing = target_lufs - now.lufs
        if abs(missing) <= _CLOSE_LU or (missing > 0 and now.gain_db >= highest_db):
            break
        gain_db, lufs = now.gain_db, now.lufs
        now = _attempt(limiter, min(gain_db + missing / slope, highest_db), limit_db)
        if now.gain_db != gain_db:
            slope = min((now.lufs - lufs) / (now.gain_db - gain_db), 1.0)
        if slope < _NO_LOUDER:
            break
    return now


def _attempt(limiter: Limiter, gain_db: float, limit_db: float) -> _Try:
    audio, limiting_db = limiter.at(gain_db, limit_db)
    return _Try(gain_db, audio, limiting_db, _lufs(audio))


def _notes(best: _Try, over_db: float, target_lufs: float) -> tuple[str, ...]:
    limiting = (f"{best.limiting_db:.1f} dB of limiting at most",) if best.limiting_db >= 0.05 else ()
    lufs = best.lufs - over_db
    if abs(lufs - target_lufs) <= _MISSED_LU:
        return limiting
    return (*limiting, f"{lufs:.1f} LUFS instead of {target_lufs:g}: its peaks allow no more")


def _full_scale(audio: Audio) -> Audio:
    """At a sample peak of 0 dBFS, so that a quiet take passes the absolute gate of the loudness measure."""
    peak = max(float(audio.samples.max()), -float(audio.samples.min()))
    return Audio(audio.samples / np.float32(peak), audio.rate_hz)


def _lufs(audio: Audio) -> float:
    loudness = integrated_lufs(audio)
    if not math.isfinite(loudness):
        raise GenerationError("the take is almost silent: its loudness can't be measured")
    return loudness


def _true_peak(audio: Audio, circular: bool) -> float:
    """Of the track played alone, and of a loop's seam."""
    alone = true_peak_dbtp(audio)
    if not circular:
        return alone
    seam = np.concatenate((audio.samples[:, -_SEAM_FRAMES:], audio.samples[:, :_SEAM_FRAMES]), axis=1)
    return max(alone, true_peak_dbtp(Audio(seam, audio.rate_hz)))


def _amplified(audio: Audio, gain_db: float) -> Audio:
    return Audio(audio.samples * np.float32(10 ** (gain_db / 20)), audio.rate_hz)
