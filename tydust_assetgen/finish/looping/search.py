"""Looks on a coarse grid for the places at which a take repeats, the best first.

Every start is held against every length, on a grid of some 30 to 130 ms: how far apart, in dB, is what surrounds the
start from what surrounds the end. What is near counts most, what is seconds away still counts: that is what makes a
loop go on as the music would. To that are added, as decibels too, what else is wanted: the asked length, whole bars, a
start on an onset, not in a pause, not late.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.dsp.beats import STEPS_PER_DB, SoundFrames
from tydust_assetgen.finish.looping.loop import LoopTarget, Meter, grid_spare

Costs = NDArray[np.float32]

MOST = 12
"""So many loops are examined closely."""
_SCALES = ((0.25, 0.4), (2.0, 0.4), (8.0, 0.2))
"""Seconds on each side of the cut, and the weight of what lies within."""
_MOST_CELLS = 1_200
_UNSURE = 0.1
"""Share of the seconds above that are taken as like any two moments of the take: little evidence proves little."""
_BARS_OFF = (0.0, 0.5, 1.0, 4.0)
_OFF_COSTS = (0.0, 0.5, 3.0, 33.0)
"""dB for a length that is so many bars off; the nearest whole bars are at most half a bar away."""
_UNKNOWN_BAR_S, _UNKNOWN_BAR = 2.0, 1 / 16
"""Seconds at most, and share of the wanted length at most, that stand for a bar where there is no beat."""
_THE_SAME = 0.3
"""Of the usual distance: what is so much alike is the same music again, and whole bars whatever the tempo seems."""
_ONSET_PAYS, _DOWNBEAT_PAYS, _OFF_BEAT_COSTS, _ODD_BEATS_COST, _OFF_BAR_COSTS = 0.6, 1.0, 2.0, 2.0, 2.0
_NEAR_DOWNBEAT_S = 0.04
_LATE_COSTS_PER_S, _LATE_COSTS = 0.04, 1.0
_QUIET_DB, _QUIET_COSTS = 8.0, 0.3
_APART_S = 0.15


class RoughLoop(NamedTuple):
    """A loop on the grid, in frames of the take."""

    start: int
    length: int
    doubt: int
    """How far start and length may be off."""
    cost: float
    """In dB."""


class _Grid(NamedTuple):
    frames: NDArray[np.float32]  # [cells, 52]
    later: NDArray[np.float32]  # [cells, 52], half a cell later
    onsets: NDArray[np.float32]  # [cells], 0 to 1
    loudness_db: NDArray[np.float32]  # [cells]
    cell: float  # frames of the take
    lead: float  # frames of the take before the first cell
    rate_hz: int

    def cells(self, seconds: float) -> int:
        return max(round(seconds * self.rate_hz / self.cell), 1)


def rough_loops(sound: SoundFrames, wanted: LoopTarget, take_frames: int, rate_hz: int) -> list[RoughLoop]:
    """At most twelve loops, no two of them the same but for a moment; none where the take is too short to compare."""
    grid = _grid(sound, wanted, rate_hz)
    lengths = _lengths(grid, wanted)
    if not lengths.size:
        return []
    usual = _usual(grid)
    costs = _distances(grid, lengths, usual)
    frames = np.asarray(lengths * (grid.cell / 2), np.float64)
    if wanted.meter:
        doubt = np.clip((costs / (np.sqrt(usual) / STEPS_PER_DB + 1e-9) - _THE_SAME) / _THE_SAME, 0, 1)
        costs += np.where(np.isfinite(doubt), doubt, 0) * _meter_costs(frames, wanted, wanted.meter, grid)[:, None]
    costs += _length_costs(frames, wanted, grid)[:, None]
    costs += _start_costs(grid, wanted.meter)[None, : costs.shape[1]]
    return _best(costs, grid, lengths, take_frames)


def _grid(sound: SoundFrames, wanted: LoopTarget, rate_hz: int) -> _Grid:
    """Cells as long as it takes for lengths and starts to be at most 1,200 each."""
    window = 4 * rate_hz / sound.per_second
    merge = max(int(np.ceil((wanted.longest - wanted.shortest) / window / _MOST_CELLS)), 1)
    frames = sound.merged(merge)
    count = len(frames) * merge * 4
    onsets = sound.onsets[:count].reshape(len(frames), 4 * merge).max(axis=1, initial=0.0)
    loudness = sound.loudness_db[:count].reshape(len(frames), 4 * merge).mean(axis=1)
    strong = np.float32(max(np.percentile(onsets, 95) if onsets.size else 0.0, 1.0))
    later = sound.merged(merge, half_later=True)
    return _Grid(frames, later, np.minimum(onsets / strong, 1), loudness, window * merge, window * 3 / 8, rate_hz)


def _lengths(grid: _Grid, wanted: LoopTarget) -> NDArray[np.int64]:
    """Half cells of every length that is allowed and leaves at least two cells to compare."""
    longest = min(int(2 * wanted.longest / grid.cell), 2 * (len(grid.frames) - 2))
    return np.arange(max(int(np.ceil(2 * wanted.shortest / grid.cell)), 2), longest + 1)


def _distances(grid: _Grid, lengths: NDArray[np.int64], usual: float) -> Costs:
    """How unlike start and end of each loop are, in dB, `[lengths, starts]`; infinite where there is no such loop."""
    costs = np.full((len(lengths), len(grid.frames) - int(lengths[0]) // 2), np.inf, np.float32)
    for row, length in enumerate(lengths):
        there = (grid.later if length % 2 else grid.frames)[length // 2 :]
        difference = there - grid.frames[: len(there)]
        apart = np.einsum("ij,ij->i", difference, difference).astype(np.float64)
        costs[row, : len(apart)] = _around(apart, usual, grid)
    return costs


def _usual(grid: _Grid) -> float:
    """The squared distance of any two moments: the median over a few hundred pairs, far from each other."""
    half = len(grid.frames) // 2
    difference = grid.frames[half : 2 * half] - grid.frames[:half]
    return float(np.median(np.einsum("ij,ij->i", difference, difference)))


def _around(apart: NDArray[np.float64], usual: float, grid: _Grid) -> Costs:
    """The distances around each start, in dB: means over three scales of time, weighted."""
    total = np.concatenate(([0.0], np.cumsum(apart)))
    starts = np.arange(apart.size)
    squares = np.zeros(apart.size)
    for seconds, weight in _SCALES:
        reach = grid.cells(seconds)
        first, last = np.maximum(starts - reach, 0), np.minimum(starts + reach, apart.size)
        unsure = _UNSURE * reach
        squares += weight * (total[last] - total[first] + unsure * usual) / (last - first + unsure)
    return np.asarray(np.sqrt(squares) / STEPS_PER_DB, dtype=np.float32)


def _length_costs(lengths: NDArray[np.float64], wanted: LoopTarget, grid: _Grid) -> Costs:
    meter = wanted.meter
    bar = meter.bar if meter else min(_UNKNOWN_BAR_S * grid.rate_hz, _UNKNOWN_BAR * wanted.near)
    off = np.abs(lengths - wanted.near) / bar
    return np.asarray(np.interp(off, _BARS_OFF, _OFF_COSTS), dtype=np.float32)


def _meter_costs(lengths: NDArray[np.float64], wanted: LoopTarget, meter: Meter, grid: _Grid) -> Costs:
    """What it costs not to be whole bars, and more not to be whole beats."""
    spare = grid.cell / 4 + grid_spare(wanted.near, grid.rate_hz)
    units = ((meter.beat, _OFF_BEAT_COSTS), (meter.half_bar, _ODD_BEATS_COST), (meter.bar, _OFF_BAR_COSTS))
    return np.asarray(sum(cost * (_off(lengths, unit) > spare) for unit, cost in units), dtype=np.float32)


def _off(lengths: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    return np.abs(lengths - np.round(lengths / unit) * unit)


def _start_costs(grid: _Grid, meter: Meter | None) -> Costs:
    """A start on an onset pays, most of all on a downbeat; one in a pause, or late in the take, costs."""
    reach = grid.cells(0.5)
    around = np.convolve(np.pad(grid.loudness_db, reach, "edge"), np.ones(2 * reach + 1) / (2 * reach + 1), "valid")
    quiet = np.maximum(np.median(grid.loudness_db) - _QUIET_DB - around, 0) * _QUIET_COSTS
    late = np.minimum(np.arange(len(grid.frames)) * (grid.cell / grid.rate_hz * _LATE_COSTS_PER_S), _LATE_COSTS)
    pays = _ONSET_PAYS * grid.onsets
    if meter:
        starts = np.asarray(np.arange(len(grid.frames)) * grid.cell + grid.lead, np.float64)
        pays = pays + _DOWNBEAT_PAYS * (
            _off(starts - meter.phase, meter.bar) <= grid.cell / 2 + _NEAR_DOWNBEAT_S * grid.rate_hz
        )
    return np.asarray(quiet + late - pays, dtype=np.float32)


def _best(costs: Costs, grid: _Grid, lengths: NDArray[np.int64], take_frames: int) -> list[RoughLoop]:
    """The cheapest, again and again, each time with its neighbours struck out."""
    found: list[RoughLoop] = []
    reach = grid.cells(_APART_S)
    while len(found) < MOST and np.isfinite(lowest := costs.min(initial=np.inf)):
        row, start = (int(index) for index in np.unravel_index(int(costs.argmin()), costs.shape))
        frame = round(start * grid.cell + grid.lead) if start else 0
        length = round(float(lengths[row]) * grid.cell / 2)
        if frame + length <= take_frames:
            found.append(RoughLoop(frame, length, int(np.ceil(grid.cell / 2)), float(lowest)))
        costs[max(row - 2 * reach, 0) : row + 2 * reach + 1, max(start - reach, 0) : start + reach + 1] = np.inf
    return found
