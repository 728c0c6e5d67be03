"""Measures on the score how clearly a piece is in its key.

This is known before there is any sound to measure. Every note counts with its length and
loudness, and with its overtones: the fifth harmonic of a tonic is its major third, which can turn a minor key into a
major one. The pitch classes of the whole are correlated with the key profiles of C. Krumhansl and E. Kessler
(Psychological Review 89, 1982), those of the opening with the tonic triad.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import sqrt

from tydust_assetgen.generate.composer.score import Note, Part
from tydust_assetgen.generate.composer.theory import Mode

CLEAR = 0.18
"""A margin that survives synthesis."""

_PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
_TRIADS: dict[Mode, tuple[float, ...]] = {
    "major": (1.2, 0, 0, 0, 0.9, 0, 0, 1, 0, 0, 0, 0),
    "minor": (1.2, 0, 0, 0.9, 0, 0, 0, 1, 0, 0, 0, 0),
}
_WHOLE, _OPENING = 0.5, 0.5
# How strong the harmonics of a wave are, gathered by their pitch class: octaves (1, 2, 4), fifths (3, 6), third (5) and
# seventh (7), as parts of the first. A saw has 1/n; a square odd harmonics alone; an eighth pulse sin(pi n / 8) / n.
_SHIFTS = (0, 7, 4, 10)
_SAW = (1.0, 0.29, 0.11, 0.08)
_SQUARE = (1.0, 0.33, 0.2, 0.14)
_NARROW = (1.0, 0.44, 0.18, 0.05)
_PURE = (1.0, 0.08, 0.03, 0.01)
_WAVES = {
    **dict.fromkeys(("chip_pulse12", "pulse_arp"), _NARROW),
    **dict.fromkeys(("chip_pulse25", "chip_pulse50", "square_lead", "distorted_bass"), _SQUARE),
    **dict.fromkeys(("chip_triangle", "sub_bass", "soft_lead", "bell", "glass_pad", "fm_arp"), _PURE),
}
_UNPITCHED = ("riser", "impact", "noise_sweep")


def margin(parts: Iterable[Part], tonic: int, mode: Mode, opening_ticks: float) -> float:
    """How far the key is ahead of the best other key (-2 to 2); negative when another key fits better."""
    whole, opening = histograms(parts, opening_ticks)
    scores = {
        (other, kind): _WHOLE * _fit(whole, other, _PROFILES[kind]) + _OPENING * _fit(opening, other, _TRIADS[kind])
        for other in range(12)
        for kind in _PROFILES
    }
    wanted = scores.pop((tonic, mode))
    return wanted - max(scores.values())


def histograms(parts: Iterable[Part], opening_ticks: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How much of each pitch class (C first) sounds in the whole and in the opening, overtones included."""
    whole, opening = [0.0] * 12, [0.0] * 12
    for part in parts:
        if part.role == "drums" or part.patch in _UNPITCHED:
            continue
        wave = _WAVES.get(part.patch, _SAW)
        _add(whole, part.notes, part.gain_db, wave)
        _add(opening, (note for note in part.notes if note.start < opening_ticks), part.gain_db, wave)
    return tuple(whole), tuple(opening)


def _add(total: list[float], notes: Iterable[Note], gain_db: float, wave: tuple[float, ...]) -> None:
    """Adds notes with their overtones to a sum by pitch class."""
    played = [0.0] * 12
    for note in notes:
        played[note.pitch % 12] += note.velocity * note.length
    gain = 10 ** (gain_db / 20)
    for pc, weight in enumerate(played):
        for shift, share in zip(_SHIFTS, wave, strict=True):
            total[(pc + shift) % 12] += gain * weight * share


def _fit(histogram: tuple[float, ...], tonic: int, profile: tuple[float, ...]) -> float:
    """Pearson's correlation; 0 for an empty histogram."""
    mean = sum(histogram) / 12
    centred = [value - mean for value in histogram]
    size = sqrt(sum(value * value for value in centred))
    wanted = _unit(profile)
    return sum(centred[(tonic + i) % 12] * wanted[i] for i in range(12)) / size if size else 0.0


@lru_cache
def _unit(profile: tuple[float, ...]) -> tuple[float, ...]:
    """Centred, of length 1."""
    mean = sum(profile) / 12
    size = sqrt(sum((value - mean) ** 2 for value in profile))
    return tuple((value - mean) / size for value in profile)
