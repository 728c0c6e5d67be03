"""The look-ahead limiter. Audio, a gain and a limit walk in, audio whose true peaks stay under the limit walks out.

The wanted gain is the limit over the true-peak envelope (4x oversampled, ITU-R BS.1770-4, annex 2), for blocks of
about 16 frames. It recovers along a straight line in decibels, is held for the look-ahead on both sides, and smoothed
by a triangle as long as the hold: the gain is down before the peak comes, moves without corners, and never lets a
peak through. For a loop all of this goes round in a circle: the gain at the end leads into the gain at the start.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import true_peak_envelope

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
    """After each minimum the gain rises by `rise_db` a block: a running minimum, seen from a rising floor.

    For a loop the second of two turns is taken; what the first turn left behind is then in it.
    """
    turns = np.concatenate((wanted_db, wanted_db)) if circular else wanted_db
    floor = rise_db * np.arange(len(turns))
    released = np.minimum.accumulate(turns - floor) + floor
    return np.asarray(released[-len(wanted_db) :])
