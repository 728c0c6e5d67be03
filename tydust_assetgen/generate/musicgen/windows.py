"""A long performance as a row of windows. In walk lengths in frames, out walk the windows, in time order. Pure.

A model hears at most one segment at a time. What is longer is made window by window: each hears the end of what there
is (its prompt) and carries on. With one text these are audiocraft's own calls, for any length; with a text for each
section a window also ends where its section does, and the next one is led by the next section's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Window(NamedTuple):
    """One call of the model. All lengths are frames of codes, 50 a second."""

    start: int
    """The first new frame, counted from the beginning of the track."""
    prompt: int
    """How many frames before `start` are heard."""
    new: int
    """How many frames are made."""
    text: int
    """The index of the text that leads it."""

    @property
    def heard_from(self) -> int:
        """Where its prompt begins; below 0 in what a track carries on from."""
        return self.start - self.prompt

    @property
    def length(self) -> int:
        """Prompt and new frames together; at most one segment."""
        return self.prompt + self.new


def windows(ends: Sequence[int], *, segment: int, stride: int, before: int = 0) -> tuple[Window, ...]:
    """The windows of a track.

    Args:
        ends: Where each text's stretch ends, in frames from the beginning, rising; the last one is the track's end.
        segment: Frames that the model hears at most.
        stride: Frames by which it moves on once a segment is full; the rest of it is heard again. Only where one
            window is enough may it be `segment` or more.
        before: Frames of another sound that the track carries on from.

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


def joins(row: Sequence[Window]) -> tuple[int, ...]:
    """The frames at which one window takes over from another."""
    return tuple(window.start for window in row[1:])
