"""How clearly a piece says what key it is in: parts walk in, a margin walks out.

The composer listens to its own score before anyone measures the sound. Every note counts with its length and
loudness, and with its overtones: the fifth harmonic of a tonic is its major third, which can turn a minor key into a
major one. The pitch classes of the whole are correlated with the key profiles of C. Krumhansl and E. Kessler
(Psychological Review 89, 1982), those of the opening with the tonic triad.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import sqrt

from tydust_assetgen.generate.composer.score import Part
from tydust_assetgen.generate.composer.theory import Mode

CLEAR = 0.12
"""A margin that survives synthesis."""

_PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
_TRIADS: dict[Mode, tuple[float, ...]] = {
    "major": (1.2, 0, 0, 0, 0.9, 0, 0, 1, 0, 0, 0, 0),
    "minor": (1.2, 0, 0, 0.9, 0, 0, 0, 1, 0, 0, 0, 0),
}
_WHOLE, _OPENING = 0.6, 0.4
# Semitones above a note's pitch class and strength of its harmonics 1, 2 and 4 together, 3 and 6, 5, 7 (roughly a saw).
_HARMONICS = ((0, 1.75), (7, 0.5), (4, 0.2), (10, 0.14))
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
        gain = 10 ** (part.gain_db / 20)
        for note in part.notes:
            weight = gain * note.velocity * note.length
            whole[note.pitch % 12] += weight
            opening[note.pitch % 12] += weight * (note.start < opening_ticks)
    return _with_overtones(whole), _with_overtones(opening)


def _with_overtones(notes: list[float]) -> tuple[float, ...]:
    return tuple(sum(share * notes[(pc - shift) % 12] for shift, share in _HARMONICS) for pc in range(12))


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
