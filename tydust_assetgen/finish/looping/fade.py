"""Cuts a loop out of a take and cross-fades its end into its beginning.

The fade lies where the end leads into the beginning: what came before `start` fades in under the end of the loop, and
what would follow the end fades out over its beginning. Both gains follow the correlation of the two sides, so that
the power stays even: equal gain for the same sound twice, equal power for sounds that have nothing in common
(M. Fink, M. Holters, U. Zölzer, "Signal-Matched Power-Complementary Cross-Fading", DAFx 2016).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
