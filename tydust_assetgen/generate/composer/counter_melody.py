"""The counter-melody: the lead sheet and the lead walk in, a second line walks out.

Half notes below the lead, on chord tones that the lead leaves free, as near as can be, and moving against it where both
move (contrary motion, the first rule of every book on counterpoint).
"""

from __future__ import annotations

from bisect import bisect_right

from tydust_assetgen.generate.composer.accompaniment import velocity
from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.lead_sheet import Bar
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note
from tydust_assetgen.generate.composer.theory import triad

COUNTER_RANGE = (55, 70)
_START = 62


def counter(design: Design, sheet: tuple[Bar, ...], melody: tuple[Note, ...]) -> tuple[Note, ...]:
    """The line, in the bars where it plays."""
    notes: list[Note] = []
    starts = [note.start for note in melody]
    for bar in sheet:
        if "counter" in bar.roles:
            for start, length in _halves(bar):
                before = notes[-1].pitch if notes else _START
                now = melody[max(0, bisect_right(starts, start) - 1)].pitch if melody else 0
                last = melody[max(0, bisect_right(starts, start - length) - 1)].pitch if melody else 0
                pitch = _choice(triad(bar.chord_at(start - bar.start), design.key.mode), before, now, now - last)
                dice = design.dice.fork("counter", start)
                notes.append(Note(start, length - 24, pitch, velocity(64 + 14 * bar.energy, dice, design)))
    return tuple(notes)


def _halves(bar: Bar) -> list[tuple[int, int]]:
    half = 2 * TICKS_PER_BEAT
    if bar.closing:
        return [(bar.start, bar.ticks)]
    return [(bar.start, half), (bar.start + half, bar.ticks - half)]


def _choice(pcs: tuple[int, ...], before: int, melody: int, moved: int) -> int:
    """The cheapest chord tone: near, not standing still, not the melody's own, against its motion."""

    def cost(pitch: int) -> tuple[float, int]:
        step = pitch - before
        same_way = 2.0 if step * moved > 0 else 0.0
        return abs(step) + 1.5 * (step == 0) + 4.0 * (pitch % 12 == melody % 12) + same_way, pitch

    low, high = COUNTER_RANGE
    return min((pitch for pitch in range(low, high + 1) if pitch % 12 in pcs), key=cost)
