"""The bus: what happens to the whole mix. Bends the peaks a little, distorts on demand, keeps under full scale.

In walks the mix, out walks the piece. Nothing here remembers, so the seam of a loop stays what it was; the filters of
the oversampled drive look around the corner: over the end of a loop they see its beginning.
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.signal import butter, sosfilt

from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Floats, frames, resampled, single

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
        _drive(total, drive, loops)
    _saturate(total, saturation)
    peak = _peak(total)
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


def _drive(total: Floats, drive: float, loops: bool) -> None:
    """Soft clipping of the mix, stretch by stretch, at twice the rate.

    A light drive needs no more than the plain rate: what it adds to the little there is above 7 kHz, where the third
    harmonic would fold, is 80 dB down.
    """
    gain = np.float32(1.0 + 5.0 * drive)
    level = np.float32(0.7 / np.tanh(0.7 * float(gain)))
    count = total.shape[1]
    # Each stretch looks at its neighbours as they were: over the end of a loop at its beginning, else at silence.
    around = np.float32(1.0 if loops else 0.0)
    before, start = total[:, -_MARGIN:] * around, total[:, :_MARGIN] * around
    for first in range(0, count, _STRETCH):
        end = min(first + _STRETCH, count)
        part = np.concatenate([before, total[:, first : end + _MARGIN], start], axis=1)
        bent = _bent(part, gain, drive >= _LIGHT)[:, before.shape[1] :]
        before = total[:, max(0, end - _MARGIN) : end].copy()
        total[:, first:end] = bent[:, : end - first] * level


def _bent(part: Floats, gain: np.float32, doubled: bool) -> Floats:
    if not doubled:
        return single(np.tanh(part * gain))
    count = fft.next_fast_len(part.shape[1], real=True)
    padded = np.pad(part, ((0, 0), (0, count - part.shape[1])))
    twice = resampled(padded, 2 * count, 21_500.0, SAMPLE_RATE_HZ)
    return resampled(np.tanh(twice * gain), count, 21_500.0, 2 * SAMPLE_RATE_HZ)


def _peak(total: Floats) -> float:
    return max(float(np.max(total, initial=0.0)), -float(np.min(total, initial=0.0)))
