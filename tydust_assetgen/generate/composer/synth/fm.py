"""Plays one note of an FM patch."""

from __future__ import annotations

import numpy as np

from tydust_assetgen.generate.composer.synth.patches import Fm, Operator
from tydust_assetgen.generate.composer.synth.signal import (
    SAMPLE_RATE_HZ,
    Floats,
    hertz,
    seconds,
    single,
)

_CEILING_HZ = 17_000.0


def play(patch: Fm, pitch: int, count: int, opened: float) -> Floats:
    """`count` frames of a held note, before its amplifier. `opened` in octaves
    multiplies the modulation index, which is the brightness of FM."""
    time_s = seconds(count)
    sides = [_side(patch, hertz(pitch), time_s, opened, cents) for cents in (-0.5, 0.5)]
    return np.stack(sides)


def _side(patch: Fm, base_hz: float, time_s: Floats, opened: float, side: float) -> Floats:
    detuned_hz = base_hz * 2.0 ** (side * patch.detune_cents / 1200.0)
    waves = [_wave(operator, detuned_hz, time_s) for operator in patch.operators]
    sound = np.zeros_like(time_s)
    for ratio, level in patch.carriers:
        if detuned_hz * ratio < _CEILING_HZ:
            angle = _turns(detuned_hz * ratio, len(time_s))
            for operator, wave in zip(patch.operators, waves, strict=True):
                angle += wave * np.float32(_depth(operator, detuned_hz, ratio, opened))
            sound += np.sin(angle, out=angle) * np.float32(level)
    return sound


def _wave(operator: Operator, base_hz: float, time_s: Floats) -> Floats:
    """A modulator at an index of 1: all carriers share it."""
    fall = np.float32(operator.sustain) + np.float32(1.0 - operator.sustain) * np.exp(
        time_s * np.float32(-3.0 / operator.decay_s)
    )
    return single(fall * np.sin(_turns(base_hz * operator.ratio, len(time_s))))


def _turns(frequency_hz: float, count: int) -> Floats:
    """Angle of each frame in radians, -pi to pi; the phase wraps in 32 bits, so that it stays exact in float32."""
    step = np.uint32(round(frequency_hz / SAMPLE_RATE_HZ * 2.0**32) % 2**32)
    phase = (np.arange(count, dtype=np.uint32) * step).view(np.int32)
    return phase.astype(np.float32) * np.float32(np.pi * 2.0**-31)


def _depth(operator: Operator, base_hz: float, ratio: float, opened: float) -> float:
    """The index, held where Carson's rule (bandwidth about 2 (index + 1) modulator) stays under the ceiling."""
    highest = (_CEILING_HZ - base_hz * ratio) / (base_hz * operator.ratio) - 1.0
    return float(max(0.0, min(operator.index * 2.0**opened, highest)))
