"""Length, ends, channels and zero line of a master. Samples `[channels, frames]` walk in and out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_TAIL_FLOOR = 10 ** (-70 / 20)
"""A tail is over where it stays this far under the track's peak."""
_FADE_S = 0.05
_RAMP_S = 0.02


def folded(samples: Samples, loop_frames: int) -> Samples:
    """One pass of the loop, with all that rings after it added onto its start, round and round if it is long.

    Played in a circle, this is the sum of endless passes, each with its whole tail.
    """
    loop: Samples = samples[:, :loop_frames].copy()
    for start in range(loop_frames, samples.shape[1], loop_frames):
        tail = samples[:, start : start + loop_frames]
        loop[:, : tail.shape[1]] += tail
    return loop


def trimmed(samples: Samples, rate_hz: int) -> Samples:
    """Without what rings on under -70 dB of the peak; the last 50 ms fade out."""
    loud = np.abs(samples).max(axis=0)
    last = int(np.flatnonzero(loud >= loud.max() * _TAIL_FLOOR)[-1]) + 1
    fade = min(round(_FADE_S * rate_hz), samples.shape[1])
    end = min(last + fade, samples.shape[1])
    kept: Samples = samples[:, :end].copy()
    kept[:, end - fade :] *= np.float32(0.5) + np.float32(0.5) * np.cos(np.linspace(0, np.pi, fade), dtype=np.float32)
    return kept


def with_channels(samples: Samples, channels: int) -> Samples:
    """Mono from stereo is the mean of both sides; stereo from mono is the same on both sides."""
    if samples.shape[0] == channels:
        return samples
    if channels == 1:
        return np.asarray(samples.mean(axis=0, keepdims=True, dtype=np.float32))
    return np.repeat(samples, channels, axis=0)


def centred(samples: Samples, rate_hz: int, *, circular: bool) -> Samples:
    """Without offset. Where the sound has ends, the correction fades in and out, so that it makes no step."""
    offset = samples.mean(axis=1, keepdims=True, dtype=np.float64)
    if circular:
        return np.asarray(samples - offset.astype(np.float32))
    frames = samples.shape[1]
    ramp = min(round(_RAMP_S * rate_hz), frames // 2)
    weight = np.ones(frames)
    weight[:ramp] = np.sin((np.arange(ramp) + 0.5) / max(ramp, 1) * (np.pi / 2)) ** 2
    weight[frames - ramp :] = weight[:ramp][::-1]
    return np.asarray(samples - (offset * (frames / weight.sum()) * weight).astype(np.float32))
