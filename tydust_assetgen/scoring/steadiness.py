"""A mark for how steady the loudness is, apart from what the sections ask for.

Short-term loudness (EBU Tech 3341, section 2.2) is read within each section, so that a loud chorus after a quiet
intro costs nothing. Two things do: a spread of levels inside sections, and a drift over the whole track, which is
how a model that goes on and on from its own sound fades away or boils over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen import measure
from tydust_assetgen.audio import Audio
from tydust_assetgen.flow import Brief, Mark, Master

SPREAD_LU = (6.0, 18.0)
"""From full marks to none. Within a section, music made for games stays inside about 6 LU."""
DRIFT_LU = (3.0, 12.0)
"""From full marks to none, over the whole track: 3 LU is what a build-up may well do."""
_WINDOW_S, _HOP_S = 3.0, 0.1
_LEAST_WINDOWS = 10
_FLOOR_LU = 20.0
"""Further than this under the mean it is silence, and silence has its own mark."""
_ENDING_S, _ENDING_SHARE = 5.0, 0.2
"""The end of a track that does not loop may die away."""

Span = tuple[float, float]
"""Begin and end, in seconds."""


class Steadiness(NamedTuple):
    """In LU: the 5th to the 95th percentile inside sections, and the change over the whole track."""

    spread_lu: float
    drift_lu: float


def steadiness_mark(master: Master, brief: Brief) -> Mark | None:
    """The worse of spread and drift; no mark where no section is long enough to tell."""
    found = steadiness(master.audio, _spans(master, brief))
    if found is None:
        return None
    score = min(_falling(found.spread_lu, SPREAD_LU), _falling(abs(found.drift_lu), DRIFT_LU))
    measured = f"spread {found.spread_lu:.1f} LU, drift {found.drift_lu:+.1f} LU"
    return Mark(name="steadiness", score=score, measured=measured)


def steadiness(audio: Audio, spans: Sequence[Span]) -> Steadiness | None:
    """Measure loudness inside each span, in windows of 3 s that lie in it whole; `None` where there are none."""
    levels = measure.short_term_lufs(audio)
    starts_s: NDArray[np.float64] = np.arange(levels.size) * np.float64(_HOP_S)
    insides = [(starts_s >= begin) & (starts_s + _WINDOW_S <= end + 1e-6) for begin, end in spans]
    groups = [np.flatnonzero(inside) for inside in insides if inside.sum() >= _LEAST_WINDOWS]
    if not groups or not np.isfinite(levels).any():
        return None
    powers = 10 ** (levels / 10)
    floor = 10 * np.log10(float(powers.mean())) - _FLOOR_LU
    floored = np.asarray(np.maximum(levels, floor), dtype=np.float64)
    around = np.concatenate([floored[group] - np.median(floored[group]) for group in groups])
    low, high = np.percentile(around, (5, 95))
    return Steadiness(float(high - low), _drift_lu(starts_s, floored, groups))


def _drift_lu(starts_s: NDArray[np.float64], levels: NDArray[np.float64], groups: list[NDArray[np.intp]]) -> float:
    """A drift goes on inside every section and over all of them: the smaller slope of both, from first to last."""
    inside = _slope(
        np.concatenate([starts_s[group] - starts_s[group].mean() for group in groups]),
        np.concatenate([levels[group] - levels[group].mean() for group in groups]),
    )
    every = np.concatenate(groups)
    over_all = _slope(starts_s[every] - starts_s[every].mean(), levels[every] - levels[every].mean())
    steady = inside * over_all <= 0
    return 0.0 if steady else min(inside, over_all, key=abs) * float(starts_s[every[-1]] - starts_s[every[0]])


def _slope(times: NDArray[np.float64], levels: NDArray[np.float64]) -> float:
    return float(times @ levels / (times @ times))


def _spans(master: Master, brief: Brief) -> list[Span]:
    """The sections as they were played, or else as they were asked for; the whole track where there are none."""
    whole_s = master.audio.duration_s
    end_s = whole_s if master.loop else whole_s - min(_ENDING_S, _ENDING_SHARE * whole_s)
    if played := master.facts.sections:
        spans = [(section.start_s, section.start_s + section.length_s) for section in played]
    else:
        ends = np.cumsum([section.seconds for section in brief.sections]).tolist() or [whole_s]
        spans = list(zip([0.0, *ends[:-1]], ends, strict=True))
    return [(begin, min(end, end_s)) for begin, end in spans if begin < end_s]


def _falling(value: float, limits: tuple[float, float]) -> float:
    full, none = limits
    return min(max((none - value) / (none - full), 0.0), 1.0)
