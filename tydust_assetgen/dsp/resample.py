"""Changes the sample rate of a sound.

The filter is a sinc under a window, applied where it is cheapest and exact: in the frequency domain, over the whole
sound at once. Its pass band is flat to 95 % of the lower Nyquist frequency; from there it falls, as the running
integral of a Kaiser window, to exactly nothing at 100 %. What is left in the stop band is the rounding of single
precision, far under -100 dB. For a loop the transform's own circle is the loop, so that the seam stays as it was.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_PASS = 0.95
"""Share of the lower Nyquist frequency that passes unchanged: 20.9 kHz at 44.1 kHz."""
_BETA = 10.0
"""Kaiser parameter of the fall: the filter rings for about 2 ms each way."""
_GUARD_S = 0.05
"""Silence before and after a sound that is no loop, for the filter to ring in."""


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int, *, circular: bool = False) -> NDArray[np.float32]:
    """The same sound at another rate.

    Args:
        samples: `[channels, frames]`.
        from_hz: Their rate.
        to_hz: The wanted rate.
        circular: The sound is one pass of a loop. It is then fitted onto a whole number of frames, which moves its
            pitch by at most half a frame in its length (0.00002 % for a minute).

    Returns:
        `[channels, round(frames * to_hz / from_hz)]`, at least one frame, with sample 0 at the same moment as before.
    """
    if from_hz == to_hz or samples.shape[1] == 0:
        return samples
    frames = max((samples.shape[1] * to_hz + from_hz // 2) // from_hz, 1)
    if circular:
        return np.stack([_fit(channel, frames) for channel in samples])
    return np.stack([_open_ended(channel, from_hz, to_hz, frames) for channel in samples])


def _open_ended(channel: NDArray[np.float32], from_hz: int, to_hz: int, frames: int) -> NDArray[np.float32]:
    """Put the sound onto a circle large enough that its end can't be heard in its beginning."""
    divisor = math.gcd(from_hz, to_hz)
    step = from_hz // divisor
    steps = scipy.fft.next_fast_len(-(-(len(channel) + round(_GUARD_S * from_hz)) // step), real=True)
    padded = np.zeros(steps * step, np.float32)
    padded[: len(channel)] = channel
    return _fit(padded, steps * (to_hz // divisor))[:frames]


def _fit(channel: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """One turn of a circle, in this many frames."""
    spectrum = scipy.fft.rfft(channel)
    bins = min(len(channel), frames) // 2 + 1
    spectrum[:bins] *= _response(bins, frames / len(channel))
    return np.asarray(scipy.fft.irfft(spectrum[:bins], frames, overwrite_x=True), np.float32)


def _response(bins: int, gain: float) -> NDArray[np.float32]:
    response = np.full(bins, gain, np.float32)
    falling = bins - int(bins * _PASS)
    response[bins - falling :] *= 1.0 - np.cumsum(np.kaiser(falling, _BETA)) / np.kaiser(falling, _BETA).sum()
    return response
