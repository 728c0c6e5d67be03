"""Measures loudness in LUFS and true peaks in dBTP, as ITU-R BS.1770-4 and EBU R 128 define them.

The sound is K-weighted once, in slices, and kept as energies of 100 ms hops. Every window that the
standards ask for (400 ms, 3 s) is a whole number of hops, so all readings come from those energies.

True peaks, how high the wave goes also between its samples (BS.1770-4, Annex 2): oversample four times with a polyphase
FIR and take the largest magnitude. The FIR here is longer than the standard's example (24 taps a phase instead of 12),
and `true_peak_dbtp` fits a parabola through the highest points: a 4x reading alone is up to 0.6 dB low for tones near
20 kHz. The sums run tap by tap in plain float32 arithmetic, not through BLAS, so that the envelope (and with it a
limiter's gain) is the same to the bit whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tydust_assetgen.audio import Audio

HOP_S = 0.1
BLOCK_HOPS = 4
"""400 ms blocks that overlap by 75 % (BS.1770-4, Annex 1, section 2)."""
SHORT_TERM_HOPS = 30
"""3 s windows (EBU Tech 3341, section 2.2)."""
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
RANGE_GATE_LU = -20.0
"""The relative gate of the loudness range (EBU Tech 3342, section 4)."""
_OFFSET_LU = -0.691
_SLICE_HOPS = 100


def integrated_lufs(audio: Audio) -> float:
    """Integrated loudness in LUFS, gated at -70 LUFS and then 10 LU below what is left (BS.1770-4, Annex 1).

    A block that is cut short by the end is left out, as the standard says. Sound shorter than one block
    (400 ms) is outside the standard: it counts as one block of its own length, with the absolute gate only.

    Returns:
        LUFS; `-inf` for silence, for no frames, and where every block is under the absolute gate.
    """
    return _gated(_window_powers(*_hop_energies(audio), BLOCK_HOPS))


def short_term_lufs(audio: Audio) -> NDArray[np.float64]:
    """Short-term loudness: 3 s windows, one every 100 ms, ungated (EBU Tech 3341, section 2.2).

    Sound shorter than 3 s gives one window of its own length.

    Returns:
        LUFS, `[windows]`; `-inf` where there is silence.
    """
    return _lufs(_window_powers(*_hop_energies(audio), SHORT_TERM_HOPS))


def loudness_range_lu(audio: Audio) -> float:
    """Loudness range in LU: the 10th to the 95th percentile of gated short-term loudness (EBU Tech 3342).

    Returns:
        LU, at least 0; 0 where nothing passes the gates.
    """
    powers = _window_powers(*_hop_energies(audio), SHORT_TERM_HOPS)
    powers = powers[_lufs(powers) >= ABSOLUTE_GATE_LUFS]
    if not powers.size:
        return 0.0
    levels = _lufs(powers)
    levels = levels[levels >= float(_lufs(powers.mean())) + RANGE_GATE_LU]
    low, high = np.percentile(levels, (10, 95))
    return float(high - low)


@lru_cache(maxsize=16)
def k_weighting(rate_hz: int) -> NDArray[np.float64]:
    """The two biquads of K-weighting for any rate, as second-order sections `[2, 6]`.

    BS.1770-4 prints coefficients for 48 kHz only (Annex 1, tables 1 and 2). The analogue prototypes behind
    them, a high shelf and a high-pass, are from B. De Man, "Evaluation of Implementations of the EBU R128
    Loudness Measurement" (AES 145, 2018); at 48 kHz they give the printed numbers to the last digit.
    """
    return np.array([_high_shelf(rate_hz), _high_pass(rate_hz)])


def _high_shelf(rate_hz: int) -> list[float]:
    gain, quality = 10 ** (3.999843853973347 / 20), 0.7071752369554196
    k = np.tan(np.pi * 1681.974450955533 / rate_hz)
    band = gain**0.4996667741545416
    a0 = 1 + k / quality + k * k
    return [
        (gain + band * k / quality + k * k) / a0,
        2 * (k * k - gain) / a0,
        (gain - band * k / quality + k * k) / a0,
        1.0,
        2 * (k * k - 1) / a0,
        (1 - k / quality + k * k) / a0,
    ]


def _high_pass(rate_hz: int) -> list[float]:
    quality = 0.5003270373238773
    k = np.tan(np.pi * 38.13547087602444 / rate_hz)
    a0 = 1 + k / quality + k * k
    return [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0]


def _channel_weights(channels: int) -> NDArray[np.float64]:
    """BS.1770-4, Annex 1, table 3, in the channel order of WAV files: L R C LFE Ls Rs; the LFE does not count."""
    if channels == 5:
        return np.array([1.0, 1.0, 1.0, 1.41, 1.41])
    if channels == 6:
        return np.array([1.0, 1.0, 1.0, 0.0, 1.41, 1.41])
    return np.ones(channels)


def _hop_energies(audio: Audio) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Weighted sums of squares `[hops]` and the hops' edges in frames `[hops + 1]`.

    The edges are rounded one by one, so that a rate such as 11025 Hz does not drift. Whole hops only,
    unless there is not even a block: then everything there is makes one hop.
    """
    hops = int(audio.frames / (audio.rate_hz * HOP_S) + 1e-9)
    edges = np.round(np.arange(hops + 1) * audio.rate_hz * HOP_S).astype(np.int64)
    if hops < BLOCK_HOPS:
        edges = np.array([0, audio.frames], dtype=np.int64)
    weights = _channel_weights(audio.channels)
    sections = k_weighting(audio.rate_hz)
    state = np.zeros((2, audio.channels, 2))
    energies = [np.zeros(0)]
    for first in range(0, len(edges) - 1, _SLICE_HOPS):
        cuts = edges[first : first + _SLICE_HOPS + 1]
        piece = audio.samples[:, cuts[0] : cuts[-1]]
        if piece.shape[1] == 0:
            continue
        weighted, state = signal.sosfilt(sections, piece.astype(np.float64), zi=state)
        energies.append(np.add.reduceat(weights @ np.square(weighted), cuts[:-1] - cuts[0]))
    return np.concatenate(energies), edges


def _window_powers(energies: NDArray[np.float64], edges: NDArray[np.int64], window_hops: int) -> NDArray[np.float64]:
    """Mean square of every window of `window_hops` hops, one a hop; one shorter window where none is whole."""
    if not energies.size:
        return np.zeros(0)
    window = min(window_hops, energies.size)
    sums = np.lib.stride_tricks.sliding_window_view(energies, window).sum(axis=1)
    powers: NDArray[np.float64] = sums / (edges[window:] - edges[:-window])
    return powers


def _gated(powers: NDArray[np.float64]) -> float:
    powers = powers[_lufs(powers) > ABSOLUTE_GATE_LUFS]
    if not powers.size:
        return -np.inf
    relative = float(_lufs(powers.mean())) + RELATIVE_GATE_LU
    return float(_lufs(powers[_lufs(powers) > relative].mean()))


def _lufs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(_OFFSET_LU + 10 * np.log10(power), dtype=np.float64)


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
