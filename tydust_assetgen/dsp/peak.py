"""Measures the true peak: how high the wave goes, also between its samples.

ITU-R BS.1770-4, Annex 2: oversample four times with a polyphase FIR and take the largest magnitude. The
FIR here is longer than the standard's example (24 taps a phase instead of 12), and `true_peak_dbtp` fits a
parabola through the highest points: a 4x reading alone is up to 0.6 dB low for tones near 20 kHz.

The sums run tap by tap in plain float32 arithmetic, not through BLAS, so that the envelope (and with
it a limiter's gain) is the same to the bit whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio

OVERSAMPLING = 4
_TAPS = 24
_BEFORE = _TAPS // 2 - 1  # samples that a point between frames 0 and 1 needs before frame 0
_CHUNK_FRAMES = 16_384
_REFINE_ABOVE = 0.9  # the nearest of the 4x points has at least cos(π/8) = 0.92 of the crest between them


def sample_peak_dbfs(audio: Audio) -> float:
    """The largest sample in dBFS; `-inf` for silence."""
    return _decibels(max(float(audio.samples.max(initial=0.0)), -float(audio.samples.min(initial=0.0))))


def true_peak_dbtp(audio: Audio) -> float:
    """True peak of all channels, in dBTP: 4x oversampling, then a parabola through each of the highest crests.

    Within 0.1 dB of the real wave up to 0.45 of the rate. Sound is taken as zero outside its ends.

    Returns:
        dBTP; `-inf` for silence, `nan` where samples are not finite.
    """
    best = 0.0
    for points, _ in _oversampled(audio.samples, -_TAPS // 2, audio.frames + _TAPS // 2):
        highest = float(max(points.max(), -points.min()))
        if not highest <= best * _REFINE_ABOVE:
            best = _crest(points, max(best, highest))
    return _decibels(best)


def true_peak_envelope(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """How high the wave gets in each frame, over all channels: at the sample and at the three points after it.

    Args:
        samples: `[channels, frames]`; zero outside its ends.

    Returns:
        `[frames]` float32, linear, at least the largest sample magnitude of the frame.
    """
    envelope = np.zeros(samples.shape[1], dtype=np.float32)
    for points, start in _oversampled(samples, 0, samples.shape[1]):
        envelope[start : start + points.shape[2]] = np.abs(points).max(axis=(0, 1))
    return envelope


@lru_cache(maxsize=1)
def interpolation_taps() -> NDArray[np.float32]:
    """The three phases between two samples, `[3, taps]`: a sinc under a Kaiser window (beta 6), each of sum 1."""
    distance = np.arange(1, OVERSAMPLING)[:, None] / OVERSAMPLING - (np.arange(_TAPS) - _BEFORE)
    window = np.i0(6.0 * np.sqrt(1 - (distance / (_TAPS / 2)) ** 2)) / np.i0(6.0)
    taps = np.sinc(distance) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), dtype=np.float32)


def _oversampled(samples: NDArray[np.float32], first: int, last: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Chunks of points `[channels, 4, frames]` and the frame each begins at.

    A chunk begins one frame before the last one's end, so that no crest is cut in two.
    """
    for start in range(first, last, _CHUNK_FRAMES - 1):
        count = min(_CHUNK_FRAMES, last - start)
        yield _points(_padded(samples, start - _BEFORE, count + _TAPS - 1), count), start


def _padded(samples: NDArray[np.float32], start: int, count: int) -> NDArray[np.float32]:
    """Frames `start` to `start + count`, with zeros where there are none."""
    frames = samples.shape[1]
    inside = samples[:, max(start, 0) : max(min(start + count, frames), 0)]
    before = min(max(-start, 0), count)
    return np.pad(inside, ((0, 0), (before, count - before - inside.shape[1])))


def _points(padded: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    points = np.zeros((padded.shape[0], OVERSAMPLING, count), dtype=np.float32)
    points[:, 0] = padded[:, _BEFORE : _BEFORE + count]
    product = np.empty((padded.shape[0], count), dtype=np.float32)
    for phase, taps in enumerate(interpolation_taps(), start=1):
        for tap, weight in enumerate(taps):
            np.multiply(padded[:, tap : tap + count], weight, out=product)
            points[:, phase] += product
    return points


def _crest(points: NDArray[np.float32], best: float) -> float:
    """The top of the parabola through each local maximum near `best`; `best` where none is higher."""
    heights = np.abs(points.transpose(0, 2, 1).reshape(len(points), -1))
    left, middle, right = heights[:, :-2], heights[:, 1:-1], heights[:, 2:]
    tops = (middle > best * _REFINE_ABOVE) & (middle >= left) & (middle > right)
    left, middle, right = left[tops], middle[tops], right[tops]
    lean = left - right
    rise = lean * lean / (8 * (2 * middle - left - right))
    return max(best, float((middle + rise).max(initial=0.0)))


def _decibels(level: float) -> float:
    return 20 * math.log10(level) if level != 0 else -math.inf
