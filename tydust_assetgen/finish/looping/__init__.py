"""The loop in a take whose generator does not know it. Samples and facts walk in, one pass of the loop walks out.

    sound -> rough loops on a grid -> each to the sample -> each with fitting fades -> the one that is heard least

What is heard is measured as verifying measures it (`measure.seam`): at the wrap, and at both ends of the cross-fade.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tydust_assetgen import measure
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.finish.looping.fade import Fade, Samples, Span, fitting, looped
from tydust_assetgen.finish.looping.found import Found, facts_of, words_for
from tydust_assetgen.finish.looping.refine import refined
from tydust_assetgen.finish.looping.search import rough_loops
from tydust_assetgen.finish.looping.wish import Wish, wish
from tydust_assetgen.flow import Facts
from tydust_assetgen.measure.beats import sound_frames

__all__ = ["Found", "facts_of", "find_loop", "words_for"]

_FADES_S = (0.08, 0.03, 0.25, 0.8)
_LEAST_FADE_S = 0.01
_NEAR_S = 3.0
_TROUBLE_DB = 1.0
"""A seam that uses up all of what is usual counts as much as so many decibels of difference."""
_HEARD_DB = 6.0
"""And one that is heard as so many more."""
_BEST = 3


class _Try(NamedTuple):
    span: Span
    fade: Fade
    cost: float


def find_loop(audio: Audio, facts: Facts) -> Found:
    """The best loop in a take of at least a few hundred frames. The same take gives the same loop, to the bit."""
    wanted = wish(audio, facts, _least(audio))
    tries = sorted(_tries(audio, wanted), key=lambda one: one.cost)
    made = [_made(audio, one, wanted) for one in tries[:_BEST]]
    ok = [found for found in made if found.seam.ok]
    return (ok or made)[0]


def _least(audio: Audio) -> int:
    return min(max(round(_LEAST_FADE_S * audio.rate_hz), 1), audio.frames // 10)


def _tries(audio: Audio, wanted: Wish) -> list[_Try]:
    sound = sound_frames(audio)
    rough = rough_loops(sound, wanted, audio.frames, audio.rate_hz)
    limits = wanted.shortest, wanted.longest
    spans = {refined(audio.samples, sound, audio.rate_hz, one, limits): one.cost for one in reversed(rough)}
    return [_with_fade(audio, span, cost) for span, cost in (spans or {Span(0, wanted.near): 0.0}).items()]


def _with_fade(audio: Audio, span: Span, cost: float) -> _Try:
    """The fade that is heard least, as far as a few seconds around it tell."""
    sizes = [round(seconds * audio.rate_hz) for seconds in _FADES_S]
    fades = list(dict.fromkeys(fitting(span, size, audio.frames) for size in sizes))
    heard = [(_trouble_around(audio, span, fade), index) for index, fade in enumerate(fades)]
    trouble, index = min(heard)
    return _Try(span, fades[index], cost + trouble)


def _trouble_around(audio: Audio, span: Span, fade: Fade) -> float:
    """In dB of cost, rounded: at the wrap, and where the fade begins and ends."""
    near = min(max(round(_NEAR_S * audio.rate_hz), 2 * fade.frames), span.frames // 2)
    if not near:
        return 0.0
    loop = looped(audio.samples, span, fade)
    turned = np.concatenate((loop[:, span.frames - near :], loop[:, :near]), axis=1)
    places = {near, near - fade.before, near + fade.after}
    return max(round(_trouble(turned, place, audio.rate_hz), 2) for place in places)


def _trouble(turned: Samples, place: int, rate_hz: int) -> float:
    around = Audio(np.roll(turned, -place, axis=1), rate_hz)
    seam = measure.seam(around, LoopPoints(0, around.frames))
    used = max(seam.rise_db / seam.rise_limit_db, seam.fall_db / seam.fall_limit_db)
    return _TROUBLE_DB * used + (0.0 if seam.ok else _HEARD_DB)


def _made(audio: Audio, one: _Try, wanted: Wish) -> Found:
    loop = looped(audio.samples, one.span, one.fade)
    seam = measure.seam(Audio(loop, audio.rate_hz), LoopPoints(0, loop.shape[1]))
    return Found(loop, one.span, one.fade, wanted, seam)
