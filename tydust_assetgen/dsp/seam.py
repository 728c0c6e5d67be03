"""Measures whether the seam of a loop, where its end wraps around to its start, can be heard.

Two things give a seam away. A click: the wave bends at the wrap far more sharply than anywhere near it. And a
cut: the spectrum changes across the wrap as it hardly ever does inside the track. A drum on the first beat is
neither: its own attack is as sharp, and the track has other onsets like it. So a wrap is judged against
the track itself, its rises against other rises and its falls against other falls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp.spectra import band_powers, mono

STEP_PERCENTILE = 99.0
QUIET_BEND = 0.004
"""-48 dBFS: a bend this small is no click, whatever is around it; lossy codecs leave as much."""
NEAR_S = 0.05
"""What is sharp within this of the wrap can hide its bend: backward and forward masking reach about so far
(H. Fastl, E. Zwicker, "Psychoacoustics", chapter 4.4)."""
NEAR_MARGIN = 2.0
CHANGE_PERCENTILE = 98.0
"""Of the track's own changes at their crests: its stronger onsets, without the one or two where it breaks open."""
CHANGE_MARGIN = 2.0
"""The wrap is where the last section meets the first, so more may begin or end there than at any other bar; and
onsets inside the track fall between the points of the grid, while the wrap falls on one and reads higher."""
SMALL_CHANGE_DB = 3.0
"""A mean change of the bands below this is always right: chords change by as much."""
_SIZE = 1024
_HOP = 256
_APART = _SIZE // _HOP
_BANDS = 40
_FLOOR = 1e-4  # what is 40 dB under the loudest band is masked by it
_CREST_DB = 1.0  # smaller crests of change are ripple, not onsets
_LEAST_BANDS = 4


@dataclass(frozen=True)
class Seam:
    """What was measured at the wrap. Steps and bends are linear, changes the mean over sounding bands in dB."""

    jump: float
    """The step across the wrap, in the channel that bends most."""
    step_p99: float
    """The 99th percentile of the steps of the track, in the same channel."""
    bend: float
    """The second difference of the wave across the wrap: how far it is from going straight on."""
    near_bend: float
    """The largest bend within 50 ms of the wrap, in the same channel."""
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
    def share(self) -> float:
        """How much of its limits the wrap uses up: the largest of click, rise and fall; it is heard beyond 1."""
        click = self.bend / max(self.near_bend * NEAR_MARGIN, QUIET_BEND)
        return max(click, self.rise_db / self.rise_limit_db, self.fall_db / self.fall_limit_db)

    @property
    def jump_ratio(self) -> float:
        """The jump as a multiple of the 99th percentile of steps."""
        return self.jump / max(self.step_p99, 1e-9)


def seam(audio: Audio, loop: LoopPoints) -> Seam:
    """Measure the wrap from `loop.end_frames` back to `loop.start_frames`.

    The wrap clicks when the wave bends there by more than -48 dBFS and more than twice as sharply as anywhere
    within 50 ms. It is cut when the spectrum of the 46 ms after it is above (or below) that of the 46 ms before
    by more than 3 dB and by more than twice the 98th percentile of the track's other rises (or falls).

    Raises:
        ValueError: the loop does not lie inside the sound.
    """
    if not 0 <= loop.start_frames < loop.end_frames <= audio.frames:
        raise ValueError(f"loop {loop} does not lie inside {audio.frames} frames")
    samples = audio.samples[:, loop.start_frames : loop.end_frames]
    wave = max((_wrap(channel, audio.rate_hz) for channel in samples), key=_Wrap.sharpness)
    rise, rise_limit, fall, fall_limit = _changes(Audio(samples, audio.rate_hz))
    reason = _click(wave) or _cut("rises", rise, rise_limit) or _cut("falls", fall, fall_limit)
    return Seam(*wave, rise, rise_limit, fall, fall_limit, reason)


class _Wrap(NamedTuple):
    jump: float
    step_p99: float
    bend: float
    near_bend: float

    def sharpness(self) -> float:
        return self.bend / max(self.near_bend * NEAR_MARGIN, QUIET_BEND)


def _wrap(channel: NDArray[np.float32], rate_hz: int) -> _Wrap:
    # Every eighth step is sample enough for a percentile of a long track; sorting them all is what costs.
    steps = np.abs(np.diff(channel))[:: 8 if channel.size > 100_000 else 1]
    near = min(round(NEAR_S * rate_hz), channel.size // 2)
    around = np.concatenate((channel[channel.size - near :], channel[:near])).astype(np.float64)
    bends = np.abs(np.diff(around, 2))
    across = bends[max(near - 2, 0) : near]
    elsewhere = np.concatenate((bends[: max(near - 2, 0)], bends[near:]))
    return _Wrap(
        abs(float(channel[0]) - float(channel[-1])),
        float(np.percentile(steps, STEP_PERCENTILE)) if steps.size else 0.0,
        float(across.max(initial=0.0)),
        float(elsewhere.max(initial=0.0)),
    )


def _click(wave: _Wrap) -> str:
    if wave.sharpness() <= 1:
        return ""
    return f"the wrap clicks: the wave bends by {wave.bend:.3f}, near it by at most {wave.near_bend:.3f}"


def _cut(verb: str, change_db: float, limit_db: float) -> str:
    if change_db <= limit_db:
        return ""
    return f"the sound {verb} by {change_db:.1f} dB at the wrap, {limit_db:.1f} dB would be usual here"


def _changes(looped: Audio) -> tuple[float, float, float, float]:
    """Rise at the wrap and its limit, fall at the wrap and its limit, in dB."""
    samples, rate_hz = mono(looped, 22_050)
    shift = samples.size // (2 * _HOP) * _HOP
    powers = band_powers(np.roll(samples, shift), rate_hz, _SIZE, _HOP, _BANDS)
    wrap = shift // _HOP - _APART
    if not 0 <= wrap < len(powers) - _APART:
        return 0.0, SMALL_CHANGE_DB, 0.0, SMALL_CHANGE_DB
    levels = 10 * np.log10(np.maximum(powers / max(float(powers.max()), 1e-20), _FLOOR) / _FLOOR)
    before, after = levels[:-_APART], levels[_APART:]
    sounding = np.maximum(((before > 0) | (after > 0)).sum(axis=1), _LEAST_BANDS)
    rises = np.maximum(after - before, 0).sum(axis=1) / sounding
    falls = np.maximum(before - after, 0).sum(axis=1) / sounding
    return float(rises[wrap]), _limit(rises, wrap), float(falls[wrap]), _limit(falls, wrap)


def _limit(changes: NDArray[np.float64], wrap: int) -> float:
    """The 98th percentile of the crests of change away from the wrap, with its margin."""
    elsewhere = np.concatenate((changes[: max(wrap - 2 * _APART, 0)], changes[wrap + 2 * _APART :]))
    middle = elsewhere[1:-1]
    crests = middle[(middle >= elsewhere[:-2]) & (middle > elsewhere[2:]) & (middle > _CREST_DB)]
    usual = float(np.percentile(crests, CHANGE_PERCENTILE)) if crests.size else 0.0
    return max(SMALL_CHANGE_DB, usual * CHANGE_MARGIN)
