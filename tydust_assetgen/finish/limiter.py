"""The look-ahead limiter. Audio and a gain walk in, audio whose true peaks stay under the limit walks out.

The wanted gain of each frame is the limit over the true-peak envelope (4x oversampled, ITU-R BS.1770-4, annex 2). It
recovers along a straight line in decibels, is held for the look-ahead on both sides, and smoothed by a triangle as
long as the hold: the gain is down before the peak comes, moves without corners, and never lets a peak through. For a
loop all of this goes round in a circle, so that the gain at the end leads into the gain at the start.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from tydust_assetgen.audio import Audio
from tydust_assetgen.measure import true_peak_dbtp, true_peak_envelope

_LOOK_AHEAD_S = 0.004
_RELEASE_DB_PER_S = 60.0
"""6 dB of gain reduction are given back in 100 ms."""
_CIRCLE_FRAMES = 64
"""Frames repeated at both ends of a loop, so that its true peaks are found across the seam."""
_SAFETY_DB = 0.01
_MOST_TRIES = 4


class Limiter:
    """Holds the true-peak envelope of one track, which is the same for every gain but for a factor."""

    def __init__(self, audio: Audio, peak_dbtp: float, *, circular: bool) -> None:
        self._audio = audio
        self._peak_dbtp = peak_dbtp
        self._circular = circular
        self._envelope_db = _decibels(_envelope(audio.samples, circular))

    def at(self, gain_db: float) -> tuple[Audio, float]:
        """The track with this gain, limited, and the most that was taken away, in dB."""
        limit_db = self._peak_dbtp - _SAFETY_DB
        for _ in range(_MOST_TRIES):
            reduction_db = self._reduction(gain_db, limit_db)
            limited = Audio(self._audio.samples * _linear(reduction_db + np.float32(gain_db)), self._audio.rate_hz)
            over_db = _true_peak(limited, self._circular) - self._peak_dbtp
            if over_db <= 0:
                break
            limit_db -= over_db + _SAFETY_DB
        return limited, -float(reduction_db.min())

    def _reduction(self, gain_db: float, limit_db: float) -> NDArray[np.float32]:
        """Gain of the limiter in each frame, 0 dB or less."""
        wanted = np.minimum(0.0, limit_db - gain_db - self._envelope_db)
        slope = _RELEASE_DB_PER_S / self._audio.rate_hz
        reach = max(round(_LOOK_AHEAD_S * self._audio.rate_hz / 2), 1)
        edge: Literal["wrap", "nearest"] = "wrap" if self._circular else "nearest"
        held = minimum_filter1d(_released(wanted, slope, self._circular), 4 * reach + 1, mode=edge)
        smooth = uniform_filter1d(uniform_filter1d(held, 2 * reach + 1, mode=edge), 2 * reach + 1, mode=edge)
        return np.asarray(np.minimum(smooth, 0.0), np.float32)


def _envelope(samples: NDArray[np.float32], circular: bool) -> NDArray[np.float32]:
    """A crest between two frames counts for both."""
    extended = _extended(samples) if circular else samples
    after = true_peak_envelope(extended)
    both = np.maximum(after, np.concatenate(([np.float32(0)], after[:-1])))
    return both[_CIRCLE_FRAMES:-_CIRCLE_FRAMES] if circular else both


def _extended(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(samples, ((0, 0), (_CIRCLE_FRAMES, _CIRCLE_FRAMES)), mode="wrap")


def _true_peak(audio: Audio, circular: bool) -> float:
    """Of the track played alone, and of the loop's seam too."""
    alone = true_peak_dbtp(audio)
    if not circular:
        return alone
    seam = np.concatenate((audio.samples[:, -_CIRCLE_FRAMES:], audio.samples[:, :_CIRCLE_FRAMES]), axis=1)
    return max(alone, true_peak_dbtp(Audio(seam, audio.rate_hz)))


def _released(wanted_db: NDArray[np.float64], slope_db: float, circular: bool) -> NDArray[np.float64]:
    """After each minimum the gain rises by `slope_db` a frame: a running minimum, seen from a rising floor.

    For a loop the second of two turns is taken; what the first turn left behind is then in it.
    """
    turns = np.concatenate((wanted_db, wanted_db)) if circular else wanted_db
    rise = slope_db * np.arange(len(turns))
    released = np.minimum.accumulate(turns - rise) + rise
    return np.asarray(released[-len(wanted_db) :])


def _decibels(level: NDArray[np.float32]) -> NDArray[np.float64]:
    return 20.0 * np.log10(np.maximum(level.astype(np.float64), 1e-9))


def _linear(level_db: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(10.0 ** (level_db / np.float32(20)), np.float32)
