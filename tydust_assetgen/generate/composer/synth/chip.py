"""The 8-bit chip: pulse, stepped triangle and shift-register noise, after the 2A03 of the NES.

Sound is float32 `[1, frames]`. The waves are the chip's own, band-limited
to the rate we deliver (the chip itself runs at 1.79 MHz). Sources: nesdev wiki, "APU Pulse", "APU Triangle", "APU
Noise", "APU Envelope".
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.generate.composer.synth.oscillator import BLOCK, Tone, steady
from tydust_assetgen.generate.composer.synth.patches import Chip
from tydust_assetgen.generate.composer.synth.signal import (
    SAMPLE_RATE_HZ,
    Adsr,
    Doubles,
    Floats,
    frames,
    hertz,
    seconds,
)

CPU_HZ = 1_789_773.0
NOISE_PERIODS = (4, 8, 16, 32, 64, 96, 128, 160, 202, 254, 380, 508, 762, 1016, 2034, 4068)
"""CPU cycles per step of the noise channel, NTSC."""
_ENVELOPE_HZ = 240.0
"""The frame counter's quarter frames, at which a volume may change."""


def play(patch: Chip, pitch: int, gate_s: float) -> Floats:
    """One note of a tonal channel, its volume in 16 steps that last 1/240 s each."""
    count = frames(gate_s + patch.amp.release_s)
    tone = tonal(patch.wave, np.full(-(-count // BLOCK), hertz(pitch)))[:count]
    return (tone * volume(patch.amp, count, gate_s))[None, :]


def tonal(wave: str, frequency_hz: Doubles) -> Floats:
    """A bare wave whose frequency is given for each block of 64 frames."""
    return steady(Tone(wave, 2), frequency_hz, 0.0)


def volume(amp: Adsr, count: int, gate_s: float) -> Floats:
    """The envelope in 16 steps, each smoothed over 2 ms so that it ticks as the chip does but does not click."""
    ticks = -(-count * int(_ENVELOPE_HZ) // SAMPLE_RATE_HZ) + 2
    levels = np.rint(amp.at((np.arange(ticks) / _ENVELOPE_HZ).astype(np.float32), gate_s) * 15.0) / 15.0
    position = seconds(count) * np.float32(_ENVELOPE_HZ)
    index = position.astype(np.int64)
    ramp = np.clip((position - index) * np.float32(2.0), 0.0, 1.0)
    before = np.concatenate([[0.0], levels])[index]
    level: Floats = (before + ramp * (levels[index] - before)).astype(np.float32)
    tail = min(count, 96)
    level[count - tail :] *= np.linspace(1.0, 0.0, tail, dtype=np.float32)
    return level


@lru_cache(maxsize=1)
def register_bits() -> NDArray[np.int8]:
    """One whole period, 32767 steps, of the 15-bit shift register in its long mode (feedback of bits 0 and 1)."""
    register, bits = 1, np.empty(32_767, np.int8)
    for step in range(len(bits)):
        bits[step] = register & 1
        feedback = (register ^ (register >> 1)) & 1
        register = (register >> 1) | (feedback << 14)
    return bits


def noise(period: int, count: int) -> Floats:
    """The noise channel at one of its periods, each frame the mean of the steps it covers (an exact boxcar)."""
    bits = register_bits() * 2.0 - 1.0
    bits -= np.mean(bits)
    total = np.concatenate([[0.0], np.cumsum(bits)])
    steps = np.arange(count + 1) * (CPU_HZ / NOISE_PERIODS[period] / SAMPLE_RATE_HZ)
    whole = np.floor(steps).astype(np.int64)
    inside = np.mod(whole, 32_767)
    # The sum over a whole period is zero, so the integral is periodic as well.
    integral = total[inside] + (steps - whole) * bits[inside]
    level: Floats = (np.diff(integral) / (steps[1] - steps[0])).astype(np.float32)
    return level


_CHIP_DRUMS: dict[int, tuple[int, float, float, float]] = {
    # key: noise period, noise decay in s, noise level, drop of the triangle in Hz at the start
    36: (13, 0.06, 0.45, 320.0),
    38: (7, 0.16, 1.0, 420.0),
    39: (8, 0.10, 0.9, 0.0),
    42: (3, 0.035, 0.55, 0.0),
    46: (3, 0.20, 0.5, 0.0),
    49: (5, 0.70, 0.8, 0.0),
    51: (4, 0.25, 0.4, 0.0),
    41: (12, 0.05, 0.25, 240.0),
    45: (12, 0.05, 0.25, 330.0),
    48: (11, 0.05, 0.25, 430.0),
    37: (9, 0.03, 0.8, 0.0),
    54: (2, 0.06, 0.5, 0.0),
    56: (6, 0.05, 0.6, 700.0),
    70: (2, 0.03, 0.45, 0.0),
}
CHIP_KEYS = tuple(_CHIP_DRUMS)


def drum(key: int) -> Floats:
    """A drum as 8-bit composers make it: a burst of noise, and for kick, snare and toms a falling triangle."""
    period, decay_s, level, drop_hz = _CHIP_DRUMS[key]
    count = frames(max(decay_s * 1.6, 0.22 if drop_hz else 0.0))
    burst = noise(period, count) * volume(Adsr(0.001, decay_s, 0.0, 0.02), count, decay_s * 1.4)
    sound = burst * np.float32(level)
    if drop_hz:
        times_s = np.arange(-(-count // BLOCK)) * (BLOCK / SAMPLE_RATE_HZ)
        fall = tonal("steps", drop_hz * (0.16 + 0.84 * np.exp(-times_s / 0.045)))[:count]
        sound = sound + fall * volume(Adsr(0.001, 0.2, 0.0, 0.03), count, 0.17)
    return sound[None, :]
