"""Says which loop is wanted and which was found, and cuts it out of its take with a cross-fade.

The fade lies where the end leads into the beginning: what came before `start` fades in under the end of the loop, and
what would follow the end fades out over its beginning. Both gains follow the correlation of the two sides, so that
the power stays even: equal gain for the same sound twice, equal power for sounds that have nothing in common
(M. Fink, M. Holters, U. Zölzer, "Signal-Matched Power-Complementary Cross-Fading", DAFx 2016).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tydust_assetgen import dsp
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp.beats import SoundFrames, bar_phase, beat_windows
from tydust_assetgen.flow import Facts, SectionTime

Samples = NDArray[np.float32]


class Span(NamedTuple):
    """Where a loop lies in its take, in frames; the end is exclusive."""

    start: int
    end: int

    @property
    def frames(self) -> int:
        return self.end - self.start


class Fade(NamedTuple):
    """Frames of cross-fade before the wrap and after it."""

    before: int
    after: int

    @property
    def frames(self) -> int:
        return self.before + self.after


def fitting(span: Span, frames: int, take_frames: int) -> Fade:
    """A fade of about this length that the take has sound for: before the wrap if it can be, else after it too."""
    longest = min(frames, span.frames // 4)
    before = min(longest, span.start)
    return Fade(before, min(longest - before, take_frames - span.end))


def looped(samples: Samples, span: Span, fade: Fade) -> Samples:
    """The loop `[channels, frames]`, its end faded into its beginning."""
    loop: Samples = samples[:, span.start : span.end].copy()
    if fade.frames:
        mixed = _mixed(_around(samples, span.end, fade), _around(samples, span.start, fade))
        loop[:, span.frames - fade.before :] = mixed[:, : fade.before]
        loop[:, : fade.after] = mixed[:, fade.before :]
    return loop


def likeness(samples: Samples, span: Span, fade: Fade) -> float:
    """Correlation of the two sides of the fade, -1 to 1; 1 where both are silent."""
    return _correlation(_around(samples, span.end, fade), _around(samples, span.start, fade))


def _around(samples: Samples, frame: int, fade: Fade) -> Samples:
    return samples[:, frame - fade.before : frame + fade.after]


def _mixed(leaving: Samples, coming: Samples) -> Samples:
    ratio = np.sin((np.arange(leaving.shape[1]) + 0.5) / leaving.shape[1] * (np.pi / 2)) ** 2
    alike = max(_correlation(leaving, coming), 0.0)
    power = np.sqrt(ratio**2 + (1 - ratio) ** 2 + 2 * alike * ratio * (1 - ratio))
    return np.asarray(leaving * ((1 - ratio) / power) + coming * (ratio / power), dtype=np.float32)


def _correlation(a: Samples, b: Samples) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    size = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / size if size > 0 else 1.0


SHORTEST = 0.6
"""Of the length that is asked for; a shorter loop is another piece."""
_LONGEST = 1.4
_CLEAR_BEAT = 0.25
"""A tempo that fits worse than this is a guess (`dsp.TempoEstimate.confidence`)."""
_LEAST_S = 6.0
"""In less sound than this a tempo is heard by chance."""
_BEATS_PER_BAR = 4
_NEAR_GRID_S = 0.012
_NEAR_GRID = 0.0003


class Meter(NamedTuple):
    """A steady beat, in frames of the take."""

    bar: float
    beats: int
    """Beats in a bar."""
    phase: float
    """Where the first bar begins, as far as can be heard."""
    bpm: float

    def nearest(self, length: float, unit: float) -> int:
        """The nearest whole number of bars or beats (`unit` is the length of one), in frames."""
        return round(round(length / unit) * unit)

    @property
    def beat(self) -> float:
        return self.bar / self.beats

    @property
    def half_bar(self) -> float:
        """Two beats of four, or the bar where it has no half."""
        return self.bar / 2 if self.beats % 2 == 0 else self.bar


class LoopTarget(NamedTuple):
    """What is wanted, in frames of the take."""

    near: int
    shortest: int
    longest: int
    meter: Meter | None
    """Nothing where there is no steady beat."""


def loop_target(audio: Audio, sound: SoundFrames, facts: Facts, least_fade: int) -> LoopTarget:
    """Near the asked length or, where none is asked, near the whole; leaving room for the shortest fade."""
    room = max(audio.frames - least_fade, 1)
    near = min(facts.near_frames or room, room)
    longest = min(round(near * _LONGEST), room)
    return LoopTarget(near, max(round(near * SHORTEST), 1), longest, _meter(audio, sound, facts))


def grid_spare(length: float, rate_hz: int) -> float:
    """How far a length may be from whole bars and still be them, in frames."""
    return _NEAR_GRID_S * rate_hz + _NEAR_GRID * length


def _meter(audio: Audio, sound: SoundFrames, facts: Facts) -> Meter | None:
    """At the tempo that the generator knows, else at the one that is heard clearly."""
    window = audio.rate_hz / sound.per_second
    if facts.bpm:
        beat, beats = 60 * sound.per_second / facts.bpm, facts.beats_per_bar
    else:
        heard = dsp.estimate_tempo(audio)
        if heard.confidence < _CLEAR_BEAT or audio.duration_s < _LEAST_S:
            return None
        beat, beats = beat_windows(sound, heard.bpm), _BEATS_PER_BAR
    phase = (bar_phase(sound, beat, beats) + 1.5) * window
    return Meter(beat * beats * window, beats, phase, 60 * sound.per_second / beat)


class FoundLoop(NamedTuple):
    """A loop and how it came about."""

    samples: Samples
    """`[channels, frames]`, from its start to its end, which leads back to the start."""
    span: Span
    fade: Fade
    wanted: LoopTarget
    seam: dsp.Seam

    def bars(self, rate_hz: int) -> int:
        """How many whole bars it is; 0 where it is none, or nothing has a steady beat."""
        meter, frames = self.wanted.meter, self.span.frames
        if meter is None:
            return 0
        near = abs(meter.nearest(frames, meter.bar) - frames) <= grid_spare(frames, rate_hz) + 1
        return round(frames / meter.bar) if near else 0


def words_for(found: FoundLoop, rate_hz: int) -> str:
    """Such as `loop of 58.7 s found at 0.4 s, 22 bars of 90 BPM, cross-fade 0.08 s`."""
    bars = found.bars(rate_hz)
    tempo = f"{bars} bars of {found.wanted.meter.bpm:.3g} BPM" if bars and found.wanted.meter else ""
    where = f"loop of {found.span.frames / rate_hz:.1f} s found at {found.span.start / rate_hz:.1f} s"
    fade = f"cross-fade {found.fade.frames / rate_hz:.2f} s"
    return ", ".join(part for part in (where, tempo, fade) if part)


def facts_of(found: FoundLoop, facts: Facts, rate_hz: int) -> Facts:
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
