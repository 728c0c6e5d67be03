"""The bus: what happens to the whole mix. Bends the peaks a little, distorts on demand, keeps under full scale.

In walks the mix, out walks the piece. Nothing here remembers, so the seam of a loop stays what it was; the filters of
the oversampled drive look around the corner: over the end of a loop they see its beginning.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt

from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Floats, frames, resampled

CEILING = 0.89
"""-1 dBFS; the finishing room sets the loudness."""
_STRETCH = 1 << 16
_MARGIN = 1_024
_LIGHT = 0.2
_FADE_S = 0.05
_SETTLED_S = 0.6


def finished(total: Floats, drive: float, saturation: float, loops: bool) -> Floats:
    """The piece under its ceiling. Changes `total`, which nobody else has."""
    _without_rumble(total, loops)
    if drive > 0.0:
        total = _driven(total, drive, loops)
    _saturate(total, saturation)
    peak = float(np.max(np.abs(total), initial=0.0))
    if peak > CEILING:
        total *= np.float32(CEILING / peak)
    if not loops:
        count = frames(_FADE_S)
        total[:, -count:] *= (0.5 + 0.5 * np.cos(np.pi * np.arange(1, count + 1) / count)).astype(np.float32)
    return total


def _without_rumble(total: Floats, loops: bool) -> None:
    """A high-pass of second order at 24 Hz. On a loop it has heard the end before the start: its steady state."""
    sections = butter(2, 24.0, "highpass", fs=SAMPLE_RATE_HZ, output="sos")
    state = np.zeros((1, len(total), 2))
    if loops:
        before = np.arange(-frames(_SETTLED_S), 0)
        state = sosfilt(sections, total.take(before, axis=1, mode="wrap").astype(np.float64), zi=state)[1]
    for first in range(0, total.shape[1], _STRETCH):
        part, state = sosfilt(sections, total[:, first : first + _STRETCH].astype(np.float64), zi=state)
        total[:, first : first + _STRETCH] = part


def _saturate(total: Floats, amount: float) -> None:
    """x - a x^3 up to its crest, flat beyond: rounds the highest peaks and leaves the rest alone.

    With a = 0.15 at most, the third harmonic of a tone at -12 dBFS lies some 60 dB under it.
    """
    if amount <= 0.0:
        return
    bend = np.float32(0.15 * amount)
    crest = np.float32(1.0 / np.sqrt(3.0 * float(bend)))
    for first in range(0, total.shape[1], _STRETCH):
        part = np.clip(total[:, first : first + _STRETCH], -crest, crest)
        total[:, first : first + _STRETCH] = part - bend * part * part * part


def _driven(total: Floats, drive: float, loops: bool) -> Floats:
    """Soft clipping of the mix, stretch by stretch, at twice the rate.

    A light drive needs no more than the plain rate: what it adds to the little there is above 7 kHz, where the third
    harmonic would fold, is 80 dB down.
    """
    gain = np.float32(1.0 + 5.0 * drive)
    level = np.float32(0.7 / np.tanh(0.7 * float(gain)))
    result = np.empty_like(total)
    count = total.shape[1]
    for first in range(0, count, _STRETCH):
        end = min(first + _STRETCH, count)
        if drive < _LIGHT:
            result[:, first:end] = np.tanh(total[:, first:end] * gain) * level
            continue
        around = np.arange(first - _MARGIN, first + _STRETCH + _MARGIN)
        part = total.take(around, axis=1, mode="wrap" if loops else "clip")
        doubled = resampled(part, 2 * len(around), 21_500.0, SAMPLE_RATE_HZ)
        halved = resampled(np.tanh(doubled * gain), len(around), 21_500.0, 2 * SAMPLE_RATE_HZ)
        result[:, first:end] = halved[:, _MARGIN : _MARGIN + end - first] * level
    return result
