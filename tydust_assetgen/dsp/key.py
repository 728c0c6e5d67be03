"""Estimates the key of a sound: all 24 keys, the likeliest first.

Spectral peaks are gathered by pitch and folded into twelve pitch classes, after E. Gómez, "Tonal Description
of Polyphonic Audio for Music Content Processing" (INFORMS Journal on Computing 18, 2006). Each key is then
scored by how well its profile fits the whole, and its tonic chord the opening: a key and its relative share
their seven notes, and in music that goes round and round the way it begins tells which of the two is home.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp.spectra import mono, power_spectra

Mode: TypeAlias = Literal["major", "minor"]
Relation: TypeAlias = Literal["exact", "relative", "fifth", "parallel", "wrong"]
PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MARGIN = 0.06
"""A key whose score is this close to the best explains the sound as well: measures don't tell them apart."""

# C. Krumhansl, E. Kessler, "Tracing the Dynamic Changes in Perceived Tonal Organization in a Spatial
# Representation of Musical Keys" (Psychological Review 89, 1982): how well each degree, in semitones above
# the tonic, fits the key.
_PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
_TRIADS: dict[Mode, tuple[float, ...]] = {
    "major": (1.2, 0, 0, 0, 0.9, 0, 0, 1, 0, 0, 0, 0),
    "minor": (1.2, 0, 0, 0.9, 0, 0, 0, 1, 0, 0, 0, 0),
}
_WHOLE, _OPENING = 0.5, 0.5
_FIFTH_HARMONIC = 28
"""Semitones above its note, and in a saw a fifth as strong: a major third that no one plays."""
_COMPRESSION = 0.7
"""Exponent on magnitudes, so that soft voices count beside loud ones."""
_SIZE = 4096
_HOP = 2048
_LOWEST, _HIGHEST = 28, 96  # MIDI numbers of E1 (41 Hz) and C7 (2093 Hz)
_OPENING_S = 2.0


@dataclass(frozen=True)
class KeyEstimate:
    """The 24 keys with their scores (-1 to 1), best first. Empty for sound without pitch."""

    ranking: tuple[tuple[str, float], ...]
    tuning_cents: float = 0.0
    """How far the sound is tuned from A4 = 440 Hz, -50 to 50."""

    @property
    def name(self) -> str:
        return self.ranking[0][0] if self.ranking else ""

    @property
    def confidence(self) -> float:
        """0 (nothing to go by) to 1: how far the best is ahead of the next, 0.2 being far, and how well it fits."""
        if not self.ranking:
            return 0.0
        (_, best), (_, second) = self.ranking[:2]
        return float(np.clip((best - second) / 0.2, 0, 1) * np.clip(best / 0.6, 0, 1))

    def shortfall(self, asked: str) -> float:
        """How far the asked key's score is behind the best; 0 when it is the best.

        Raises:
            ValueError: `asked` is no key.
        """
        wanted = parse_key(asked)
        return next((self.ranking[0][1] - score for name, score in self.ranking if parse_key(name) == wanted), 2.0)


def parse_key(name: str) -> tuple[int, Mode]:
    """Read `D minor`, `F# major`, `Bb`, `Am`; church modes count as the major or minor that they lean to.

    Returns:
        Pitch class 0 (C) to 11 (B), and the mode.

    Raises:
        ValueError: it is no key.
    """
    match = re.fullmatch(r"\s*([A-Ga-g])\s*([#♯b♭]?|-?sharp|-?flat)\s*([A-Za-z]*)\s*", name)
    mode = _MODES.get(match[3].lower() if match and match[3] != "M" else "") if match else None
    if match is None or mode is None:
        raise ValueError(f"`{name}` is no key")
    accidental = match[2].strip("-")
    shift = 1 if accidental in {"#", "♯", "sharp"} else -1 if accidental else 0
    return ("C D EF G A B".index(match[1].upper()) + shift) % 12, mode


_MODES: dict[str, Mode] = {
    **dict.fromkeys(("", "maj", "major", "ionian", "lydian", "mixolydian"), "major"),
    **dict.fromkeys(("m", "min", "minor", "aeolian", "dorian", "phrygian", "locrian"), "minor"),
}


def relation(estimated: str, asked: str) -> Relation:
    """How two keys stand to each other: the same, relative (D minor, F major), a fifth apart, parallel, or wrong.

    Raises:
        ValueError: one of them is no key.
    """
    (heard, heard_mode), (wanted, wanted_mode) = parse_key(estimated), parse_key(asked)
    distance = (heard - wanted) % 12
    if heard_mode == wanted_mode:
        return "exact" if distance == 0 else "fifth" if distance in {5, 7} else "wrong"
    if distance == (3 if wanted_mode == "minor" else 9):
        return "relative"
    return "parallel" if distance == 0 else "wrong"


def estimate_key(audio: Audio) -> KeyEstimate:
    """Score all 24 keys. Needs about 0.4 s of sound; drums and noise are passed over where they have no pitch."""
    samples, rate_hz = mono(audio, 11_025)
    frames, pitches, weights = _peaks(samples, rate_hz)
    if not frames.size:
        return KeyEstimate(())
    tuning = _tuning(pitches, weights)
    notes = _pitch_matrix(frames, pitches - tuning, weights)
    notes[:, _FIFTH_HARMONIC:] -= np.minimum(notes[:, _FIFTH_HARMONIC:], notes[:, :-_FIFTH_HARMONIC] / 5)
    notes = notes**_COMPRESSION
    pitched = notes[notes.any(axis=1)]
    opening = pitched[: max(2, round(_OPENING_S * rate_hz / _HOP))]
    return KeyEstimate(_ranked(_fold(pitched), _fold(opening)), round(tuning * 100, 1))


def _peaks(
    samples: NDArray[np.float32], rate_hz: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Peaks of the short-time spectra: window number, pitch in MIDI numbers, weight (magnitude)."""
    found = [(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))]
    first = 0
    for power in power_spectra(samples, _SIZE, _HOP):
        found.append(_slice_peaks(power, rate_hz, first))
        first += len(power)
    frames, pitches, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    loud = weights > weights.max(initial=0.0) * 0.003
    return frames[loud], pitches[loud], weights[loud]


def _slice_peaks(
    power: NDArray[np.float32], rate_hz: int, first: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    low, high = (int(440 * 2 ** ((pitch - 69) / 12) * _SIZE / rate_hz) for pitch in (_LOWEST, _HIGHEST))
    levels = np.log(power[:, low - 1 : high + 2] + 1e-20)
    left, middle, right = levels[:, :-2], levels[:, 1:-1], levels[:, 2:]
    floor = levels.max(axis=1, keepdims=True) - 11.5  # -50 dB
    rows, columns = np.nonzero((middle > left) & (middle >= right) & (middle > floor))
    left, middle, right = left[rows, columns], middle[rows, columns], right[rows, columns]
    offset = 0.5 * (left - right) / (left - 2 * middle + right)
    pitches = 69 + 12 * np.log2((low + columns + offset) * rate_hz / _SIZE / 440)
    return rows + first, pitches, np.exp(middle / 2).astype(np.float64)


def _tuning(pitches: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The circular mean of the pitches' distance to the tempered scale, in semitones, -0.5 to 0.5."""
    return float(np.angle(np.sum(weights * np.exp(2j * np.pi * pitches))) / (2 * np.pi))


def _pitch_matrix(
    frames: NDArray[np.int64], pitches: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights by window and semitone, `[windows, pitches]`."""
    width = _HIGHEST - _LOWEST + 1
    columns = np.clip(np.round(pitches).astype(np.int64) - _LOWEST, 0, width - 1)
    height = int(frames.max()) + 1
    flat = np.bincount(frames * width + columns, weights, minlength=height * width)
    return np.asarray(flat, dtype=np.float64).reshape(height, width)


def _fold(notes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of all octaves and windows, `[12]`, C first."""
    chroma = np.zeros(12)
    np.add.at(chroma, (np.arange(notes.shape[1]) + _LOWEST) % 12, notes.sum(axis=0))
    return chroma


def _ranked(whole: NDArray[np.float64], opening: NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
    scores = {
        f"{PITCH_CLASSES[tonic]} {mode}": _WHOLE * _correlation(whole, np.roll(_PROFILES[mode], tonic))
        + _OPENING * _correlation(opening, np.roll(_TRIADS[mode], tonic))
        for mode in _PROFILES
        for tonic in range(12)
    }
    return tuple(sorted(scores.items(), key=lambda item: -item[1]))


def _correlation(chroma: NDArray[np.float64], profile: NDArray[np.float64]) -> float:
    a, b = chroma - chroma.mean(), profile - profile.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0
