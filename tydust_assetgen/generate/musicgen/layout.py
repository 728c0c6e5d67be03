"""How a performance is laid out in time. In walk a brief and what is known of the model, out walk its windows. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.musicgen.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.text import stretches
from tydust_assetgen.generate.musicgen.windows import Window, frames_of, joins, section_ends, windows

MARGIN_S = 4.0
"""What is made beyond the asked length of a loop, at least, for the loop finder to choose from."""


class Clock(NamedTuple):
    """What of a model decides its windows. The values are those of all models that Meta has published."""

    segment_s: float = 30.0
    frame_rate: float = 50.0

    @property
    def segment(self) -> int:
        """Frames that it hears at most; cut off as audiocraft does."""
        return int(self.segment_s * self.frame_rate)

    def stride(self, parameters: MusicGenParameters) -> int:
        """Frames by which a window moves on; cut off as audiocraft does."""
        return int(self.frame_rate * parameters.extend_stride)


class Layout(NamedTuple):
    """A performance in time."""

    near_s: float
    """The length that is asked for; of a loop, the length near which it is to be found."""
    seconds: float
    """All that is made, the loop finder's margin included."""
    texts: tuple[str, ...]
    windows: tuple[Window, ...]
    joins_s: tuple[float, ...]
    """Where one window takes over from another."""


def laid_out(
    brief: Brief,
    parameters: MusicGenParameters,
    clock: Clock,
    *,
    near_s: float = 0.0,
    bar_s: float = 0.0,
    before: int = 0,
) -> Layout:
    """The windows of a brief.

    Args:
        brief: What is asked for.
        parameters: Its parameters, read.
        clock: Of the model.
        near_s: The length, where it is known better than the brief says it.
        bar_s: The length of a bar, where it is held; by default as the brief's tempo has it, in four beats.
        before: Frames that the track carries on from.
    """
    near_s = near_s or brief.duration_s
    seconds = near_s + (margin_s(near_s, bar_s or _bar_s(brief)) if brief.loop else 0.0)
    led = stretches(brief, per_section=parameters.per_section)
    ends = section_ends([each.seconds for each in led], frames_of(seconds, clock.frame_rate), clock.frame_rate)
    row = windows(ends, segment=clock.segment, stride=clock.stride(parameters), before=before)
    joins_s = tuple(frame / clock.frame_rate for frame in joins(row))
    return Layout(near_s, seconds, tuple(each.text for each in led), row, joins_s)


def margin_s(near_s: float, bar_s: float = 0.0) -> float:
    """Four seconds or two bars, whichever is longer, but at most a quarter of the track."""
    return min(max(MARGIN_S, 2 * bar_s), near_s / 4)


def _bar_s(brief: Brief) -> float:
    return 4 * 60.0 / brief.bpm if brief.bpm else 0.0
