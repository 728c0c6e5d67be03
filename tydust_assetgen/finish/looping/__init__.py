"""Finds the best loop in a take whose generator does not know where it loops.

    sound -> rough loops on a grid -> each to the sample -> each with fitting fades -> the one that is heard least

What is heard is measured as verifying measures it (`dsp.seam`): at the wrap, and at both ends of the cross-fade.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tydust_assetgen import dsp
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp.beats import SoundFrames, sound_frames
from tydust_assetgen.dsp.spectra import mono
from tydust_assetgen.finish.looping.loop import (
    SHORTEST,
    Fade,
    FoundLoop,
    LoopTarget,
    Samples,
    Span,
    facts_of,
    fitting,
    loop_target,
    looped,
    words_for,
)
from tydust_assetgen.finish.looping.refine import refined, unlike_db
from tydust_assetgen.finish.looping.search import rough_loops
from tydust_assetgen.flow import Facts

__all__ = ["FoundLoop", "facts_of", "find_loop", "words_for"]

_FADES_S = (0.08, 0.03, 0.25)
_LEAST_FADE_S = 0.01
_NEAR_S = 2.5
_TROUBLE_DB = 2.0
"""A seam that uses up all of what is usual counts as much as so many decibels of difference."""
_HEARD_DB = 8.0
"""And one that is heard as so many more."""
_UNLIKE = 1.0
"""Weight of a decibel between what surrounds start and end closely."""
_BEST = 3
_SILENT = 1e-3
"""-60 dB of the peak: less than this at the ends of a take is not music."""


class _Try(NamedTuple):
    span: Span
    fade: Fade
    cost: float
    own: float
    """What of its cost the take itself has where the loop begins: a beat there is no fault of the loop."""


class _Take(NamedTuple):
    """A take, what was heard in it, and the same at about 22 kHz in mono, on which fades are tried out."""

    audio: Audio
    sound: SoundFrames
    wanted: LoopTarget
    small: Audio
    factor: int

    @property
    def samples(self) -> Samples:
        return self.audio.samples


def find_loop(audio: Audio, facts: Facts) -> FoundLoop:
    """The best loop in a take of one frame or more. The same take gives the same loop, to the bit."""
    heard = _sounding(audio.samples, facts.near_frames)
    take = _take(Audio(audio.samples[:, heard.start : heard.end], audio.rate_hz), facts)
    tries = sorted(_tries(take), key=lambda one: one.cost)
    best = _made(take, tries[0])
    for one in tries[1:_BEST]:
        best = min(best, _made(take, one), key=lambda made: made[0])
    found = best[1]
    span = Span(found.span.start + heard.start, found.span.end + heard.start)
    return found._replace(span=span)


def _sounding(samples: Samples, near_frames: int) -> Span:
    """Without the silence at both ends, if what is left is long enough for a loop."""
    loud = np.abs(samples).max(axis=0)
    heard = np.flatnonzero(loud > loud.max(initial=0.0) * _SILENT)
    span = Span(int(heard[0]), int(heard[-1]) + 1) if heard.size else Span(0, samples.shape[1])
    wanted = min(near_frames or samples.shape[1], samples.shape[1])
    return span if span.frames >= SHORTEST * wanted else Span(0, samples.shape[1])


def _take(audio: Audio, facts: Facts) -> _Take:
    least_fade = min(max(round(_LEAST_FADE_S * audio.rate_hz), 1), audio.frames // 10)
    sound = sound_frames(audio)
    small, rate_hz = mono(audio, 22_050)
    wanted = loop_target(audio, sound, facts, least_fade)
    return _Take(audio, sound, wanted, Audio(small[None], rate_hz), audio.rate_hz // rate_hz)


def _tries(take: _Take) -> list[_Try]:
    """Each rough loop to the sample, with a fade that suits it."""
    audio, sound, wanted = take.audio, take.sound, take.wanted
    rough = rough_loops(sound, wanted, audio.frames, audio.rate_hz)
    spans = {refined(audio.samples, sound, audio.rate_hz, one, wanted): one.cost for one in reversed(rough)}
    return [_with_fade(take, span, cost) for span, cost in (spans or {Span(0, wanted.near): 0.0}).items()]


def _with_fade(take: _Take, span: Span, cost: float) -> _Try:
    """The fade that is heard least, as far as a few seconds around it tell."""
    sizes = [round(seconds * take.audio.rate_hz) for seconds in _FADES_S]
    fades = list(dict.fromkeys(fitting(span, size, take.audio.frames) for size in sizes))
    small = _scaled(span, take.factor)
    trouble, index = min((_trouble(take.small, small, fade, take.factor), index) for index, fade in enumerate(fades))
    own = _own_trouble(take.small, small.start)
    return _Try(span, fades[index], cost + max(trouble - own, 0.0) + _UNLIKE * unlike_db(take.small, small), own)


def _scaled(span: Span, factor: int) -> Span:
    return Span(span.start // factor, span.end // factor)


def _trouble(small: Audio, span: Span, fade: Fade, factor: int) -> float:
    """In dB of cost, rounded: at the wrap, and where the fade begins and ends."""
    fade = Fade(fade.before // factor, fade.after // factor)
    near = min(max(round(_NEAR_S * small.rate_hz), 2 * fade.frames), span.frames // 2)
    if not near:
        return 0.0
    loop = looped(small.samples, span, fade)
    turned = np.concatenate((loop[:, span.frames - near :], loop[:, :near]), axis=1)
    places = {near, near - fade.before, near + fade.after}
    return max(round(_trouble_at(turned, place, small.rate_hz), 2) for place in places)


def _own_trouble(small: Audio, start: int) -> float:
    """Of the take where the loop begins."""
    near = min(round(_NEAR_S * small.rate_hz), start, small.frames - start)
    return _trouble_at(small.samples[:, start - near : start + near], near, small.rate_hz) if near else 0.0


def _trouble_at(turned: Samples, place: int, rate_hz: int) -> float:
    around = Audio(np.roll(turned, -place, axis=1), rate_hz)
    return _used(dsp.seam(around, LoopPoints(0, around.frames)))


def _used(seam: dsp.Seam) -> float:
    used = max(seam.rise_db / seam.rise_limit_db, seam.fall_db / seam.fall_limit_db)
    return _TROUBLE_DB * used + (0.0 if seam.ok else _HEARD_DB)


def _made(take: _Take, one: _Try) -> tuple[tuple[bool, float], FoundLoop]:
    """The loop itself, and its rank: what is not heard comes first, then what costs least."""
    loop = looped(take.samples, one.span, one.fade)
    seam = dsp.seam(Audio(loop, take.audio.rate_hz), LoopPoints(0, loop.shape[1]))
    rank = not seam.ok, round(one.cost + max(_used(seam) - one.own, 0.0), 3)
    return rank, FoundLoop(loop, one.span, one.fade, take.wanted, seam)
