"""Keys, scales and chords: reads their names and roman numerals as pitch classes.

The whole piece is composed with its tonic on C (pitch class 0, middle C = 60) and moved to its key at the very
end, so that another key is the same music transposed. Chord symbols follow common practice: case is the third,
a flat counts from the major scale (`bVI` is the same in both modes), everything else from the scale of the mode.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

Mode: TypeAlias = Literal["major", "minor"]

SCALES: dict[str, tuple[int, ...]] = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_MODES: dict[str, Mode] = {
    "": "major", "major": "major", "maj": "major", "ionian": "major", "lydian": "major", "mixolydian": "major",
    "minor": "minor", "min": "minor", "m": "minor", "aeolian": "minor", "dorian": "minor", "phrygian": "minor",
}  # fmt: skip

# Tones above the root in semitones, by the suffix of a numeral. Upper-case numerals have a major third (4).
_SUFFIXES: dict[str, tuple[int, ...]] = {
    "": (0, 3, 7), "5": (0, 7), "7": (0, 3, 7, 10), "maj7": (0, 3, 7, 11), "add9": (0, 3, 7, 14), "6": (0, 3, 7, 9),
    "9": (0, 3, 7, 10, 14), "maj9": (0, 3, 7, 11, 14), "sus2": (0, 2, 7), "sus4": (0, 5, 7), "7sus4": (0, 5, 7, 10),
    "°": (0, 3, 6), "dim": (0, 3, 6), "°7": (0, 3, 6, 9), "ø7": (0, 3, 6, 10), "+": (0, 4, 8),
}  # fmt: skip
_NUMERAL = re.compile(r"([b#]?)([IViv]+)(|[^/]+?)(?:/([1-7]))?")
_KEY = re.compile(r"\s*([A-Ga-g])\s*([#b♯♭]?)[\s-]*([A-Za-z]*)\s*")

# A chord tone from outside the scale takes the place of this degree: the raised seventh that of the seventh,
# the Neapolitan second that of the second, and so on. The tonic is never displaced.
_DISPLACED: dict[str, dict[int, int]] = {
    "minor": {11: 10, 9: 8, 1: 2, 6: 5, 4: 3},
    "major": {10: 11, 8: 9, 1: 2, 6: 5, 3: 4},
}


class Key(NamedTuple):
    """A tonic (pitch class, C = 0) and a mode."""

    tonic: int
    mode: Mode

    @property
    def name(self) -> str:
        return f"{NOTE_NAMES[self.tonic]} {self.mode}"


class Chord(NamedTuple):
    """A chord in a key whose tonic is C."""

    numeral: str
    root: int
    """Pitch class."""
    tones: tuple[int, ...]
    """Semitones above the root, the root (0) first."""
    bass: int
    """Pitch class of the lowest note."""

    @property
    def pcs(self) -> tuple[int, ...]:
        """Pitch classes, the root first."""
        return tuple((self.root + tone) % 12 for tone in self.tones)


def parse_key(text: str) -> Key:
    """Read a key such as `D minor`, `F# major`, `Bbm`, `E phrygian`.

    Raises:
        ValueError: the text is no key.
    """
    match = _KEY.fullmatch(text)
    mode = _MODES.get(match[3] if match and match[3] == "m" else match[3].lower()) if match else None
    if match is None or mode is None:
        raise ValueError(f"`{text}` is not a key")
    shift = {"#": 1, "♯": 1, "b": -1, "♭": -1}.get(match[2], 0)
    return Key((_LETTERS[match[1].upper()] + shift) % 12, mode)


@lru_cache(maxsize=1024)
def parse_numeral(text: str, mode: Mode) -> Chord:
    """Read one roman numeral such as `i`, `VImaj7`, `bII`, `Vsus4`, `VII/1` (seventh chord over the tonic).

    Raises:
        ValueError: the text is no roman numeral.
    """
    match = _NUMERAL.fullmatch(text.replace("♭", "b").replace("♯", "#"))
    if match is None or match[2].upper() not in _NUMERALS or match[3] not in _SUFFIXES:
        raise ValueError(f"`{text}` is not a roman numeral")
    degree = _NUMERALS.index(match[2].upper())
    scale = SCALES["major" if match[1] == "b" else mode]
    root = (scale[degree] + {"b": -1, "#": 1}.get(match[1], 0)) % 12
    tones = _SUFFIXES[match[3]]
    if match[2].isupper():
        tones = tuple(4 if tone == 3 and "°" not in match[3] else tone for tone in tones)
    bass = SCALES[mode][int(match[4]) - 1] if match[4] else root
    return Chord(text, root, tones, bass)


def parse_progression(text: str, mode: Mode) -> tuple[tuple[Chord, ...], ...]:
    """Read bars of chords: `i VI III VII`; two chords share a bar as `iv+V`. Bars part at spaces, `-`, `,`, `|`.

    Raises:
        ValueError: a bar holds something that is no roman numeral, or there is no bar.
    """
    bars = [bar for bar in re.split(r"[\s,|–-]+", text) if bar]
    if not bars:
        raise ValueError("the progression is empty")
    return tuple(tuple(parse_numeral(part, mode) for part in _halves(bar)) for bar in bars)


def _halves(bar: str) -> list[str]:
    """`iv+V` is two chords, `V+` is one augmented chord."""
    parts = re.split(r"\+(?=[b#♭♯]?[IViv])", bar)
    if len(parts) > 2:
        raise ValueError(f"`{bar}` has more than two chords")
    return parts


@lru_cache(maxsize=1024)
def scale_over(chord: Chord, mode: Mode) -> tuple[int, ...]:
    """The seven pitch classes that fit over a chord: the mode's scale, altered where the chord is."""
    notes = set(SCALES[mode])
    for pc in chord.pcs:
        if pc not in notes:
            notes.discard(_DISPLACED[mode].get(pc, -1))
            notes.add(pc)
    return tuple(sorted(notes))


@lru_cache(maxsize=1024)
def triad(chord: Chord, mode: Mode) -> tuple[int, ...]:
    """The chord's first four pitch classes; a power chord gets the third that its scale has."""
    if len(chord.tones) > 2:
        return chord.pcs[:4]
    scale = scale_over(chord, mode)
    third = next((chord.root + size) % 12 for size in (3, 4) if (chord.root + size) % 12 in scale)
    return (chord.root, third, chord.pcs[1])


def step(pitch: int, steps: int, scale: tuple[int, ...]) -> int:
    """Walk up or down a scale of pitch classes, from the pitch (or the scale's nearest pitch to it)."""
    pitch = nearest(pitch, scale)
    octave, degree = divmod(scale.index(pitch % 12) + steps, len(scale))
    return pitch - pitch % 12 + 12 * octave + scale[degree]


@lru_cache(maxsize=8192)
def nearest(pitch: int, pcs: tuple[int, ...]) -> int:
    """The pitch nearest to this one whose pitch class is among `pcs`; the lower of two that are as near."""
    return min(
        (pitch + shift for shift in range(-11, 12) if (pitch + shift) % 12 in pcs),
        key=lambda other: (abs(other - pitch), other),
    )


@lru_cache(maxsize=1024)
def ladder(pcs: tuple[int, ...], low: int, count: int) -> tuple[int, ...]:
    """The first `count` pitches of these pitch classes from `low` upwards."""
    rungs = (pitch for pitch in range(low, low + 12 * (count + 1)) if pitch % 12 in pcs)
    return tuple(pitch for pitch, _ in zip(rungs, range(count), strict=False))
