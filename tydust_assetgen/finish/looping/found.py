"""What is said of a loop that was found. A `Found` walks in, a note for people and the facts of the master walk out."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tydust_assetgen import measure
from tydust_assetgen.finish.looping.fade import Fade, Samples, Span
from tydust_assetgen.finish.looping.wish import Wish, grid_spare
from tydust_assetgen.flow import Facts, SectionTime


class Found(NamedTuple):
    """A loop and how it came about."""

    samples: Samples
    """`[channels, frames]`, from its start to its end, which leads back to the start."""
    span: Span
    fade: Fade
    wanted: Wish
    seam: measure.Seam

    def bars(self, rate_hz: int) -> int:
        """How many whole bars it is; 0 where it is none, or nothing has a steady beat."""
        meter, frames = self.wanted.meter, self.span.frames
        if meter is None:
            return 0
        near = abs(meter.nearest(frames, meter.bar) - frames) <= grid_spare(frames, rate_hz) + 1
        return round(frames / meter.bar) if near else 0


def words_for(found: Found, rate_hz: int) -> str:
    """Such as `loop of 58.7 s found at 0.4 s, 22 bars of 90 BPM, cross-fade 0.08 s`."""
    bars = found.bars(rate_hz)
    tempo = f"{bars} bars of {found.wanted.meter.bpm:.3g} BPM" if bars and found.wanted.meter else ""
    where = f"loop of {found.span.frames / rate_hz:.1f} s found at {found.span.start / rate_hz:.1f} s"
    fade = f"cross-fade {found.fade.frames / rate_hz:.2f} s"
    return ", ".join(part for part in (where, tempo, fade) if part)


def facts_of(found: Found, facts: Facts, rate_hz: int) -> Facts:
    """The facts of the loop: its sections, and its bars where the generator knows the tempo.

    A tempo that was only measured stays out of the facts: it may be half or twice what was asked, and facts are what
    the generator answers for.
    """
    bars = found.bars(rate_hz) if facts.bpm else 0
    start_s, length_s = found.span.start / rate_hz, found.span.frames / rate_hz
    moved = (_moved(section, start_s, length_s) for section in facts.sections)
    return msgspec.structs.replace(facts, bars=bars, sections=tuple(one for one in moved if one.length_s > 0))


def _moved(section: SectionTime, start_s: float, length_s: float) -> SectionTime:
    """As it lies in the loop; its length is 0 or less where it lies outside."""
    first = max(section.start_s - start_s, 0.0)
    last = min(section.start_s + section.length_s - start_s, length_s)
    return SectionTime(section.name, first, last - first)
