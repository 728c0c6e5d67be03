"""Tape loops: oscillators of a steady pitch, with the filter inside, that need no look-up for each frame.

A tone whose pitch stands still repeats itself. On a tape of just the right length, a whole number of frames that holds
a whole number of cycles, it repeats to the frame; playing it is copying. As in `oscillator`, a tape is an inverse
Fourier transform of (wave x filter response), here at the very rate of the sound: no alias, no images, nothing between
the entries. A moving filter fades from tape to tape, block by block.

Sound is float32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft

from tydust_assetgen.generate.composer.synth.oscillator import (
    Course,
    Filtered,
    Picked,
    Rows,
    Tables,
    Tone,
    along_fades,
)
from tydust_assetgen.generate.composer.synth.signal import Floats, Ints

_SHORTEST_S, _LONGEST_S = 0.0145, 0.16
_CLOSE_CENTS = 0.2
"""A tape this close to its pitch will do; the just noticeable difference is some 25 times that."""


class Splice(NamedTuple):
    """Where a tape is cut and glued: so many cycles in so many frames."""

    cycles: int
    frames: int

    def start(self, turns: float) -> int:
        """The frame at which the tape is nearest to a phase."""
        shared = int(np.gcd(self.cycles, self.frames))
        cycles, count = self.cycles // shared, self.frames // shared
        return round(turns * count) * pow(cycles, -1, count) % count


@lru_cache(maxsize=4)
def _costs(longest: int) -> Ints:
    """What the transform of each length up to the longest costs, roughly: its prime factors add up."""
    factors, left = np.zeros(longest + 1, np.int64), np.arange(longest + 1)
    for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31):
        for power in range(1, longest.bit_length()):
            factors[:: prime**power] += prime
            left[:: prime**power] //= prime
    return np.arange(longest + 1) * (factors + np.where(left > 1, left, 0) + 20)


@lru_cache(maxsize=1_024)
def splice(frequency_hz: float, rate_hz: float) -> Splice:
    """The cheapest tape that is close to a frequency, else the closest one."""
    period = rate_hz / frequency_hz
    few = int(np.ceil(_SHORTEST_S * frequency_hz))
    cycles = np.arange(few, max(few + 1, int(_LONGEST_S * frequency_hz)))
    lengths = np.rint(cycles * period).astype(np.int64)
    cents = 1_200.0 * np.abs(np.log2(lengths / (cycles * period)))
    cost = np.where(cents < _CLOSE_CENTS, _costs(round(rate_hz))[lengths], np.inf)
    chosen = int(np.argmin(cost) if np.min(cost) < np.inf else np.argmin(cents))
    return Splice(int(cycles[chosen]), int(lengths[chosen]))


class Tapes:
    """The tapes of one tone at some frequencies near each other (a unison), made when first asked for."""

    def __init__(self, tone: Tone, top_hz: float, ceiling_hz: float, splices: tuple[Splice, ...], block: int) -> None:
        self._filtered = Filtered(tone, top_hz, ceiling_hz)
        self._splices = splices
        self._block = block
        self._rows = Rows()
        self._tapes = [np.empty((0, splice.frames + block), np.float32) for splice in splices]

    def runs(self, fades: Course) -> tuple[list[Floats], Course]:
        """For each frequency a view of every run of its tapes, `[rows, starts, block]`, and the fades with the tapes'
        rows in place of its steps.
        """
        missing = self._rows.missing(fades)
        if missing:
            spectra = self._filtered.at(missing)
            self._tapes = [
                np.concatenate([tapes, self._made(spectra, splice)])
                for tapes, splice in zip(self._tapes, self._splices, strict=True)
            ]
        views = [np.lib.stride_tricks.sliding_window_view(tapes, self._block, axis=1) for tapes in self._tapes]
        return views, self._rows.of(fades)

    def _made(self, harmonics: Tables, splice: Splice) -> Floats:
        spectra = np.zeros((len(harmonics), splice.frames // 2 + 1), np.complex64)
        count = min(harmonics.shape[1], spectra.shape[1] // splice.cycles - 1)
        if count > 0:
            spectra[:, splice.cycles : splice.cycles * count + 1 : splice.cycles] = harmonics[:, :count]
        once = fft.irfft(spectra, splice.frames, axis=1, norm="forward")
        return np.concatenate([once, once[:, : self._block]], axis=1)


@lru_cache(maxsize=96)
def tapes(tone: Tone, top_hz: float, ceiling_hz: float, splices: tuple[Splice, ...], block: int) -> Tapes:
    """The tapes of a unison. Kept, because a piece returns to its notes."""
    return Tapes(tone, top_hz, ceiling_hz, splices, block)


def play(runs: Floats, fades: Course, starts: Ints) -> Floats:
    """Sound `[blocks, block]`: each block a run of its tape, from the frame that `starts` says.

    Args:
        runs: every run there is, as `Tapes.runs` shows them.
        fades: which tape each block is played from; its numbers are rows of `runs`.
        starts: frames `[blocks]`.
    """

    def run(blocks: Picked, rows: Ints) -> Floats:
        return np.asarray(runs[rows, starts[blocks]])

    return along_fades(run, fades, runs.shape[2])
