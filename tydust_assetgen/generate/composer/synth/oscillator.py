"""Band-limited oscillators with the filter inside: one-cycle tables of harmonics that are read at any speed.

A note's waveform is a sum of harmonics, and a filter gives each of them a gain and a phase. So a table of one
cycle, made by an inverse Fourier transform of (wave x filter response), *is* the filtered oscillator, with no
alias and no warping. A moving filter fades through a bank of such tables, one for each twelfth of an octave of
cutoff: every block of 64 frames fades from the table of its first cutoff to the table of its last.

Frequencies and cutoffs are given for each block's edge; sound is float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Doubles, Floats, Ints, double, single

BLOCK = 64
STEPS_PER_OCTAVE = 12
CEILING_HZ = 18_000.0
_REFERENCE_HZ = 10.0
_MOST_HARMONICS = 1_024

Complexes: TypeAlias = NDArray[np.complex128]
Tables: TypeAlias = NDArray[np.complex64]
Turns: TypeAlias = NDArray[np.uint32]
Picked: TypeAlias = "Ints | slice"


@dataclass(frozen=True)
class Tone:
    """What decides a bank of tables, apart from the pitch."""

    wave: str
    poles: int = 4
    resonance: float = 0.0
    """0 none, 1 on the edge of singing by itself."""
    low_cut_hz: float = 0.0
    """Leaves out what is below, so that detuned voices don't smear the low end."""
    formants: tuple[tuple[float, float, float], ...] = ()
    """Peaks as (centre in Hz, bandwidth in Hz, gain): the mouth of a choir."""


def harmonics(wave: str, numbers: Doubles) -> Complexes:
    """Complex amplitudes of harmonics 1, 2, 3, … of a wave whose peak is about 1, as sine terms (-j/2 each).

    The Fourier series of saw, square and triangle are the textbook ones; `steps` is the triangle of the NES
    2A03, 32 steps of 4 bits, whose series is the discrete transform of the steps times the hold's sinc.
    """
    odd = np.mod(numbers, 2)
    if wave == "saw":
        amplitude = 2.0 / (np.pi * numbers)
    elif wave == "square":
        amplitude = 4.0 / (np.pi * numbers) * odd
    elif wave == "triangle":
        amplitude = 8.0 / (np.pi * numbers) ** 2 * odd * np.where(np.mod(numbers, 4) == 1, 1.0, -1.0)
    elif wave == "sine":
        amplitude = np.where(numbers == 1, 1.0, 0.0)
    elif wave == "glass":
        amplitude = _partials(numbers, {1: 1.0, 2: 0.35, 4: 0.4, 6: 0.16, 9: 0.14, 12: 0.06, 15: 0.05})
    elif wave == "organ":
        amplitude = _partials(numbers, {1: 1.0, 2: 0.7, 3: 0.35, 4: 0.4, 6: 0.15, 8: 0.18})
    else:
        return _steps(numbers) if wave == "steps" else _pulse(numbers, float(wave.removeprefix("pulse")))
    return _complex(-0.5j * amplitude)


def _complex(values: ArrayLike) -> Complexes:
    return np.asarray(values, np.complex128)


def _partials(numbers: Doubles, gains: dict[int, float]) -> Doubles:
    amplitude = np.zeros_like(numbers)
    for number, gain in gains.items():
        amplitude[numbers == number] = gain * 0.6
    return amplitude


def _pulse(numbers: Doubles, width: float) -> Complexes:
    # High for the first `width` of the cycle, +1 and -1, without its DC.
    return _complex(2.0 * (1.0 - np.exp(-2j * np.pi * numbers * width)) / (2j * np.pi * numbers))


def triangle_steps() -> Doubles:
    """The 32 steps of the NES triangle, 15 … 0 0 … 15, as -1 to 1 (nesdev wiki, "APU Triangle")."""
    falling = np.arange(15, -1, -1)
    return np.concatenate([falling, falling[::-1]]) / 7.5 - 1.0


def _steps(numbers: Doubles) -> Complexes:
    index = np.arange(32)
    turns = np.exp(-2j * np.pi * np.mod(np.outer(numbers, index), 32) / 32)
    hold = np.sinc(numbers / 32) * np.exp(-1j * np.pi * numbers / 32)
    return _complex(np.sum(turns * triangle_steps(), axis=1) / 32 * hold)


def response(ratio: Doubles, poles: int, resonance: float) -> Complexes:
    """Complex response of the resonant low-pass at frequency / cutoff.

    4 poles: the transistor ladder 1 / ((1 + jr)^4 + k), k = 4 at self-oscillation (Moog 1965; Stilson & Smith
    1996), half of its loss in the bass made up. 2 poles: the state-variable filter 1 / (1 - r^2 + jr/Q).
    """
    if poles == 4:
        feedback = 3.9 * resonance
        pole = 1.0 + 1j * ratio
        pole *= pole  # squared twice: numpy's power of complex numbers is slow
        return _complex((1.0 + 0.5 * feedback) / (pole * pole + feedback))
    quality = 0.6 * 20.0**resonance
    return _complex(1.0 / (1.0 - ratio**2 + 1j * ratio / quality))


class Course(NamedTuple):
    """How a filter moves over its tables: each block `[blocks]` fades between two, from one share to another."""

    low: Ints
    high: Ints
    start: Floats
    """Share of the higher table at the block's start, 0 to 1."""
    end: Floats

    def between(self, first: int, end: int) -> Course:
        """The blocks from `first` to `end`."""
        part = slice(first, end)
        return Course(self.low[part], self.high[part], self.start[part], self.end[part])


def course(cutoff_hz: Floats, smooth: bool) -> Course:
    """The fades for cutoffs at the edges of the blocks `[blocks + 1]`.

    Smooth: a place between two tables is a mixture of both. For that to be continuous no block may cross a table, so
    of two edges that lie on either side of one the nearer is moved onto it, and where a block passes a whole step or
    more both edges are moved onto their nearest tables. Else every edge is (slow filters, whose blocks are long).
    """
    octaves = np.log2(np.maximum(cutoff_hz, np.float32(_REFERENCE_HZ)) / np.float32(_REFERENCE_HZ))
    place = double(octaves) * STEPS_PER_OCTAVE
    snapped = _snapped(place) if smooth else np.rint(place)
    low = np.floor(np.minimum(snapped[:-1], snapped[1:]))
    high = np.ceil(np.maximum(snapped[:-1], snapped[1:]))
    span = np.maximum(high - low, 1.0)
    start, end = (snapped[:-1] - low) / span, (snapped[1:] - low) / span
    return Course(low.astype(np.int64), high.astype(np.int64), single(start), single(end))


def _snapped(place: Doubles) -> Doubles:
    before, after = place[:-1], place[1:]
    fast = np.flatnonzero(np.abs(after - before) >= 1.0)
    crossing = np.flatnonzero((np.floor(before) != np.floor(after)) & (np.abs(after - before) < 1.0))
    table = np.floor(np.maximum(before, after))[crossing]
    first = np.abs(before[crossing] - table) <= np.abs(after[crossing] - table)
    snapped = place.copy()
    snapped[np.where(first, crossing, crossing + 1)] = table
    ends = np.concatenate([fast, fast + 1])
    snapped[ends] = np.rint(place[ends])
    return snapped


def cutoff_of(step: int) -> float:
    """Cutoff in Hz of a table."""
    return float(_REFERENCE_HZ * 2.0 ** (step / STEPS_PER_OCTAVE))


class Filtered:
    """Spectra of one tone at one pitch, its harmonics behind its filter, none above the ceiling."""

    def __init__(self, tone: Tone, top_hz: float, ceiling_hz: float) -> None:
        # None at all for a note above the ceiling: silence, not alias.
        self.count = min(_MOST_HARMONICS, int(ceiling_hz / top_hz))
        self._tone = tone
        self._hz = top_hz * np.arange(1, self.count + 1, dtype=np.float64)
        self._source = harmonics(tone.wave, np.arange(1, self.count + 1, dtype=np.float64)) * self._colour()

    def _colour(self) -> Doubles:
        gain = np.ones_like(self._hz)
        if self._tone.low_cut_hz:
            gain /= 1.0 + (self._tone.low_cut_hz / self._hz) ** 4
        if self._tone.formants:
            gain *= 0.03 + sum(g / (1.0 + ((self._hz - c) / (0.5 * b)) ** 2) for c, b, g in self._tone.formants)
        return gain

    def at(self, steps: list[int]) -> Tables:
        """Complex amplitudes of the harmonics at some places of the filter, `[steps, count]`."""
        cutoffs_hz = np.array([[cutoff_of(step)] for step in steps])
        gain = response(self._hz / cutoffs_hz, self._tone.poles, self._tone.resonance)
        return np.asarray(self._source * gain, np.complex64)


class Rows:
    """Which row of a growing pile of tables belongs to which place of the filter."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}

    def missing(self, fades: Course) -> list[int]:
        """Places that have no row yet; from now on they have, in this order, after those that are there."""
        new = [step for step in np.union1d(fades.low, fades.high).tolist() if step not in self._rows]
        self._rows.update({step: len(self._rows) + i for i, step in enumerate(new)})
        return new

    def of(self, fades: Course) -> Course:
        """The fades with rows in place of table numbers."""
        wanted = np.union1d(fades.low, fades.high)
        rows = np.array([self._rows[step] for step in wanted.tolist()], np.int64)
        low, high = (rows[np.searchsorted(wanted, steps)] for steps in (fades.low, fades.high))
        return fades._replace(low=low, high=high)


class Bank:
    """The tables of one tone at one pitch, made when first asked for, to be read at any speed.

    A table holds pairs (value, step to the next value) as complex64, so that one look-up feeds the straight line
    between two entries. It is at least 16 entries long for each harmonic: the line's images stay under -70 dB.
    """

    def __init__(self, tone: Tone, top_hz: float, ceiling_hz: float) -> None:
        self._filtered = Filtered(tone, top_hz, ceiling_hz)
        self.bits = max(9, int(np.ceil(np.log2(16 * max(1, self._filtered.count)))))
        self._rows = Rows()
        self._tables = np.empty((0, 1 << self.bits), np.complex64)

    def tables(self, fades: Course) -> tuple[Tables, Course]:
        """All tables made so far, flat, and the fades with their rows in place of table numbers."""
        missing = self._rows.missing(fades)
        if missing:
            self._tables = np.concatenate([self._tables, self._made(missing)])
        return self._tables.reshape(-1), self._rows.of(fades)

    def _made(self, steps: list[int]) -> Tables:
        size = 1 << self.bits
        spectra = np.zeros((len(steps), size // 2 + 1), np.complex64)
        spectra[:, 1 : self._filtered.count + 1] = self._filtered.at(steps)
        tables = np.empty((len(steps), size), np.complex64)
        tables.real = fft.irfft(spectra, size, axis=1, norm="forward")
        tables.imag = np.roll(tables.real, -1, axis=1) - tables.real
        return tables


@lru_cache(maxsize=64)
def bank(tone: Tone, top_hz: float, ceiling_hz: float = CEILING_HZ) -> Bank:
    """The bank for a tone that is played up to `top_hz`. Kept, because a piece returns to its notes."""
    return Bank(tone, top_hz, ceiling_hz)


class Phase(NamedTuple):
    """Phase in 2^-32 turns, which wraps by itself: where each block starts, and the step per frame.

    A step is exact to 2^-33 turns, which is 5 millionths of a hertz; a block starts where the last one ended.
    """

    first: Turns  # [blocks]
    step: Turns  # [blocks]

    def frames(self, low: int, high: int, block: int) -> Turns:
        """Phase of every frame of the blocks from `low` to `high`, `[high - low, block]`."""
        turned: Turns = np.arange(block, dtype=np.uint32) * self.step[low:high, None]
        turned += self.first[low:high, None]
        return turned

    def ahead(self, width: Doubles, block: int) -> Phase:
        """The phase ahead by a width in turns, given at the edges of the blocks `[blocks + 1]`, straight in between."""
        slope = np.rint(np.diff(width) * (2.0**32 / block)).astype(np.int64).astype(np.uint32)
        step = self.step + slope
        first = self.first[0] + np.uint32(int(width[0] * 2.0**32) % 2**32)
        return Phase(_starts(step, block) + first, step)


def _starts(step: Turns, block: int) -> Turns:
    """Where blocks of these steps start, when the first starts at 0."""
    whole = step * np.uint32(block)
    return np.cumsum(whole, dtype=np.uint32) - whole


def phase_of(frequency_hz: Doubles, start: float, block: int, rate_hz: float = SAMPLE_RATE_HZ) -> Phase:
    """Phase of a tone that starts `start` turns into its cycle and has one frequency for each block `[blocks]`."""
    step = np.rint(frequency_hz / rate_hz * 2.0**32).astype(np.int64).astype(np.uint32)
    return Phase(_starts(step, block) + np.uint32(int((start % 1.0) * 2.0**32)), step)


def read(bits: int, flat: Tables, phase: Turns, fades: Course) -> Floats:
    """Sound `[blocks, block]` for a phase of that shape.

    The numbers in `fades` are rows of `flat`, as `Bank.tables` gives them.
    """
    below = 32 - bits
    # Signed 32-bit numbers become floats and indices four times faster than unsigned or 64-bit ones.
    between = (phase & np.uint32((1 << below) - 1)).view(np.int32).astype(np.float32)
    between *= np.float32(2.0**-below)
    index = (phase >> np.uint32(below)).view(np.int32)

    def line(blocks: Picked, rows: Ints) -> Floats:
        return _line(flat, index[blocks] + _offsets(rows, bits), between[blocks])

    return along_fades(line, fades, phase.shape[1])


def along_fades(row: Callable[[Picked, Ints], Floats], fades: Course, block: int) -> Floats:
    """Sound `[blocks, block]` along these fades, from `row`, which plays some of the blocks, each from one table."""
    here = row(slice(None), fades.low)
    moving = np.flatnonzero((fades.low != fades.high) & ((fades.start != 0.0) | (fades.end != 0.0)))
    if len(moving):
        # Picking blocks copies them: worth it only where few move.
        few: Picked = moving if 2 * len(moving) < len(here) else slice(None)
        there = row(few, fades.high[few])
        start, end = fades.start[few][:, None], fades.end[few][:, None]
        there -= here[few]
        there *= start + (end - start) * (np.arange(block, dtype=np.float32) * np.float32(1.0 / block))
        here[few] += there
    return here


def _offsets(rows: Ints, bits: int) -> NDArray[np.int32]:
    return (rows << bits).astype(np.int32)[:, None]


def _line(flat: Tables, index: NDArray[np.int32], between: Floats) -> Floats:
    pair = flat.take(index.astype(np.int64), mode="clip")
    value: Floats = pair.imag * between
    value += pair.real
    return value


def steady(tone: Tone, frequency_hz: Doubles, start: float, ceiling_hz: float = 20_000.0) -> Floats:
    """A bare wave, its filter wide open, with one frequency for each block of `BLOCK` frames."""
    source = bank(tone, float(np.max(frequency_hz)), ceiling_hz)
    wide_open = course(np.full(len(frequency_hz) + 1, 1e9, np.float32), smooth=False)
    flat, fades = source.tables(wide_open)
    phase = phase_of(frequency_hz, start, BLOCK).frames(0, len(frequency_hz), BLOCK)
    return read(source.bits, flat, phase, fades).reshape(-1)
