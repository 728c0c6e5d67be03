"""How clearly a piece says what key it is in: parts in C walk in, a margin walks out.

Duration-weighted pitch classes of the whole, the bass and the opening are correlated with the key profiles of
J. Albrecht and D. Shanahan (The Use of Large Corpora to Train a New Type of Key-Finding Algorithm, Music Perception
31, 2013). The composer listens to its own score this way, before anyone else measures the sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import sqrt

from tydust_assetgen.generate.composer.score import Note, Part
from tydust_assetgen.generate.composer.theory import Mode

CLEAR = 0.12
"""A margin that survives synthesis."""

_PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_WEIGHTS = (0.6, 0.25, 0.15)  # the whole, the bass, the opening
_BASS_TOP = 50
_UNPITCHED = ("riser", "impact", "noise_sweep")


def margin(parts: Iterable[Part], tonic: int, mode: Mode, opening_ticks: int) -> float:
    """How far the key is ahead of the best other key (-2 to 2); negative when another key fits better."""
    histograms = _histograms(
        [part for part in parts if part.role != "drums" and part.patch not in _UNPITCHED], opening_ticks
    )
    scores = {
        (other, kind): sum(w * _fit(h, other, kind) for w, h in zip(_WEIGHTS, histograms, strict=True))
        for other in range(12)
        for kind in _PROFILES
    }
    wanted = scores.pop((tonic, mode))
    return wanted - max(scores.values())


def _histograms(parts: Sequence[Part], opening_ticks: int) -> tuple[tuple[float, ...], ...]:
    whole, bass, opening = [0.0] * 12, [0.0] * 12, [0.0] * 12
    for part in parts:
        gain = 10 ** (part.gain_db / 40)  # measures hear the root of the magnitude
        for note in part.notes:
            weight = gain * _weight(note)
            whole[note.pitch % 12] += weight
            bass[note.pitch % 12] += weight * (note.pitch <= _BASS_TOP)
            opening[note.pitch % 12] += weight * (note.start < opening_ticks)
    return tuple(whole), tuple(bass), tuple(opening)


def _weight(note: Note) -> float:
    return note.length * sqrt(note.velocity / 127)


def _fit(histogram: tuple[float, ...], tonic: int, mode: Mode) -> float:
    """Pearson's correlation; 0 for an empty histogram."""
    mean = sum(histogram) / 12
    centred = [value - mean for value in histogram]
    size = sqrt(sum(value * value for value in centred))
    profile = _profile(mode)
    return sum(centred[(tonic + i) % 12] * profile[i] for i in range(12)) / size if size else 0.0


@lru_cache
def _profile(mode: Mode) -> tuple[float, ...]:
    """Centred, of length 1."""
    values = _PROFILES[mode]
    mean = sum(values) / 12
    size = sqrt(sum((value - mean) ** 2 for value in values))
    return tuple((value - mean) / size for value in values)
