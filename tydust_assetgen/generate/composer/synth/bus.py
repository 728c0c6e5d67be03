"""Treats the whole mix: takes rumble away, saturates and distorts, and keeps it under full scale.

Nothing here has a memory, so the seam of a loop stays as it was. The filters of the oversampled drive wrap around: over
the end of a loop they see its beginning.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft

from tydust_assetgen.generate.composer.styles import Effects
from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Floats, frames, single

CEILING = 0.89
"""-1 dBFS; finishing sets the loudness."""
_STRETCH = 1 << 15
_MARGIN = 1_024
_LIGHT = 0.2
_FADE_S = 0.05
_HOP, _FINE = 64, 16
_RUMBLE_HZ = 24.0
_AROUND = 22_528
_TAPS = 12


def finished(total: Floats, drive: float, settings: Effects, loops: bool) -> Floats:
    """The piece under its ceiling. Changes `total`, which nobody else has."""
    _without_rumble(total, loops)
    if drive > 0.0:
        _drive(total, drive, loops)
    _brighten(total, settings.air, loops)
    _saturate(total, settings.saturation)
    peak = _peak(total)
    if peak > CEILING:
        total *= np.float32(CEILING / peak)
    if not loops:
        count = frames(_FADE_S)
        total[:, -count:] *= (0.5 + 0.5 * np.cos(np.pi * np.arange(1, count + 1) / count)).astype(np.float32)
    return total


def _without_rumble(total: Floats, loops: bool) -> None:
    """A high-pass at 24 Hz, 24 dB per octave, without delay. On a loop it looks around the corner: its steady state.

    What is taken away lies so low that means of some 64 frames hold it: they are filtered, and a curve along them (a
    quadratic spline) is subtracted.
    """
    slow = _means(total, loops)
    size = fft.next_fast_len(slow.shape[1], real=True)
    gain = single(1.0 / (1.0 + (fft.rfftfreq(size, _HOP / SAMPLE_RATE_HZ) / _RUMBLE_HZ) ** 4))
    slow = single(fft.irfft(fft.rfft(slow, size, axis=1) * gain, size, axis=1))
    slow = slow[:, _AROUND // _HOP - 1 :, None]
    place = (np.arange(_HOP, dtype=np.float32) - np.float32(0.5 * (_HOP - 1))) / np.float32(_HOP)
    before, after = (
        np.float32(0.5) * (np.float32(0.5) + side * place) ** 2 for side in (np.float32(-1.0), np.float32(1.0))
    )
    here = np.float32(0.75) - place * place
    for first in range(0, total.shape[1], _STRETCH):
        part = total[:, first : first + _STRETCH]
        low, high = first // _HOP, -(-(first + part.shape[1]) // _HOP)
        curve = slow[:, low:high] * before + slow[:, low + 1 : high + 1] * here + slow[:, low + 2 : high + 2] * after
        part -= curve.reshape(len(total), -1)[:, : part.shape[1]]


def _means(total: Floats, loops: bool) -> Floats:
    """A mean for every 64 frames, half a second more on either side: of the loop's other end, or silence.

    The weights of a mean are some 128 frames wide and fall to both sides, so that what is near a multiple of 689 Hz
    does not show up as rumble (-58 dB at 24 Hz).
    """
    whole = total.shape[1] // _HOP * _HOP
    around = np.take(total, np.arange(whole - total.shape[1], _AROUND), axis=1, mode="wrap")
    before = np.take(total, np.arange(-_AROUND, 0), axis=1, mode="wrap")
    if not loops:
        around[:, total.shape[1] - whole :], before[:] = 0.0, 0.0
    after = np.pad(around, ((0, 0), (0, -around.shape[1] % _HOP)))
    parts = [part.reshape(len(total), -1, _FINE).mean(axis=2) for part in (before, total[:, :whole], after)]
    fine = np.pad(np.concatenate(parts, axis=1), ((0, 0), (2, 2)))
    pairs = fine[:, 1:] + fine[:, :-1]
    smooth = (pairs[:, :-3] + pairs[:, 1:-2] + pairs[:, 2:-1] + pairs[:, 3:]) * np.float32(0.125)
    return single(smooth.reshape(len(total), -1, _HOP // _FINE).mean(axis=2))


def _brighten(total: Floats, air: float, loops: bool) -> None:
    """A gentle high shelf: adds a second difference, 1 - cos(w) in strength and without any shift of phase.

    At an air of 1 that is 0.8 dB at 3 kHz, 2.6 dB at 6 kHz, 5.4 dB at 10 kHz, 8.5 dB at 16 kHz.
    """
    if not air:
        return
    last = total[:, -1:] * np.float32(loops)
    start = total[:, :1] * np.float32(loops)
    for first in range(0, total.shape[1], _STRETCH):
        part = total[:, first : first + _STRETCH]
        after = total[:, first + _STRETCH : first + _STRETCH + 1]
        around = np.concatenate([last, part, after if after.shape[1] else start], axis=1)
        last = around[:, -2:-1]
        part *= np.float32(1.0 + air)
        part -= (around[:, :-2] + around[:, 2:]) * np.float32(0.5 * air)


def _saturate(total: Floats, amount: float) -> None:
    """x - a x^3 up to its crest, flat beyond: rounds the highest peaks and leaves the rest alone.

    With a = 0.15 at most, the third harmonic of a tone at -12 dBFS lies some 60 dB under it.
    """
    if amount <= 0.0:
        return
    cubic = np.float32(0.15 * amount)
    crest = np.float32(1.0 / np.sqrt(3.0 * float(cubic)))
    for first in range(0, total.shape[1], _STRETCH):
        part = np.clip(total[:, first : first + _STRETCH], -crest, crest)
        total[:, first : first + _STRETCH] = part - cubic * part * part * part


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
        clipped = _soft_clipped(part, gain, drive >= _LIGHT)[:, before.shape[1] :]
        before = total[:, max(0, end - _MARGIN) : end].copy()
        total[:, first:end] = clipped[:, : end - first] * level


def _soft_clipped(part: Floats, gain: np.float32, doubled: bool) -> Floats:
    part = part * gain
    if not doubled:
        return np.tanh(part, out=part)
    between = _half_way(part)
    np.tanh(between, out=between)
    clipped = _half_way(between, before=True)
    clipped += np.tanh(part, out=part)
    clipped *= np.float32(0.5)
    return clipped


@lru_cache(maxsize=1)
def _half_band() -> Floats:
    """One side of the filter that finds the values half way between frames: flat to 18 kHz, the rest 70 dB down.

    A half-band low-pass for twice the rate, a sinc under a Kaiser window (Kaiser 1974, beta for 70 dB); all its other
    taps are zero.
    """
    place = np.arange(_TAPS) + 0.5
    window = np.kaiser(4 * _TAPS + 1, 6.76)[2 * _TAPS + 1 :: 2][:_TAPS]
    taps = np.sinc(place) * window
    return single(0.5 * taps / np.sum(taps))


def _half_way(sound: Floats, before: bool = False) -> Floats:
    """Values half a frame after (or before) each frame; the ends see silence."""
    count = sound.shape[1]
    padded = np.pad(sound, ((0, 0), (_TAPS, _TAPS)))
    first = _TAPS - 1 if before else _TAPS
    total, pair = np.zeros_like(sound), np.empty_like(sound)
    for number, tap in enumerate(_half_band()):
        left, right = first - number, first + number + 1
        np.add(padded[:, left : left + count], padded[:, right : right + count], out=pair)
        pair *= tap
        total += pair
    return total


def _peak(total: Floats) -> float:
    return max(float(np.max(total, initial=0.0)), -float(np.min(total, initial=0.0)))
