"""Chorus, ping-pong delay and reverb. All linear, all exact on a loop: what goes in is folded by who calls.

Chorus reads a stretch with some history before it; delay is a handful of taps; the reverb is a convolution with a
made-up room: noise that decays in time, faster at high frequencies, different on both sides.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tydust_assetgen.generate.composer.synth.patches import Kit
from tydust_assetgen.generate.composer.synth.signal import (
    SAMPLE_RATE_HZ,
    Floats,
    decayed,
    decibels,
    frames,
    randomness,
    shaped_noise,
    single,
)
from tydust_assetgen.generate.composer.synth.timeline import Clock, Track

CHORUS_HISTORY = frames(0.012)
CHORUS_WET, CHORUS_DRY = 0.55, 0.3
"""At full depth the chorus adds 0.55 of the sound, and 0.3 of the sound itself makes room for it."""
_CHORUS_CENTRE = np.float32(0.0085 * SAMPLE_RATE_HZ)
_RUN = 1_024
_CHORUS_SWING_S = 0.0028


def chorus(middle: Floats, first_frame: int, rate_hz: float) -> Floats:
    """What a stereo chorus adds to a sound whose mono sum is `middle`, `[history + frames]`; returns `[2, frames]`.

    `history` is `CHORUS_HISTORY`. Each side hears the sound again through a delay line that a sine sweeps, the two in
    opposite phase (the wiring of the Juno-6). `first_frame` is the place of the first returned frame in the score, so
    that the sweep does not depend on how the score is cut into stretches.
    """
    sweep = _sweep(first_frame, len(middle) - CHORUS_HISTORY, rate_hz)
    return np.stack([_delayed(middle, _CHORUS_CENTRE + sweep), _delayed(middle, _CHORUS_CENTRE - sweep)])


def _sweep(first_frame: int, count: int, rate_hz: float) -> Floats:
    """The sine of the chorus in frames of delay, as float32: sin(a + b) from a slow table of a and a fast one of b."""
    turn = 2.0 * np.pi * rate_hz / SAMPLE_RATE_HZ
    starts = np.mod((first_frame + np.arange(0, count, _RUN)) * (rate_hz / SAMPLE_RATE_HZ), 1.0) * (2.0 * np.pi)
    inside = turn * np.arange(_RUN)
    swing = _CHORUS_SWING_S * SAMPLE_RATE_HZ
    sines, cosines = single(swing * np.sin(starts))[:, None], single(swing * np.cos(starts))[:, None]
    return single(sines * single(np.cos(inside)) + cosines * single(np.sin(inside))).reshape(-1)[:count]


def _delayed(sound: Floats, delay: Floats) -> Floats:
    """The sound without its history, later by `delay` frames (at least 1), on straight lines between its samples."""
    whole = delay.astype(np.int32)
    part = delay - whole
    index = (np.arange(CHORUS_HISTORY, CHORUS_HISTORY + len(delay), dtype=np.int32) - whole).astype(np.int64)
    later = sound.take(index, mode="clip")
    earlier = sound.take(index - 1, mode="clip")
    earlier -= later
    earlier *= part
    earlier += later
    return earlier


class Tap(NamedTuple):
    """One repeat of the delay: where, which side (0 left, 1 right), how loud the bright and the dark sound is."""

    offset: int
    side: int
    bright: float
    dark: float


FEEDBACK = 0.46
_DARKENING = 0.72


def delay_taps(delay_s: float) -> list[Tap]:
    """Repeats of the ping-pong delay, left first, each darker than the one before, until they are 66 dB down."""
    step = frames(delay_s)
    taps = []
    for number in range(1, 40):
        level = FEEDBACK ** (number - 1)
        if level < decibels(-66.0):
            break
        bright = level * _DARKENING ** (number - 1)
        taps.append(Tap(number * step, (number + 1) % 2, bright, level - bright))
    return taps


WARM_UP = 256


def darkened(sound: Floats, corner_hz: float) -> Floats:
    """One-pole low-pass along the last axis. The first `WARM_UP` frames only set its state and are left out."""
    pole = float(np.exp(-2.0 * np.pi * corner_hz / SAMPLE_RATE_HZ))
    return single(decayed(sound, pole)[..., WARM_UP:]) * np.float32(1.0 - pole)


def reverb_seconds(size: float) -> float:
    """RT60 in the middle of the spectrum: 0.35 s at size 0, 1.5 s at 0.5, 6.3 s at 1."""
    return float(0.35 * 18.0**size)


def room(size: float, seed: str = "room") -> Floats:
    """Impulse response `[2, frames]` of a made-up room, unit energy on each side.

    Decays by 60 dB in `reverb_seconds` at 500 Hz, faster above (air and walls), a little slower below; no bass under
    some 150 Hz, so that kick and bass stay dry. The first frames rise over 15 ms, as in a room with diffusers.
    """
    rt60_s = reverb_seconds(size)
    count = frames(min(1.25 * rt60_s, 8.0))
    before = frames(0.004 + 0.018 * size)

    def gain(bins_hz: Floats, times_s: Floats) -> Floats:
        octaves = np.log2(np.maximum(bins_hz, np.float32(40.0)) / np.float32(500.0))
        slower = np.float32(rt60_s) * np.clip(np.float32(1.0) - np.float32(0.16) * octaves, 0.25, 1.15)
        colour = 1.0 / (1.0 + (np.float32(170.0) / np.maximum(bins_hz, np.float32(1.0))) ** 4)
        colour = colour / np.sqrt(1.0 + (bins_hz / np.float32(9_000.0)) ** 4)
        return single(np.exp(np.float32(-6.9078) * times_s / slower) * colour)

    sides = [shaped_noise(count, gain, randomness(seed, side)) for side in range(2)]
    rise = np.minimum(np.arange(count) / frames(0.015), 1.0).astype(np.float32)
    fade = np.minimum((count - np.arange(count)) / (0.1 * count), 1.0).astype(np.float32)
    answer = np.zeros((2, before + count), np.float32)
    answer[:, before:] = np.stack(sides) * (rise * fade)
    energy = np.sqrt(np.sum(answer.astype(np.float64) ** 2, axis=1, keepdims=True))
    return single(answer / energy)


class Convolver:
    """Convolves mono stretches of at most `block` frames with a stereo room. The answer is `block + tail` long."""

    def __init__(self, answer: Floats, block: int) -> None:
        self.tail = answer.shape[1] - 1
        self._size = fft.next_fast_len(block + self.tail, real=True)
        self._spectra: NDArray[np.complex64] = fft.rfft(answer, self._size, axis=1).astype(np.complex64)

    def __call__(self, stretch: Floats) -> Floats:
        """Wet sound `[2, len(stretch) + tail]`."""
        heard = fft.rfft(stretch, self._size)
        wet = np.empty((2, len(stretch) + self.tail), np.float32)
        for side, spectrum in zip(wet, self._spectra, strict=True):
            side[:] = fft.irfft(heard * spectrum, self._size, overwrite_x=True)[: len(side)]
        return wet


_KICKS = (35, 36)
_DOWN_S = 0.006
_UP_S = 0.22


def _dip() -> Floats:
    """Depth over time of one stroke: down within 6 ms, back up on a raised cosine."""
    down = 0.5 - 0.5 * np.cos(np.pi * np.arange(frames(_DOWN_S)) / frames(_DOWN_S))
    up = 0.5 + 0.5 * np.cos(np.pi * np.arange(frames(_UP_S)) / frames(_UP_S))
    return np.concatenate([down, up]).astype(np.float32)


@dataclass(frozen=True)
class Ducking:
    """Strokes of the kick as (frame, level), in order, on one pass."""

    strokes: tuple[tuple[int, float], ...]
    depth: float
    clock: Clock
    dip: Floats

    @classmethod
    def of(cls, tracks: list[Track], clock: Clock, depth: float) -> Ducking:
        """Collects the kicks of all drum parts."""
        strokes = sorted(
            (event.start, min(1.0, event.level))
            for track in tracks
            if isinstance(track.patch.instrument, Kit)
            for event in track.events
            if event.key.pitch in _KICKS
        )
        return cls(tuple(strokes), depth if strokes else 0.0, clock, _dip())

    def gain(self, first: int, end: int, share: float) -> Floats:
        """Gain of each frame from `first` to `end`; `share` is how much of the depth a patch takes."""
        pushed = np.zeros(end - first, np.float32)
        period = self.clock.loop_frames
        turns = range((first - len(self.dip)) // period, (end - 1) // period + 1) if self.clock.loops else (0,)
        for turn in turns:
            low = bisect_left(self.strokes, (first - len(self.dip) - turn * period, 0.0))
            high = bisect_left(self.strokes, (end - turn * period, 0.0))
            for frame, level in self.strokes[low:high]:
                self._push(pushed, frame + turn * period - first, level)
        return np.float32(1.0) - np.float32(self.depth * share) * pushed

    def _push(self, pushed: Floats, start: int, level: float) -> None:
        low, stop = max(start, 0), min(start + len(self.dip), len(pushed))
        if stop > low:
            dip = self.dip[low - start : stop - start] * np.float32(level)
            np.maximum(pushed[low:stop], dip, out=pushed[low:stop])
