"""Brings audio to its loudness and keeps its peaks under a limit.

A linear gain brings the integrated loudness (ITU-R BS.1770-4) to the target. Only where that drives peaks over the
limit does the limiter work; as it takes loudness away, gain and limiter are tried again until the loudness is right.

The limiter looks ahead. The gain that it wants is the limit over the true-peak envelope (4x oversampled, ITU-R
BS.1770-4, annex 2), for blocks of about 16 frames. It recovers along a straight line in decibels, is held for the
look-ahead on both sides, and smoothed by a triangle as long as the hold: the gain is down before the peak comes, moves
without corners, and never lets a peak through. For a loop all of this goes round in a circle: the gain at the end leads
into the gain at the start.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import integrated_lufs, true_peak_dbtp, true_peak_envelope
from tydust_assetgen.errors import GenerationError

_CLOSE_LU = 0.03
_MISSED_LU = 0.1
_MOST_TRIES = 8
_MOST_LIMITING_DB = 12.0
"""More than this is no limiting any more: the track stays under its target instead."""
_LIMITING_TOLD_DB = 3.0
"""Less of it on a few peaks is everyday mastering, and nobody hears it."""
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
    limiting = (f"{best.limiting_db:.1f} dB of limiting at most",) if best.limiting_db >= _LIMITING_TOLD_DB else ()
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


_BLOCK_FRAMES = 16
_LOOK_AHEAD_S = 0.0022
"""From the gain's first move to the peak it takes twice this: hold and smoothing."""
_RELEASE_DB_PER_S = 60.0
"""6 dB of gain reduction are given back in 100 ms."""
_CHUNK_FRAMES = 1 << 18
_CIRCLE_FRAMES = 64
"""Frames repeated at both ends of a loop, so that its true peaks are found across the seam."""


class Limiter:
    """Holds the true-peak envelope of one track, which is the same for every gain but for a factor."""

    def __init__(self, audio: Audio, *, circular: bool) -> None:
        self.circular = circular
        self._audio = audio
        blocks = max(-(-audio.frames // _BLOCK_FRAMES), 1)
        self._edges = np.arange(blocks + 1) * audio.frames // blocks
        self._peaks_db = _peaks_db(audio.samples, self._edges, circular)
        self.highest_db = float(self._peaks_db.max())
        """The highest point of the envelope, in dB."""

    def at(self, gain_db: float, limit_db: float) -> tuple[Audio, float]:
        """The track with this gain, limited, and the most that was taken away, in dB."""
        reduction_db = self._reduction(np.minimum(0.0, limit_db - gain_db - self._peaks_db))
        gains = 10.0 ** ((reduction_db + gain_db) / 20.0)
        return Audio(self._with(gains), self._audio.rate_hz), max(-float(reduction_db.min()), 0.0)

    def _with(self, gains: NDArray[np.float64]) -> NDArray[np.float32]:
        """The samples under a gain that runs straight from edge to edge; in chunks, for the sake of memory."""
        limited = np.empty_like(self._audio.samples)
        for start in range(0, self._audio.frames, _CHUNK_FRAMES):
            chunk = self._audio.samples[:, start : start + _CHUNK_FRAMES]
            each = np.interp(np.arange(start, start + chunk.shape[1]), self._edges, gains)
            np.multiply(chunk, each.astype(np.float32), out=limited[:, start : start + chunk.shape[1]])
        return limited

    def _reduction(self, wanted_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gain of the limiter at each block's edge, 0 dB or less, never above what the blocks beside it want."""
        spacing_s = self._audio.frames / (len(self._edges) - 1) / self._audio.rate_hz
        reach = max(round(_LOOK_AHEAD_S / 2 / spacing_s), 1)
        edge: Literal["wrap", "nearest"] = "wrap" if self.circular else "nearest"
        held = minimum_filter1d(
            _released(wanted_db, _RELEASE_DB_PER_S * spacing_s, self.circular), 4 * reach + 1, mode=edge
        )
        smooth = uniform_filter1d(uniform_filter1d(held, 2 * reach + 1, mode=edge), 2 * reach + 1, mode=edge)
        at_start = np.minimum(smooth, 0.0)
        return np.append(at_start, at_start[0] if self.circular else at_start[-1])


def _peaks_db(samples: NDArray[np.float32], edges: NDArray[np.intp], circular: bool) -> NDArray[np.float64]:
    """The highest true peak in the two blocks that meet at each edge, in dB; the last edge is left out."""
    around = _CIRCLE_FRAMES if circular else 0
    envelope = true_peak_envelope(np.pad(samples, ((0, 0), (around, around)), mode="wrap"))
    blocks = np.maximum.reduceat(envelope[around : around + samples.shape[1]], edges[:-1]).astype(np.float64)
    last = blocks[-1] if circular else blocks[0]
    before = np.concatenate(([last], blocks[:-1]))
    return 20.0 * np.log10(np.maximum(np.maximum(blocks, before), 1e-9))


def _released(wanted_db: NDArray[np.float64], rise_db: float, circular: bool) -> NDArray[np.float64]:
    """After each minimum the gain rises by `rise_db` a block: a running minimum, seen from a rising line.

    For a loop the second of two turns is taken; what the first turn left behind is then in it.
    """
    turns = np.concatenate((wanted_db, wanted_db)) if circular else wanted_db
    line = rise_db * np.arange(len(turns))
    released = np.minimum.accumulate(turns - line) + line
    return np.asarray(released[-len(wanted_db) :])
