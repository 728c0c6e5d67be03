"""What loop is wanted. A take's sound and facts walk in, a `Wish` walks out: lengths in frames, and the bar."""

from __future__ import annotations

from typing import NamedTuple

from tydust_assetgen import measure
from tydust_assetgen.audio import Audio
from tydust_assetgen.flow import Facts

SHORTEST = 0.6
"""Of the length that is asked for; a shorter loop is another piece."""
_LONGEST = 1.4
_CLEAR_BEAT = 0.25
"""A tempo that fits worse than this is a guess (measure.TempoEstimate.confidence)."""
_BEATS_PER_BAR = 4


class Wish(NamedTuple):
    """What is wanted, at the take's rate."""

    near: int
    shortest: int
    longest: int
    bar: float
    """Frames in a bar; 0 where there is no steady beat."""
    beats_per_bar: int
    bpm: float
    certain: bool
    """Whether the generator knows the tempo; else it was measured, and may be half or twice as much."""


def wish(audio: Audio, facts: Facts, least_fade: int) -> Wish:
    """Near the asked length or, where none is asked, near the whole; leaving room for the shortest fade."""
    room = max(audio.frames - least_fade, 1)
    near = min(facts.near_frames or room, room)
    bpm = facts.bpm or _heard_bpm(audio)
    beats = facts.beats_per_bar if facts.bpm else _BEATS_PER_BAR
    bar = beats * 60 * audio.rate_hz / bpm if bpm else 0.0
    longest = min(round(near * _LONGEST), room)
    return Wish(near, max(round(near * SHORTEST), 1), longest, bar, beats, bpm, facts.bpm > 0)


def _heard_bpm(audio: Audio) -> float:
    heard = measure.estimate_tempo(audio)
    return heard.bpm if heard.confidence >= _CLEAR_BEAT else 0.0
