"""The joins of a long performance: samples and the times of the joins walk in, evened samples and words walk out.

A model that carries on window by window may jump in level where one window takes over, and drift from window to
window (audiocraft issues 59 and 133). Music has dynamics of its own, and those must stay. Two things tell them apart.
A fault of level moves all bands of the spectrum alike, while instruments that come and go move some: so changes are
measured band by band, and what counts is what three quarters of the bands agree on. And what is unusual is measured on
the track itself: a join is only touched when the level changes there more than in 99 of 100 other places.
Where nothing is wrong, the samples that walked in walk out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.generate.musicgen.contour import Contour, Floats, agreed, middle

STEP_S = 3.0
"""What is compared on both sides of a join: the window of short-term loudness (EBU Tech 3341, section 2.2)."""
LONG_S = 9.0
"""A step has to last as long as this to be one, and not a break or a fill."""
SHORTEST_S = 1.5
"""With less than this on one side, a join is not judged."""
LEAST_STEP_DB = 2.0
"""What is smaller is never touched."""
PEAK_SHARE = 0.8
"""A join's step must be this share of the largest one within `STEP_S` of it; else it belongs to something else."""
USUAL_PERCENT = 99.0
LEAST_TIMBRE_DB = 6.0
TIMBRE_FACTOR = 1.5
"""The sound changes at a join when it does so half more than nearly everywhere else, and clearly."""
LEAST_DRIFT_DB = 3.0
"""From the beginning to the end: beyond ±1.5 dB around the middle."""
LEAST_FIT = 0.4
"""Share of the level's variance that a straight line must explain to be a drift (r²); music's own is under 0.25."""
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
_FEWEST_PLACES = 20

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Join:
    """What happens at one join, in dB; 0 where there is too little on one side to say."""

    at_s: float
    step_db: float
    """By how much all bands together get louder."""
    agreed_db: float
    """What three quarters of the bands get louder at least; 0 where they don't agree."""
    usual_step_db: float
    """The same in 99 of 100 other places is at most this."""
    timbre_db: float
    """By how much the bands move against each other, on average."""
    usual_timbre_db: float
    lasting_db: float = 0.0
    """What is left of the step when more is heard of both sides."""

    @property
    def jumps(self) -> bool:
        """The level changes, for good, more than it does elsewhere."""
        return abs(self.agreed_db) > max(self.usual_step_db, LEAST_STEP_DB) and abs(self.amount_db) >= LEAST_STEP_DB / 2

    @property
    def amount_db(self) -> float:
        """What is to be taken back: the smaller of the step at the join and the step that lasts."""
        if self.step_db * self.lasting_db <= 0:
            return 0.0
        return min(self.step_db, self.lasting_db, key=abs)

    @property
    def changes(self) -> bool:
        """It does not sound as before."""
        return self.timbre_db > max(TIMBRE_FACTOR * self.usual_timbre_db, LEAST_TIMBRE_DB)


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
class _Part:
    """A stretch that asks for one intensity, and what is wrong in it."""

    start_s: float
    end_s: float
    steps: tuple[_Step, ...]
    drift_db: float

    @property
    def wrong(self) -> bool:
        return bool(self.steps) or self.drift_db != 0


def audit(samples: Samples, rate_hz: int, joins_s: Sequence[float]) -> JoinReport:
    """What happens at the joins, against the rest of the track.

    Args:
        samples: `[C, n]`.
        joins_s: Where one window takes over from another, in seconds, rising.
    """
    contour = Contour.of(samples, rate_hz)
    joins = _judged(contour, joins_s)
    part = _part(contour, joins, 0.0, contour.end_s)
    return JoinReport(joins, part.drift_db)


def evened(
    samples: Samples, rate_hz: int, joins_s: Sequence[float], sections_s: Sequence[float] = ()
) -> tuple[Samples, tuple[str, ...]]:
    """Take back what the joins did to the level, and say so.

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
    contour = Contour.of(samples, rate_hz)
    joins = _judged(contour, joins_s)
    parts = [_part(contour, joins, start, end) for start, end in _stretches(sections_s, contour.end_s)]
    notes = _notes(parts, joins)
    if not any(part.wrong for part in parts):
        return samples, notes
    return _amplified(samples, rate_hz, _gain_db(parts, contour.end_s)), notes


def _stretches(sections_s: Sequence[float], end_s: float) -> list[tuple[float, float]]:
    edges = [0.0, *sorted({at for at in sections_s if 0 < at < end_s}), end_s]
    return list(itertools.pairwise(edges))


# What is heard at the joins


def _judged(contour: Contour, joins_s: Sequence[float]) -> tuple[Join, ...]:
    edges = [0.0, *joins_s, contour.end_s]
    sides = [min(at - before, after - at) for before, at, after in zip(edges, edges[1:], edges[2:], strict=False)]
    return tuple(_join(contour, at_s, side_s, joins_s) for at_s, side_s in zip(joins_s, sides, strict=True))


def _join(contour: Contour, at_s: float, side_s: float, joins_s: Sequence[float]) -> Join:
    window_s = min(STEP_S, side_s)
    others = contour.places(window_s, joins_s) if window_s >= SHORTEST_S else np.zeros(0, dtype=np.int64)
    if others.size < _FEWEST_PLACES:
        return Join(at_s, 0.0, 0.0, 0.0, 0.0, 0.0)
    here, there = contour.changes([at_s], window_s), contour.changes(others * contour.hop_s, window_s)
    return Join(
        at_s,
        step_db=float(middle(here)[0]),
        agreed_db=float(agreed(here)[0]) if _is_peak(contour, at_s, window_s) else 0.0,
        usual_step_db=float(np.percentile(np.abs(agreed(there)), USUAL_PERCENT)),
        timbre_db=float(_timbre(here)[0]),
        usual_timbre_db=float(np.percentile(_timbre(there), USUAL_PERCENT)),
        lasting_db=float(middle(contour.changes([at_s], min(LONG_S, side_s)))[0]),
    )


def _is_peak(contour: Contour, at_s: float, window_s: float) -> bool:
    """The level changes here, and not somewhere near."""
    around_s = np.arange(at_s - window_s, at_s + window_s, contour.hop_s)
    around_s = around_s[(around_s >= window_s) & (around_s <= contour.end_s - window_s)]
    largest = np.abs(middle(contour.changes(around_s, window_s))).max(initial=0.0)
    return bool(abs(middle(contour.changes([at_s], window_s))[0]) >= PEAK_SHARE * largest)


def _timbre(changes_db: Floats) -> Floats:
    """How far the bands go apart, `[places]`: what an equaliser would have to do, gain not counted."""
    apart = np.abs(changes_db - middle(changes_db))
    known = np.isfinite(apart)
    total: Floats = np.where(known, apart, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return total


# What is wrong


def _part(contour: Contour, joins: Iterable[Join], start_s: float, end_s: float) -> _Part:
    inside = [join for join in joins if start_s + SHORTEST_S <= join.at_s <= end_s - SHORTEST_S]
    steps = tuple(_Step(join.at_s, join.amount_db, _ramp_s(contour, join)) for join in inside if join.jumps)
    found = _Part(start_s, end_s, steps, 0.0)
    if not inside or end_s - start_s < SHORTEST_DRIFT_S:
        return found
    return _Part(start_s, end_s, steps, _drift_db(contour, found))


def _ramp_s(contour: Contour, join: Join) -> float:
    """How long the level takes to change: the ramp that fits it best (least squares)."""
    hops = contour.near(join.at_s, STEP_S + 2)
    times_s, levels = hops * contour.hop_s, middle(contour.levels(hops))
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


def _drift_db(contour: Contour, part: _Part) -> float:
    """The straight line in the level from one end of the part to the other, where there is one, without the steps."""
    times_s, levels = contour.course(part.start_s, part.end_s, STEP_S, lambda at_s: -_steps_db(part, at_s))
    if len(times_s) < SHORTEST_DRIFT_S / 2:
        return 0.0
    length_s = part.end_s - part.start_s
    slopes = _slopes(times_s, levels)[:, None] * length_s
    line = float(middle(slopes)[0]) / length_s * times_s
    together = middle(levels - levels.mean(axis=1, keepdims=True))
    unexplained = np.var(together - line) / max(float(np.var(together)), 1e-9)
    is_drift = abs(agreed(slopes)[0]) >= LEAST_DRIFT_DB and 1 - unexplained >= LEAST_FIT
    return float(middle(slopes)[0]) if is_drift else 0.0


def _slopes(times_s: Floats, levels: Floats) -> Floats:
    """dB a second for each band: the median over all pairs of moments (Theil-Sen), which a break does not move."""
    first, second = np.triu_indices(len(times_s), k=5)
    rises = (levels[:, second] - levels[:, first]) / (times_s[second] - times_s[first])
    slopes: Floats = np.median(rises, axis=1)
    return slopes


# What is done


def _steps_db(part: _Part, times_s: Floats) -> Floats:
    """What the steps did to the level, at these times."""
    done = np.zeros_like(times_s)
    for step in part.steps:
        done = done + step.amount_db * _ramp(times_s, step.at_s, step.ramp_s)
    return done


def _gain_of(part: _Part, times_s: Floats) -> Floats:
    """In dB; its mean over the part is 0. Outside it is what it is at the part's edge."""
    inside = np.clip(times_s, part.start_s, part.end_s)
    share = (inside - part.start_s) / (part.end_s - part.start_s)
    gain = -_steps_db(part, inside) - part.drift_db * share
    own = (times_s >= part.start_s) & (times_s <= part.end_s)
    level: Floats = gain - gain[own].mean()
    return level


def _gain_db(parts: Sequence[_Part], end_s: float) -> Floats:
    """The gain of the whole track, one value every `GRID_S`."""
    times_s = np.arange(int(end_s / GRID_S) + 2) * GRID_S
    gain = _gain_of(parts[0], times_s)
    for part in parts[1:]:
        gain = gain + (_gain_of(part, times_s) - gain) * _ramp(times_s, part.start_s, SECTION_RAMP_S)
    gain = np.clip(gain, -LARGEST_GAIN_DB, LARGEST_GAIN_DB)
    kernel = np.hanning(round(SMOOTH_S / GRID_S) + 3)
    half = len(kernel) // 2
    smooth: Floats = np.convolve(np.pad(gain, half, "edge"), kernel / kernel.sum(), "same")
    return smooth[half : half + len(gain)]


def _amplified(samples: Samples, rate_hz: int, gain_db: Floats) -> Samples:
    factors = 10 ** (gain_db / 20)
    grid = np.arange(len(factors)) * (GRID_S * rate_hz)
    louder = np.empty_like(samples)
    size = round(_SLICE_S * rate_hz)
    for start in range(0, samples.shape[1], size):
        piece = samples[:, start : start + size]
        louder[:, start : start + size] = piece * np.interp(start + np.arange(piece.shape[1]), grid, factors)
    return louder


# What is said


def _notes(parts: Sequence[_Part], joins: Sequence[Join]) -> tuple[str, ...]:
    steps = [step for part in parts for step in part.steps]
    drifts = [part.drift_db for part in parts if part.drift_db]
    changes = [join.at_s for join in joins if join.changes]
    notes = []
    if steps:
        most = max(abs(step.amount_db) for step in steps)
        notes.append(f"level evened by up to {most:.1f} dB at {_at([step.at_s for step in steps])}")
    if drifts:
        most = max(drifts, key=abs)
        where = "from beginning to end" if len(parts) == 1 else "within a section"
        notes.append(f"the level {'rose' if most > 0 else 'fell'} by {abs(most):.1f} dB {where}; evened")
    if changes:
        notes.append(f"the sound changes at {_at(changes)}")
    return tuple(notes)


def _at(times_s: Sequence[float]) -> str:
    """`the join at 30.0 s`, `the joins at 30.0 s, 48.0 s and 66.0 s`."""
    words = [f"{at_s:.1f} s" for at_s in times_s]
    if len(words) == 1:
        return f"the join at {words[0]}"
    return f"the joins at {', '.join(words[:-1])} and {words[-1]}"
