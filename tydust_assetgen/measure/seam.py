"""The seam of a loop: `Audio` and `LoopPoints` walk in, a `Seam` walks out that says whether the wrap is heard.

Two things give a seam away. A click: the step from the last sample to the first is far larger than the
steps around it. And a cut: the spectrum changes across the wrap as it never does inside the track. A drum
on the first beat is neither: its step drowns in its own attack, and the track has other onsets like it.
So a wrap is judged against the track itself, its rises against other rises and its falls against other falls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.measure.spectra import band_powers, mono

STEP_PERCENTILE = 99.0
QUIET_STEP = 0.002
"""-54 dBFS: a step this small is no click, whatever is around it; lossy codecs leave as much."""
NEAR_S = 0.05
"""Steps within this of the wrap can hide its own: backward and forward masking reach about so far
(H. Fastl, E. Zwicker, "Psychoacoustics", chapter 4.4)."""
NEAR_MARGIN = 1.5
CHANGE_PERCENTILE = 98.0
"""Of the track's own changes at their crests: its stronger onsets, without the one or two where it breaks open."""
CHANGE_MARGIN = 1.25
"""Onsets inside the track fall between the points of the grid, the wrap falls on one, and so reads higher."""
SMALL_CHANGE_DB = 3.0
"""A mean change of the bands below this is always right: chords change by as much."""
_SIZE = 1024
_HOP = 256
_BANDS = 40
_FLOOR = 1e-4  # what is 40 dB under the loudest band is masked by it


@dataclass(frozen=True)
class Seam:
    """What was measured at the wrap. Steps are linear, changes are the mean over mel bands in dB."""

    jump: float
    """The step across the wrap, the largest of the channels."""
    step_p99: float
    """The 99th percentile of the steps of the track, in the same channel."""
    near_step: float
    """The largest step within 50 ms of the wrap, in the same channel."""
    rise_db: float
    rise_limit_db: float
    fall_db: float
    fall_limit_db: float
    reason: str = ""
    """Why the wrap is heard; empty when it is not."""

    @property
    def ok(self) -> bool:
        return not self.reason

    @property
    def jump_ratio(self) -> float:
        """The jump as a multiple of the 99th percentile of steps."""
        return self.jump / max(self.step_p99, 1e-9)


def seam(audio: Audio, loop: LoopPoints) -> Seam:
    """Measure the wrap from `loop.end_frames` back to `loop.start_frames`.

    A jump is a click when it is above -54 dBFS, above the 99th percentile of the track's steps, and more than
    1.5 times the largest step within 50 ms of it. The change of the spectrum from the 46 ms before the wrap to
    the 46 ms after is a cut when it rises or falls by more than 3 dB and by 1.25 times more than the 98th
    percentile of the track's other rises or falls.

    Raises:
        ValueError: the loop does not lie inside the sound.
    """
    if not 0 <= loop.start_frames < loop.end_frames <= audio.frames:
        raise ValueError(f"loop {loop} does not lie inside {audio.frames} frames")
    samples = audio.samples[:, loop.start_frames : loop.end_frames]
    jump, p99, near = max(_steps(channel, audio.rate_hz) for channel in samples)
    rise, rise_limit, fall, fall_limit = _changes(Audio(samples, audio.rate_hz))
    reason = _click(jump, p99, near) or _cut("rises", rise, rise_limit) or _cut("falls", fall, fall_limit)
    return Seam(jump, p99, near, rise, rise_limit, fall, fall_limit, reason)


def _steps(channel: NDArray[np.float32], rate_hz: int) -> tuple[float, float, float]:
    """The step across the wrap, the 99th percentile of all steps, the largest step near the wrap."""
    steps = np.abs(np.diff(channel))
    near = max(1, round(NEAR_S * rate_hz))
    around = np.concatenate((steps[:near], steps[-near:]))
    # Every eighth step is sample enough for a percentile, but a fast one: sorting is what costs.
    p99 = float(np.percentile(steps[:: 8 if steps.size > 100_000 else 1], STEP_PERCENTILE)) if steps.size else 0.0
    return abs(float(channel[0]) - float(channel[-1])), p99, float(around.max(initial=0.0))


def _click(jump: float, p99: float, near: float) -> str:
    if jump <= max(QUIET_STEP, p99, near * NEAR_MARGIN):
        return ""
    return f"the wrap clicks: it jumps by {jump:.3f}, the steps around it reach {near:.3f}"


def _cut(verb: str, change_db: float, limit_db: float) -> str:
    if change_db <= limit_db:
        return ""
    return f"the sound {verb} by {change_db:.1f} dB at the wrap, {limit_db:.1f} dB would be usual here"


def _changes(looped: Audio) -> tuple[float, float, float, float]:
    """Rise at the wrap and its limit, fall at the wrap and its limit, in dB."""
    samples, rate_hz = mono(looped, 22_050)
    shift = samples.size // (2 * _HOP) * _HOP
    powers = band_powers(np.roll(samples, shift), rate_hz, _SIZE, _HOP, _BANDS)
    apart = _SIZE // _HOP
    wrap = shift // _HOP - apart
    if not 0 <= wrap < len(powers) - apart:
        return 0.0, SMALL_CHANGE_DB, 0.0, SMALL_CHANGE_DB
    levels = 10 * np.log10(powers + max(float(powers.max()) * _FLOOR, 1e-12))
    change = levels[apart:] - levels[:-apart]
    rises, falls = np.maximum(change, 0).mean(axis=1), np.maximum(-change, 0).mean(axis=1)
    return (float(rises[wrap]), _limit(rises, wrap), float(falls[wrap]), _limit(falls, wrap))


def _limit(changes: NDArray[np.float32], wrap: int) -> float:
    """The 98th percentile of the crests of change away from the wrap, with its margin."""
    apart = 2 * _SIZE // _HOP
    elsewhere = np.concatenate((changes[: max(wrap - apart, 0)], changes[wrap + apart :]))
    middle = elsewhere[1:-1]
    crests = middle[(middle >= elsewhere[:-2]) & (middle > elsewhere[2:])]
    usual = float(np.percentile(crests, CHANGE_PERCENTILE)) if crests.size else 0.0
    return max(SMALL_CHANGE_DB, usual * CHANGE_MARGIN)
