"""What every sound is made with: array types, the rate, seeded noise, envelopes.

Sound is float32. Nothing here knows what an instrument is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

SAMPLE_RATE_HZ = 44_100

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


def single(values: ArrayLike) -> Floats:
    """As float32: numpy forgets its types in long formulas, and this says it again (no copy where none is needed)."""
    return np.asarray(values, np.float32)


def double(values: ArrayLike) -> Doubles:
    """As float64."""
    return np.asarray(values, np.float64)


def frames(seconds: float) -> int:
    """A time in whole frames, rounded to the nearest."""
    return round(seconds * SAMPLE_RATE_HZ)


def decibels(gain_db: float) -> float:
    """The factor that a gain in decibels stands for."""
    return float(10.0 ** (gain_db / 20.0))


def hertz(pitch: float) -> float:
    """Frequency of a MIDI note number in equal temperament, 69 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def randomness(*name: object) -> np.random.Generator:
    """A generator of random numbers that depends on `name` alone: same name, same numbers, on every run."""
    digest = hashlib.sha256("/".join(map(str, name)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


class Adsr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Attack, decay, sustain, release. The decay is exponential and has lost 95 % of its way after `decay_s`."""

    attack_s: float = 0.003
    decay_s: float = 0.3
    sustain: float = 1.0
    release_s: float = 0.1

    def at(self, time_s: Floats, gate_s: float) -> Floats:
        """Level, 0 to 1, at times from the note's start, for a key held `gate_s` seconds."""
        held = self.held(np.minimum(time_s, np.float32(gate_s)))
        left = np.clip((time_s - np.float32(gate_s)) / np.float32(self.release_s), 0.0, 1.0)
        # The straight line closes what the exponential leaves open, so that a note ends at exactly zero.
        fall: Floats = np.exp(np.float32(-4.0) * left) * (np.float32(1.0) - left)
        return held * fall

    def held(self, time_s: Floats) -> Floats:
        """Level for a key that is never let go."""
        rise = np.clip(time_s / np.float32(self.attack_s), 0.0, 1.0)
        past = np.maximum(time_s - np.float32(self.attack_s), np.float32(0.0))
        decayed = np.exp(past * np.float32(-3.0 / self.decay_s))
        smooth: Floats = rise * rise * (np.float32(3.0) - np.float32(2.0) * rise)
        level: Floats = smooth * (np.float32(self.sustain) + np.float32(1.0 - self.sustain) * decayed)
        return level


@lru_cache(maxsize=16)
def _lowpass(bins: int, spacing_hz: float, corner_hz: float) -> Floats:
    """Gains of a low-pass that falls on a raised cosine over 3 kHz, down to nothing at the corner."""
    place = np.clip((np.arange(bins) * spacing_hz - corner_hz + 3_000.0) / 3_000.0, 0.0, 1.0)
    return single(0.5 + 0.5 * np.cos(np.pi * place))


def resampled(sound: Floats, count: int, pass_hz: float, rate_hz: float) -> Floats:
    """The same stretch with `count` frames, by the transform; `rate_hz` is its rate now, and above `pass_hz` (which
    lies under half of either rate) nothing is left. The stretch is taken for a circle: pad what is none.
    """
    spectrum = fft.rfft(sound, axis=-1)
    bins = min(spectrum.shape[-1], count // 2 + 1)
    gain = _lowpass(bins, rate_hz / sound.shape[-1], pass_hz) * np.float32(count / sound.shape[-1])
    return single(fft.irfft(spectrum[..., :bins] * gain, count, axis=-1))


def seconds(count: int) -> Floats:
    """Times of `count` frames from zero, in seconds."""
    return np.arange(count, dtype=np.float32) * np.float32(1.0 / SAMPLE_RATE_HZ)


def faded(samples: Floats, fade_in_s: float = 0.0, fade_out_s: float = 0.0) -> Floats:
    """A copy with raised-cosine ends, so that it starts and stops without a click."""
    shaped = samples.copy()
    for count, end in ((frames(fade_in_s), False), (frames(fade_out_s), True)):
        count = min(count, samples.shape[-1])
        if count:
            ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)).astype(np.float32)
            part = slice(samples.shape[-1] - count, None) if end else slice(0, count)
            shaped[..., part] *= ramp[::-1] if end else ramp
    return shaped


_LONGEST_RUN = 256


def decayed(sound: ArrayLike, pole: float) -> Doubles:
    """The recursion y[n] = x[n] + pole y[n - 1] along the last axis, from rest, 0 < pole < 1.

    In runs of some 256 frames the powers of the pole are taken out, so that what is left is a plain sum; what each run
    hands to the next is the same recursion once more, with the pole to the power of the run.
    """
    whole = double(sound)
    if pole < 1e-15 or whole.shape[-1] < 2:
        return whole
    count, run = whole.shape[-1], min(_LONGEST_RUN, int(-600.0 / np.log(pole)))  # no power under e^-600
    runs = np.pad(whole, [(0, 0)] * (whole.ndim - 1) + [(0, -count % run)]).reshape(*whole.shape[:-1], -1, run)
    powers = pole ** np.arange(run + 1)
    runs /= powers[:run]
    np.cumsum(runs, axis=-1, out=runs)
    runs *= powers[:run]
    ends = decayed(runs[..., -1], float(powers[run]))
    runs[..., 1:, :] += ends[..., :-1, None] * powers[1:]
    return runs.reshape(*whole.shape[:-1], -1)[..., :count]


def without_dc(sound: Floats) -> Floats:
    """A one-pole high-pass at 20 Hz along the last axis: (1 - z^-1) / (1 - p z^-1)."""
    pole = float(np.exp(-2.0 * np.pi * 20.0 / SAMPLE_RATE_HZ))
    return single(decayed(np.diff(sound, axis=-1, prepend=np.float32(0.0)), pole))


NOISE_HOP = 256

Shape: TypeAlias = Callable[[Floats, Floats], Floats]
"""Gain over frequency in Hz `[1, bins]` and time in seconds `[hops, 1]`."""


def shaped_noise(count: int, shape: Shape, random: np.random.Generator) -> Floats:
    """Gaussian noise with a spectrum that moves: each frame of a 75 % overlapped transform gets its own gains.

    White noise has unit variance per sample, so a `shape` of 1 gives an RMS of 1.
    """
    size = 4 * NOISE_HOP
    hops = -(-count // NOISE_HOP) + 3
    white = random.standard_normal((hops + 3) * NOISE_HOP, dtype=np.float32)
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size).astype(np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(white, size)[::NOISE_HOP][:hops]
    bins_hz = fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ).astype(np.float32)[None, :]
    times_s = ((np.arange(hops, dtype=np.float32) - 1.5) * np.float32(NOISE_HOP / SAMPLE_RATE_HZ))[:, None]
    spectra = fft.rfft(cut * window, axis=1) * shape(bins_hz, np.maximum(times_s, np.float32(0.0)))
    grains = fft.irfft(spectra, size, axis=1).astype(np.float32) * (window * np.float32(0.5))
    return _overlapped(grains)[3 * NOISE_HOP :][:count]


def steady_noise(count: int, shape: Shape, random: np.random.Generator) -> Floats:
    """Gaussian noise whose spectrum stands still: one transform of the whole. A `shape` of 1 gives an RMS of 1."""
    size = fft.next_fast_len(count, real=True)
    white = random.standard_normal(size, dtype=np.float32)
    bins_hz = fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ).astype(np.float32)[None, :]
    gain = shape(bins_hz, np.zeros((1, 1), np.float32))[0]
    return single(fft.irfft(fft.rfft(white) * gain, size)[:count])


def _overlapped(grains: Floats) -> Floats:
    quarters = grains.reshape(len(grains), 4, NOISE_HOP)
    total = np.zeros((len(grains) + 3, NOISE_HOP), np.float32)
    for quarter in range(4):
        total[quarter : quarter + len(grains)] += quarters[:, quarter]
    return total.reshape(-1)
