"""Measures the joins of a long track, where one window takes over from another: jumps of level, changes of sound.

What is unusual is measured on the track itself, by measuring the same at all other places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tydust_assetgen.generate.musicgen.post.band_levels import BandLevels, Floats, agreed_change, median_over_bands

STEP_S = 3.0
"""What is compared on both sides of a join: the window of short-term loudness (EBU Tech 3341, section 2.2)."""
LONG_S = 9.0
"""A step has to last as long as this to be one, and not a break or a fill."""
SHORTEST_S = 1.5
"""With less than this on one side, a join is not judged."""
LEAST_STEP_DB = 2.0
"""What is smaller is never touched."""
MOST_STEP_DB = 8.0
"""What is larger is no slip of the level: something begins or ends there. It is reported and left alone."""
PEAK_SHARE = 0.8
"""A join's step must be this share of the largest one within `STEP_S` of it; else it belongs to something else."""
USUAL_PERCENT = 95.0
BEYOND = 1.5
"""What is in 19 of 20 places is usual; half more than that is not. With these two, 1 join in 500 of well-made music is
touched, and 3 of 4 steps of 6 dB are found (measured on the composer's tracks, with joins all over them)."""
LEAST_TIMBRE_DB = 6.0
"""A smaller change of the sound is never reported."""
_FEWEST_PLACES = 20
"""With fewer other places, nothing is known of what is usual."""


@dataclass(frozen=True)
class Join:
    """What happens at one join, in dB; 0 where there is too little on one side to say."""

    at_s: float
    step_db: float
    """By how much all bands together get louder."""
    agreed_db: float
    """What three quarters of the bands get louder at least; 0 where they don't agree."""
    usual_step_db: float
    """The same is at most this in 19 of 20 other places."""
    timbre_db: float
    """By how much the bands move against each other, on average."""
    usual_timbre_db: float
    lasting_db: float = 0.0
    """What is left of the step when longer windows on both sides are compared."""

    @property
    def jumps(self) -> bool:
        """The level changes, for good, more than it does elsewhere, and not by more than can be evened."""
        return self._unusual and LEAST_STEP_DB / 2 <= abs(self.amount_db) <= MOST_STEP_DB

    @property
    def breaks(self) -> bool:
        """The level changes by more than can be evened."""
        return self._unusual and abs(self.amount_db) > MOST_STEP_DB

    @property
    def _unusual(self) -> bool:
        return abs(self.agreed_db) > max(BEYOND * self.usual_step_db, LEAST_STEP_DB)

    @property
    def amount_db(self) -> float:
        """What is to be taken back: the smaller of the step at the join and the step that lasts."""
        if self.step_db * self.lasting_db <= 0:
            return 0.0
        return min(self.step_db, self.lasting_db, key=abs)

    @property
    def changes(self) -> bool:
        """It does not sound as before."""
        return self.timbre_db > max(BEYOND * self.usual_timbre_db, LEAST_TIMBRE_DB)


def measure_joins(bands: BandLevels, joins_s: Sequence[float]) -> tuple[Join, ...]:
    """Each of the joins, whose times are in seconds, rising."""
    edges = [0.0, *joins_s, bands.end_s]
    sides = [min(at - before, after - at) for before, at, after in zip(edges, edges[1:], edges[2:], strict=False)]
    return tuple(_join(bands, at_s, side_s, joins_s) for at_s, side_s in zip(joins_s, sides, strict=True))


def _join(bands: BandLevels, at_s: float, side_s: float, joins_s: Sequence[float]) -> Join:
    window_s = min(STEP_S, side_s)
    others = bands.places(window_s, joins_s) if window_s >= SHORTEST_S else np.zeros(0, dtype=np.int64)
    if others.size < _FEWEST_PLACES:
        return Join(at_s, 0.0, 0.0, 0.0, 0.0, 0.0)
    here, there = bands.level_changes([at_s], window_s), bands.level_changes(others * bands.hop_s, window_s)
    return Join(
        at_s,
        step_db=float(median_over_bands(here)[0]),
        agreed_db=float(agreed_change(here)[0]) if _is_peak(bands, at_s, window_s) else 0.0,
        usual_step_db=float(np.percentile(np.abs(agreed_change(there)), USUAL_PERCENT)),
        timbre_db=float(_timbre(here)[0]),
        usual_timbre_db=float(np.percentile(_timbre(there), USUAL_PERCENT)),
        lasting_db=float(median_over_bands(bands.level_changes([at_s], min(LONG_S, side_s)))[0]),
    )


def _is_peak(bands: BandLevels, at_s: float, window_s: float) -> bool:
    """The level changes here, and not somewhere near."""
    around_s = np.arange(at_s - window_s, at_s + window_s, bands.hop_s)
    around_s = around_s[(around_s >= window_s) & (around_s <= bands.end_s - window_s)]
    largest = np.abs(median_over_bands(bands.level_changes(around_s, window_s))).max(initial=0.0)
    return bool(abs(median_over_bands(bands.level_changes([at_s], window_s))[0]) >= PEAK_SHARE * largest)


def _timbre(changes_db: Floats) -> Floats:
    """How far the bands go apart, `[places]`: what an equaliser would have to do, gain not counted."""
    apart = np.abs(changes_db - median_over_bands(changes_db))
    known = np.isfinite(apart)
    total: Floats = np.where(known, apart, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return total
