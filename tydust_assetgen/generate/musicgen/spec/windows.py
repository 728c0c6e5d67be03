"""Plans the windows of a track: the calls of the model, one after the other, of which a long track is made.

A model reads at most one segment at a time. What is longer is made window by window: each gets the end of what there
is as its prompt and carries on. With one text these are audiocraft's own calls, for any length; with a text for each
section a window also ends where its section does, and the next one gets the next section's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.section_text import section_texts


class Window(NamedTuple):
    """One call of the model. All lengths are frames of codes, 50 a second."""

    start: int
    """The first new frame, counted from the beginning of the track."""
    prompt: int
    """How many frames before `start` it is given."""
    new: int
    """How many frames are made."""
    text: int
    """The index of its text."""

    @property
    def prompt_start(self) -> int:
        """Where its prompt begins; below 0 in what a track continues."""
        return self.start - self.prompt

    @property
    def length(self) -> int:
        """Prompt and new frames together; at most one segment."""
        return self.prompt + self.new


def windows(ends: Sequence[int], *, segment: int, stride: int, before: int = 0) -> tuple[Window, ...]:
    """The windows of a track.

    Args:
        ends: Where each text's stretch ends, in frames from the beginning, rising; the last one is the track's end.
        segment: Frames that the model reads at most.
        stride: Frames by which it moves on once a segment is full; the rest of it is the prompt. Only where one
            window is enough may it be `segment` or more.
        before: Frames of another sound that the track continues.

    Returns:
        Windows whose new frames cover the track exactly once, none of them empty.
    """
    found: list[Window] = []
    at = 0
    for text, end in enumerate(ends):
        while at < end:
            prompt = min(before + at, max(segment - stride, 0))
            new = min(end - at, segment - prompt)
            found.append(Window(at, prompt, new, text))
            at += new
    return tuple(found)


def frames_of(seconds: float, frame_rate: float) -> int:
    """The fewest whole frames that hold so many seconds; at least one."""
    return max(1, -int(-round(seconds * frame_rate, 6) // 1))


def section_ends(lengths_s: Sequence[float], frames: int, frame_rate: float) -> tuple[int, ...]:
    """Where sections of these lengths end, in frames. The last one takes what is left; what lies beyond is cut off."""
    ends: list[int] = []
    at_s = 0.0
    for length_s in lengths_s:
        at_s += length_s
        ends.append(min(round(at_s * frame_rate), frames))
    return (*ends[:-1], frames)


def joins(planned: Sequence[Window]) -> tuple[int, ...]:
    """The frames at which one window takes over from another."""
    return tuple(window.start for window in planned[1:])


MARGIN_S = 4.0
"""What is made beyond the asked length of a loop, at least, for the loop finder to choose from."""


class Clock(NamedTuple):
    """What of a model decides its windows. The values are those of all models that Meta has published."""

    segment_s: float = 30.0
    frame_rate: float = 50.0

    @property
    def segment(self) -> int:
        """Frames that it reads at most; cut off as audiocraft does."""
        return int(self.segment_s * self.frame_rate)

    def stride(self, parameters: MusicGenParameters) -> int:
        """Frames by which a window moves on; cut off as audiocraft does."""
        return int(self.frame_rate * parameters.extend_stride)


class Layout(NamedTuple):
    """A track in time."""

    near_s: float
    """The length that is asked for; of a loop, the length near which it is to be found."""
    seconds: float
    """All that is made, the loop finder's margin included."""
    texts: tuple[str, ...]
    windows: tuple[Window, ...]
    joins_s: tuple[float, ...]
    """Where one window takes over from another."""


def plan_windows(
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
        before: Frames that the track continues.
    """
    near_s = near_s or brief.duration_s
    seconds = near_s + (margin_s(near_s, bar_s or _bar_s(brief)) if brief.loop else 0.0)
    texts = section_texts(brief, per_section=parameters.per_section)
    ends = section_ends([each.seconds for each in texts], frames_of(seconds, clock.frame_rate), clock.frame_rate)
    planned = windows(ends, segment=clock.segment, stride=clock.stride(parameters), before=before)
    joins_s = tuple(frame / clock.frame_rate for frame in joins(planned))
    return Layout(near_s, seconds, tuple(each.text for each in texts), planned, joins_s)


def margin_s(near_s: float, bar_s: float = 0.0) -> float:
    """Four seconds or two bars, whichever is longer, but at most a quarter of the track."""
    return min(max(MARGIN_S, 2 * bar_s), near_s / 4)


def _bar_s(brief: Brief) -> float:
    return 4 * 60.0 / brief.bpm if brief.bpm else 0.0
