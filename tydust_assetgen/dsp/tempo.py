"""Estimates the tempo of a sound, and how well any other tempo fits it.

Onset strength is the rise of mel bands in dB (S. Böck, G. Widmer, "Maximum Filter Vibrato Suppression for
Onset Detection", DAFx 2013, without the filter). Its autocorrelation is read by a comb: a tempo fits when
the sound repeats after one, two, … eight of its beats. Half and double fit as well or nearly, and where all
goes in even eighths so does the dotted beat; the choice among them leans to 120 BPM (D. Ellis, "Beat Tracking
by Dynamic Programming", JNMR 36, 2007). So ask `explains` whether a tempo is right, rather than compare `bpm`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp.spectra import band_powers, mono

Relation: TypeAlias = Literal["exact", "octave", "wrong"]
LOWEST_BPM, HIGHEST_BPM = 40.0, 240.0
TOLERANCE = 0.01
"""Two tempi within 1 % are the same."""
MARGIN = 0.8
"""A tempo whose fit is this share of the best explains the beats as well."""
_SLOWER = (1 / 2, 1 / 3, 1 / 4)
_RELATED = (*_SLOWER, 2 / 3, 3 / 2, 2.0, 3.0, 4.0)
_SIZE = 1024
_HOP = 256
_BANDS = 40
_COMB_BEATS = 8
_PRIOR_BPM, _PRIOR_OCTAVES = 120.0, 1.0
_LEAST_RISE_DB = 0.5  # a smaller mean rise is ripple of the analysis, not an onset
_GRID = LOWEST_BPM * (HIGHEST_BPM / LOWEST_BPM) ** np.linspace(0, 1, 1201)  # 0.15 % apart


@dataclass(frozen=True)
class TempoEstimate:
    """The likeliest tempo, and the fit of every tempo of the grid (-1 to 1)."""

    bpm: float
    """0 for sound without onsets."""
    grid_bpm: NDArray[np.float64]
    grid_fit: NDArray[np.float64]

    @property
    def confidence(self) -> float:
        """0 to 1: the fit of the estimate; a click track has nearly 1."""
        return self.fit(self.bpm) if self.bpm else 0.0

    def fit(self, bpm: float) -> float:
        """How well the sound repeats at a tempo, 0 to 1: the best within 1 % of it; 0 outside 40 to 240 BPM."""
        return float(np.clip(self.grid_fit[self._near(bpm)].max(initial=0.0), 0, 1))

    def best_rival(self, bpm: float) -> float:
        """The best fit of any tempo, 0 to 1, those aside that its beats divide.

        Whatever repeats with every beat also repeats with every second, third and fourth, so the fit of
        slower tempi in these ratios says nothing against a tempo.
        """
        slower = [self._near(bpm * share) for share in _SLOWER]
        return float(np.clip(self.grid_fit[~np.any(slower, axis=0)].max(initial=0.0), 0, 1))

    def explains(self, bpm: float) -> bool:
        """Whether a tempo fits at least 0.8 times as well as its best rival."""
        return self.bpm > 0 and self.fit(bpm) >= max(MARGIN * self.best_rival(bpm), 1e-6)

    def _near(self, bpm: float) -> NDArray[np.bool_]:
        return np.abs(self.grid_bpm - bpm) <= TOLERANCE * bpm


def relation(estimated_bpm: float, asked_bpm: float) -> Relation:
    """How two tempi stand to each other: the same within 1 %, metrical relatives (`octave`), or wrong.

    Relatives are those between which listeners, too, choose by taste: half, double, triple, and 3:2, which is
    the dotted beat.
    """
    ratio = estimated_bpm / asked_bpm if asked_bpm > 0 else 0.0
    if abs(ratio - 1) <= TOLERANCE:
        return "exact"
    return "octave" if any(abs(ratio / other - 1) <= TOLERANCE for other in _RELATED) else "wrong"


def estimate_tempo(audio: Audio) -> TempoEstimate:
    """Estimate the tempo of sound with a steady beat. Needs about 4 s to say anything, 8 s to say it well."""
    onsets, per_second = onset_strength(audio)
    fits = _comb(_autocorrelation(onsets), per_second * 60 / _GRID)
    if not fits.max() > 0.02:
        return TempoEstimate(0.0, _GRID, np.zeros_like(_GRID))
    prior = np.exp(-0.5 * (np.log2(_GRID / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2)
    return TempoEstimate(float(_GRID[np.argmax(fits * prior)]), _GRID, fits)


def onset_strength(audio: Audio) -> tuple[NDArray[np.float64], float]:
    """How much begins at each moment: the mean rise of 40 mel bands in dB, less its mean over a second.

    Returns:
        Strengths `[windows]`, and how many there are a second.
    """
    samples, rate_hz = mono(audio, 22_050)
    powers = band_powers(samples, rate_hz, _SIZE, _HOP, _BANDS)
    per_second = rate_hz / _HOP
    if len(powers) < 2 * per_second or not powers.max() > 0:
        return np.zeros(0), per_second
    levels = 10 * np.log10(powers + powers.max() * 1e-6)
    rise = np.maximum(np.diff(levels, axis=0), 0).mean(axis=1).astype(np.float64)
    rise[rise < _LEAST_RISE_DB] = 0
    around = np.ones(round(per_second)) / round(per_second)
    return np.maximum(rise - np.convolve(rise, around, mode="same"), 0), per_second


def _autocorrelation(onsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised to 1 at lag 0, each lag by the length of its overlap, up to half the length."""
    if onsets.size < 2:
        return np.zeros(1)
    centred = onsets - onsets.mean()
    size = fft.next_fast_len(2 * centred.size)
    raw = fft.irfft(np.abs(fft.rfft(centred, size)) ** 2, size)[: centred.size // 2]
    unbiased = raw * (centred.size / (centred.size - np.arange(raw.size)))
    result: NDArray[np.float64] = unbiased / unbiased[0] if unbiased[0] > 0 else np.zeros(1)
    return result


def _comb(correlation: NDArray[np.float64], periods: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean correlation at one to eight periods, as many as there are lags for."""
    lags = periods[:, None] * np.arange(1, _COMB_BEATS + 1)
    inside = lags < correlation.size - 1
    values = np.interp(lags, np.arange(correlation.size), correlation) * inside
    fits: NDArray[np.float64] = values.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return fits
