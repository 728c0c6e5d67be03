"""Patterns of sixteenths: strings of the styles walk in, steps walk out."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT

STEP = TICKS_PER_BEAT // 4
"""Ticks of a sixteenth."""


class Step(NamedTuple):
    """One event of a pattern: where it begins, how long it lasts (both in ticks) and its letter."""

    start: int
    length: int
    letter: str


@lru_cache(maxsize=1024)
def fit(pattern: str, beats_per_bar: int) -> str:
    """A bar of 4/4 as it is; for 3/4 without its third beat, so that the backbeat stays at the end of the bar."""
    return pattern if beats_per_bar == 4 else pattern[:8] + pattern[12:16]


@lru_cache(maxsize=1024)
def steps(pattern: str, beats_per_bar: int) -> tuple[Step, ...]:
    """The events of one bar. `-` holds the event before it, `.` is a rest."""
    found: list[Step] = []
    for index, letter in enumerate(fit(pattern, beats_per_bar)):
        if letter == "-" and found and found[-1].start + found[-1].length == index * STEP:
            found[-1] = found[-1]._replace(length=found[-1].length + STEP)
        elif letter not in "-.":
            found.append(Step(index * STEP, STEP, letter))
    return tuple(found)
