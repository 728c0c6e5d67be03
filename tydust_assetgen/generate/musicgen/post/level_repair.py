"""Repairs the level of a long track where the model carried on window by window, and says what was repaired.

A model that carries on window by window may jump in level where one window takes over, and drift from window to
window (audiocraft issues 59 and 133). Music has dynamics of its own, and those must stay. Two things tell them apart.
A fault of level moves all bands of the spectrum alike, while instruments that come and go move some: so changes are
measured band by band, and what counts is what three quarters of the bands agree on. And what is unusual is measured on
the track itself: a join is only touched when the level changes there half more than in 19 of 20 other places.
Where nothing is wrong, the samples are returned as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.generate.musicgen.post.band_levels import BandLevels, Floats, agreed_change, median_over_bands
from tydust_assetgen.generate.musicgen.post.joins import SHORTEST_S, STEP_S, Join, measure_joins

LEAST_DRIFT_DB = 3.0
"""From the beginning to the end: beyond ±1.5 dB around the middle."""
LEAST_FIT = 0.25
"""Share of the level's variance that a straight line must explain to be a drift (r²). In music without one it is
under 0.22, and the bands agree on less than 2 dB."""
NEARBY_S = 10
"""A drift goes on everywhere, so it shows over ten seconds as well as over the whole; sections and steps don't."""
SHORTEST_DRIFT_S = 20.0
LARGEST_GAIN_DB = 9.0
RAMPS_S = (0.0, 1.0, 2.0, 4.0)
"""How fast a level may turn out to change at a join; it is taken back just as fast."""
SECTION_RAMP_S = 4.0
"""In which the gain goes over from one section to the next."""
GRID_S = 0.005
SMOOTH_S = 0.06
"""No gain changes faster than this: no clicks, and no modulation that could be heard as a tone."""
_SLICE_S = 10.0

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class JoinReport:
    """All joins of a track, and how its level drifts."""

    joins: tuple[Join, ...]
    drift_db: float
    """From its beginning to its end, where it is a drift; else 0."""


@dataclass(frozen=True)
class _Step:
    at_s: float
    amount_db: float
    ramp_s: float


@dataclass(frozen=True)
class _Section:
    """A stretch that asks for one intensity, and what is wrong in it."""

    start_s: float
    end_s: float
    steps: tuple[_Step, ...]
    drift_db: float

    @property
    def wrong(self) -> bool:
        return bool(self.steps) or self.drift_db != 0


def audit_joins(samples: Samples, rate_hz: int, joins_s: Sequence[float]) -> JoinReport:
    """What happens at the joins, against the rest of the track.

    Args:
        samples: `[C, n]`.
        joins_s: Where one window takes over from another, in seconds, rising.
    """
    bands = BandLevels.of(samples, rate_hz)
    joins = measure_joins(bands, joins_s)
    section = _section(bands, joins, 0.0, bands.end_s)
    return JoinReport(joins, section.drift_db)


def repair_levels(
    samples: Samples, rate_hz: int, joins_s: Sequence[float], sections_s: Sequence[float] = ()
) -> tuple[Samples, tuple[str, ...]]:
    """Take back what the joins did to the level.

    Args:
        samples: `[C, n]`.
        joins_s: As in `audit`.
        sections_s: Where stretches begin that ask for an intensity of their own, in seconds; empty: all of the track is
            one. Each keeps its mean level, and a join where one begins is left alone.

    Returns:
        The samples (the very same ones when nothing is wrong) and notes for a person. Nowhere is the gain more than
        ±9 dB.
    """
    if not len(joins_s) or not samples.shape[1]:
        return samples, ()
    bands = BandLevels.of(samples, rate_hz)
    joins = measure_joins(bands, joins_s)
    sections = [_section(bands, joins, start, end) for start, end in _stretches(sections_s, bands.end_s)]
    notes = _notes(sections, joins)
    if not any(section.wrong for section in sections):
        return samples, notes
    return _amplified(samples, rate_hz, _gain_db(sections, bands.end_s)), notes


def _stretches(sections_s: Sequence[float], end_s: float) -> list[tuple[float, float]]:
    edges = [0.0, *sorted({at for at in sections_s if 0 < at < end_s}), end_s]
    return list(itertools.pairwise(edges))


# What is wrong


def _section(bands: BandLevels, joins: Iterable[Join], start_s: float, end_s: float) -> _Section:
    inside = [join for join in joins if start_s + SHORTEST_S <= join.at_s <= end_s - SHORTEST_S]
    steps = tuple(_Step(join.at_s, join.amount_db, _ramp_s(bands, join)) for join in inside if join.jumps)
    found = _Section(start_s, end_s, steps, 0.0)
    if not inside or end_s - start_s < SHORTEST_DRIFT_S:
        return found
    return _Section(start_s, end_s, steps, _drift_db(bands, found))


def _ramp_s(bands: BandLevels, join: Join) -> float:
    """How long the level takes to change: the ramp that fits it best (least squares). Of steps of 5 dB that were put
    into the composer's music, 7 of 10 sudden ones and 7 of 10 slow ones are told as such."""
    hops = bands.hops_near(join.at_s, STEP_S + 2)
    times_s, levels = (hops + 0.5) * bands.hop_s, median_over_bands(bands.levels(hops))
    misfits = [_misfit(levels, _ramp(times_s, join.at_s, ramp_s)) for ramp_s in RAMPS_S]
    return RAMPS_S[int(np.argmin(misfits))]


def _misfit(levels: Floats, shape: Floats) -> float:
    design = np.stack([np.ones_like(shape), shape], axis=1)
    fit = np.linalg.lstsq(design, levels, rcond=None)[0]
    return float(np.square(levels - design @ fit).sum())


def _ramp(times_s: Floats, at_s: float, ramp_s: float) -> Floats:
    """0 before, 1 after, half a turn of a cosine between."""
    share = np.clip((times_s - at_s) / max(ramp_s, 1e-9) + 0.5, 0, 1)
    ramp: Floats = 0.5 - 0.5 * np.cos(np.pi * share)
    return ramp


def _drift_db(bands: BandLevels, section: _Section) -> float:
    """The straight line in the level from one end of the part to the other, where there is one, without the steps."""
    times_s, levels = bands.slow_levels(section.start_s, section.end_s, STEP_S, lambda at_s: -_steps_db(section, at_s))
    if len(times_s) < SHORTEST_DRIFT_S / 2:
        return 0.0
    length_s = section.end_s - section.start_s
    anywhere, nearby = (_slopes(times_s, levels, reach) * length_s for reach in (len(times_s), NEARBY_S))
    total_db = min(float(median_over_bands(anywhere)[0]), float(median_over_bands(nearby)[0]), key=abs)
    together = median_over_bands(levels - levels.mean(axis=1, keepdims=True))
    unexplained = np.var(together - total_db / length_s * times_s) / max(float(np.var(together)), 1e-9)
    least = min(agreed_change(anywhere)[0], agreed_change(nearby)[0], key=abs)
    return total_db if abs(least) >= LEAST_DRIFT_DB and 1 - unexplained >= LEAST_FIT else 0.0


def _slopes(times_s: Floats, levels: Floats, reach: int) -> Floats:
    """dB a second for each band, `[bands, 1]`: the median over all pairs of moments (Theil-Sen) that are not farther
    apart than `reach` seconds. A break does not move it, and over a short reach a single step does not either."""
    first, second = np.triu_indices(len(times_s), k=5)
    near = second - first <= reach
    first, second = first[near], second[near]
    rises = (levels[:, second] - levels[:, first]) / (times_s[second] - times_s[first])
    slopes: Floats = np.median(rises, axis=1)[:, None]
    return slopes


# What is done


def _steps_db(section: _Section, times_s: Floats) -> Floats:
    """What the steps did to the level, at these times."""
    done = np.zeros_like(times_s)
    for step in section.steps:
        done = done + step.amount_db * _ramp(times_s, step.at_s, step.ramp_s)
    return done


def _gain_of(section: _Section, times_s: Floats) -> Floats:
    """In dB; its mean over the part is 0. Outside it is what it is at the part's edge."""
    inside = np.clip(times_s, section.start_s, section.end_s)
    share = (inside - section.start_s) / (section.end_s - section.start_s)
    gain = -_steps_db(section, inside) - section.drift_db * share
    own = (times_s >= section.start_s) & (times_s <= section.end_s)
    level: Floats = gain - (gain[own].mean() if own.any() else 0.0)  # a stretch may be shorter than the grid
    return level


def _gain_db(sections: Sequence[_Section], end_s: float) -> Floats:
    """The gain of the whole track, one value every `GRID_S`."""
    times_s = np.arange(int(end_s / GRID_S) + 2) * GRID_S
    gain = _gain_of(sections[0], times_s)
    for section in sections[1:]:
        gain = gain + (_gain_of(section, times_s) - gain) * _ramp(times_s, section.start_s, SECTION_RAMP_S)
    gain = np.clip(gain, -LARGEST_GAIN_DB, LARGEST_GAIN_DB)
    kernel = np.hanning(round(SMOOTH_S / GRID_S) + 3)
    half = len(kernel) // 2
    smooth: Floats = np.convolve(np.pad(gain, half, "edge"), kernel / kernel.sum(), "same")
    return smooth[half : half + len(gain)]


def _amplified(samples: Samples, rate_hz: int, gain_db: Floats) -> Samples:
    factors = 10 ** (gain_db / 20)
    grid = np.arange(len(factors)) * (GRID_S * rate_hz)
    amplified = np.empty_like(samples)
    size = round(_SLICE_S * rate_hz)
    for start in range(0, samples.shape[1], size):
        part = samples[:, start : start + size]
        amplified[:, start : start + size] = part * np.interp(start + np.arange(part.shape[1]), grid, factors)
    return amplified


# What the user is told


def _notes(sections: Sequence[_Section], joins: Sequence[Join]) -> tuple[str, ...]:
    steps = [step for section in sections for step in section.steps]
    drifts = [section.drift_db for section in sections if section.drift_db]
    changes = [join.at_s for join in joins if join.changes]
    notes = []
    if steps:
        most = max(abs(step.amount_db) for step in steps)
        notes.append(f"level evened by up to {most:.1f} dB at {_at([step.at_s for step in steps])}")
    if drifts:
        most = max(drifts, key=abs)
        where = "from beginning to end" if len(sections) == 1 else "within a section"
        notes.append(f"the level {'rose' if most > 0 else 'fell'} by {abs(most):.1f} dB {where}; evened")
    for join in joins:
        if join.breaks:
            verb = "rises" if join.amount_db > 0 else "falls"
            notes.append(f"the level {verb} by {abs(join.amount_db):.1f} dB at {_at([join.at_s])}; left alone")
    if changes:
        notes.append(f"the sound changes at {_at(changes)}")
    return tuple(notes)


def _at(times_s: Sequence[float]) -> str:
    """`the join at 30.0 s`, `the joins at 30.0 s, 48.0 s and 66.0 s`."""
    times = [f"{at_s:.1f} s" for at_s in times_s]
    if len(times) == 1:
        return f"the join at {times[0]}"
    return f"the joins at {', '.join(times[:-1])} and {times[-1]}"
