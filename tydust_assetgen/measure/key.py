"""Key: `Audio` walks in, a `KeyEstimate` walks out: all 24 keys, the likeliest first.

Spectral peaks are gathered by pitch, freed of their overtones, and folded into twelve pitch classes, after
E. Gómez, "Tonal Description of Polyphonic Audio for Music Content Processing" (INFORMS Journal on Computing
18, 2006). Each key is then scored by how well its profile fits the whole, the bass and the opening: a
key and its relative share their seven notes, and only the weight of the bass and the way a piece begins
tell which of the two is home.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio
from tydust_assetgen.measure.spectra import mono, power_spectra

Relation: TypeAlias = Literal["exact", "relative", "fifth", "parallel", "wrong"]
PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MARGIN = 0.06
"""A key whose score is this close to the best explains the sound as well: measures don't tell them apart."""

# J. Albrecht, D. Shanahan, "The Use of Large Corpora to Train a New Type of Key-Finding Algorithm"
# (Music Perception 31, 2013): how often each degree, in semitones above the tonic, is heard.
_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_WEIGHTS = (0.6, 0.25, 0.15)  # the whole, the bass, the opening
_SIZE = 4096
_HOP = 2048
_LOWEST, _HIGHEST = 28, 96  # MIDI numbers of E1 (41 Hz) and C7 (2093 Hz)
_BASS_TOP = 50  # D3, 147 Hz
_OVERTONES = (12, 19, 24, 28, 31)  # harmonics 2 to 6, in semitones
_OPENING_S = 3.0


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


def parse_key(name: str) -> tuple[int, Literal["major", "minor"]]:
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


_MODES: dict[str, Literal["major", "minor"]] = {
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
    notes = _without_overtones(_pitch_matrix(frames, pitches - tuning, weights))
    opening = notes[: max(2, round(_OPENING_S * rate_hz / _HOP))]
    bass = notes[:, : _BASS_TOP - _LOWEST]
    return KeyEstimate(_ranked(_fold(notes), _fold(bass), _fold(opening)), round(tuning * 100, 1))


def _peaks(
    samples: NDArray[np.float32], rate_hz: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Peaks of the short-time spectra: window number, pitch in MIDI numbers, weight (root of the magnitude)."""
    found = [(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))]
    first = 0
    for power in power_spectra(samples, _SIZE, _HOP):
        found.append(_slice_peaks(power, rate_hz, first))
        first += len(power)
    frames, pitches, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    loud = weights > weights.max(initial=0.0) * 0.03
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
    return rows + first, pitches, np.exp(middle / 4).astype(np.float64)


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


def _without_overtones(notes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take from each pitch what may be an overtone of a lower one: `1/n` of it, as in a saw or a square.

    Weights are roots of magnitudes, so the share is `1/sqrt(n)`.
    """
    overtone = np.zeros_like(notes)
    for number, shift in enumerate(_OVERTONES, start=2):
        np.maximum(overtone[:, shift:], notes[:, :-shift] / np.sqrt(number), out=overtone[:, shift:])
    return np.maximum(notes - overtone, 0)


def _fold(notes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of all octaves and windows, `[12]`, C first."""
    chroma = np.zeros(12)
    np.add.at(chroma, (np.arange(notes.shape[1]) + _LOWEST) % 12, notes.sum(axis=0))
    return chroma


def _ranked(*chromas: NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
    scores = {
        f"{PITCH_CLASSES[tonic]} {mode}": sum(
            weight * _correlation(chroma, np.roll(profile, tonic))
            for weight, chroma in zip(_WEIGHTS, chromas, strict=True)
        )
        for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
        for tonic in range(12)
    }
    return tuple(sorted(scores.items(), key=lambda item: -item[1]))


def _correlation(chroma: NDArray[np.float64], profile: NDArray[np.float64]) -> float:
    a, b = chroma - chroma.mean(), profile - profile.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0
