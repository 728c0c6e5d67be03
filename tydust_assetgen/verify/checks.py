"""Builds a `Check` from what was measured and what was wanted."""

from __future__ import annotations

from typing import Literal

from tydust_assetgen.codec import delivered
from tydust_assetgen.flow import Check, Codec, Facts, Recipe

LOSSY: frozenset[Codec] = frozenset({"ogg", "mp3", "opus", "m4a"})
PADDED: frozenset[Codec] = frozenset({"mp3", "m4a"})
"""Codecs whose frames a player may not trim to the sample: a loop in them has a gap in some players."""


def judged(
    name: str,
    right: bool,
    measured: str,
    wanted: str,
    reason: str = "",
    *,
    otherwise: Literal["warn", "fail"] = "fail",
) -> Check:
    """A check that passes when `right`, and else warns or fails for a reason."""
    status: Literal["pass", "warn", "fail"] = "pass" if right else otherwise
    return Check(
        name=name, status=status, measured=measured, wanted=wanted, reason="" if right else reason or "differs"
    )


def delivered_rate_hz(codec: Codec, recipe: Recipe) -> int:
    """The rate that a file in this codec has."""
    return delivered(codec, recipe.finish.sample_rate_hz, 0)[0]


def promised_frames(codec: Codec, recipe: Recipe, facts: Facts) -> int:
    """The length of one pass of the loop at the file's own rate; 0 where nothing is promised."""
    if not recipe.finish.loop:
        return 0
    return delivered(codec, recipe.finish.sample_rate_hz, facts.loop_frames)[1]


def bar_s(facts: Facts) -> float:
    """The length of a bar; 0 where the generator does not work in whole bars."""
    return facts.beats_per_bar * 60 / facts.bpm if facts.bars and facts.bpm else 0.0
