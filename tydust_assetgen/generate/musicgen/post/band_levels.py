"""The level of a sound over time in frequency bands: how much it changes at a place, how it goes over the whole track.

Twelve bands of two thirds of an octave, ten readings a second. A gain moves all bands alike; drums that stop, or a
lead that enters, don't: `median_over_bands` and `agreed_change` tell one from the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

HOP_S = 0.1
LOWEST_HZ = 45.0
BANDS = 12
BANDS_AN_OCTAVE = 1.5
FLOOR_DB = -60.0
"""Bands so far under the strongest one are not there."""
SILENT_DB = -20.0
"""Moments so far under the usual level say nothing about a drift."""
_SLICE_HOPS = 200

Floats: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class BandLevels:
    """The powers of all bands over time, as running sums."""

    sums: Floats
    """`[bands, hops + 1]`: the power of all hops before."""
    hop_s: float
    end_s: float

    @classmethod
    def of(cls, samples: NDArray[np.float32], rate_hz: int) -> BandLevels:
        """Of `[C, n]`."""
        hop = round(HOP_S * rate_hz)
        powers = np.concatenate([np.zeros((BANDS, 0)), *_band_powers(samples, rate_hz, hop)], axis=1)
        sums = np.concatenate([np.zeros((BANDS, 1)), np.cumsum(powers, axis=1)], axis=1)
        return cls(sums, hop / rate_hz, samples.shape[1] / rate_hz)

    @property
    def hops(self) -> int:
        return int(self.sums.shape[1]) - 1

    def level_changes(self, at_s: Sequence[float] | Floats, window_s: float) -> Floats:
        """By how many dB each band is louder in the window after than in the one before, `[bands, places]`. NaN where
        a band is not there on both sides."""
        window = round(window_s / self.hop_s)
        places = np.clip(np.round(np.asarray(at_s) / self.hop_s).astype(np.int64), window, self.hops - window)
        before = (self.sums[:, places] - self.sums[:, places - window]) / window
        after = (self.sums[:, places + window] - self.sums[:, places]) / window
        there = (before > self._floor) & (after > self._floor)
        return np.where(there, _db(after) - _db(before), np.nan)

    def places(self, window_s: float, away_from_s: Sequence[float]) -> NDArray[np.int64]:
        """The hops that have a window on both sides with none of these times inside."""
        window = round(window_s / self.hop_s)
        places = np.arange(window, self.hops - window + 1)
        for at_s in away_from_s:
            places = places[np.abs(places * self.hop_s - at_s) >= window_s]
        return places

    def hops_near(self, at_s: float, reach_s: float) -> NDArray[np.int64]:
        """The hops that are not farther away than this."""
        middle_hop, reach = round(at_s / self.hop_s), round(reach_s / self.hop_s)
        return np.arange(max(middle_hop - reach, 0), min(middle_hop + reach, self.hops))

    def levels(self, hops: NDArray[np.int64]) -> Floats:
        """In dB, `[bands, hops]`; NaN for bands that are not there."""
        powers = self.sums[:, hops + 1] - self.sums[:, hops]
        levels = _db(powers)
        levels[powers.mean(axis=1) <= self._floor] = np.nan
        return levels

    def slow_levels(
        self, start_s: float, end_s: float, window_s: float, gain_db: Callable[[Floats], Floats]
    ) -> tuple[Floats, Floats]:
        """Slowly: once a second, the level of windows, after a gain. Moments of near silence are left out, and so are
        bands that are missing somewhere.

        Returns:
            Seconds `[moments]`, and dB `[bands, moments]`.
        """
        window, second = round(window_s / self.hop_s), round(1 / self.hop_s)
        first, last = round(start_s / self.hop_s), min(round(end_s / self.hop_s), self.hops)
        starts = np.arange(first, last - window + 1, second)
        powers = (self.sums[:, starts + window] - self.sums[:, starts]) / window
        times_s = (starts + window / 2) * self.hop_s
        levels = _db(powers) + gain_db(times_s)
        total = _db(powers.sum(axis=0))
        audible = total > np.median(total) + SILENT_DB if total.size else np.zeros(0, dtype=bool)
        there = (powers[:, audible] > self._floor).all(axis=1)
        return times_s[audible], levels[there][:, audible]

    @property
    def _floor(self) -> float:
        """The power under which a band is not there."""
        return float(self.sums[:, -1].max(initial=0.0)) / max(self.hops, 1) * 10 ** (FLOOR_DB / 10)


def median_over_bands(changes_db: Floats) -> Floats:
    """The median of the bands, `[places]`; 0 where there is none."""
    return _percentile(changes_db, 50.0)


def agreed_change(changes_db: Floats) -> Floats:
    """What three quarters of the bands do at least, in one direction, `[places]`; 0 where they don't."""
    low, high = _percentile(changes_db, 25.0), _percentile(changes_db, 75.0)
    return np.maximum(low, 0.0) + np.minimum(high, 0.0)


def _percentile(changes_db: Floats, percent: float) -> Floats:
    """As `np.nanpercentile(changes_db, percent, axis=0)`, a hundred times faster, and 0 where there is no band."""
    if not changes_db.shape[0]:
        return np.zeros(changes_db.shape[1])
    ranked = np.sort(changes_db, axis=0)  # NaN comes last
    last = np.isfinite(ranked).sum(axis=0) - 1
    place = np.maximum(last, 0) * (percent / 100)
    below = np.floor(place).astype(np.int64)
    above, columns = np.minimum(below + 1, np.maximum(last, 0)), np.arange(ranked.shape[1])
    low, high = ranked[below, columns], ranked[above, columns]
    return np.where(last >= 0, low + (high - low) * (place - below), 0.0)


def _band_powers(samples: NDArray[np.float32], rate_hz: int, hop: int) -> Iterator[Floats]:
    """`[bands, hops]`, slice by slice: Hann windows of two hops, centred on the hops, channels added up."""
    window = np.hanning(2 * hop + 1)[:-1]
    edges = _edges(rate_hz, 2 * hop)
    hops = samples.shape[1] // hop
    padded = np.pad(samples, ((0, 0), (hop // 2, 2 * hop)))
    for start in range(0, hops, _SLICE_HOPS):
        count = min(_SLICE_HOPS, hops - start)
        part = padded[:, start * hop : (start + count + 1) * hop]
        frames = np.lib.stride_tricks.sliding_window_view(part, 2 * hop, axis=1)[:, ::hop][:, :count]
        powers = np.square(np.abs(np.fft.rfft(frames * window))).sum(axis=0)
        yield np.add.reduceat(np.pad(powers, ((0, 0), (0, 1))), edges, axis=1)[:, :-1].T


def _edges(rate_hz: int, frames: int) -> NDArray[np.int64]:
    """The first bin of each band, and the one after the last band; bands above Nyquist are empty."""
    hz = LOWEST_HZ * 2 ** (np.arange(BANDS + 1) / BANDS_AN_OCTAVE)
    return np.minimum(np.round(hz * frames / rate_hz).astype(np.int64), frames // 2 + 1)


def _db(power: Floats) -> Floats:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-30)))
