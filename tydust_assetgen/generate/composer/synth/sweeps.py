"""Long gestures: the riser before a new section, the impact on its first beat, the sweep of noise, the drone.

Sound is float32 `[2, frames]`.
"""

from __future__ import annotations

import numpy as np

from tydust_assetgen.generate.composer.synth.signal import (
    Floats,
    faded,
    frames,
    hertz,
    randomness,
    seconds,
    shaped_noise,
    single,
)

RING_S = {"riser": 0.25, "impact": 2.8, "noise_sweep": 0.6}
"""How long each rings after its key is let go."""
_LONGEST_S = 30.0


def play(kind: str, pitch: int, gate_s: float, seed: str) -> Floats:
    """One gesture. A riser grows until the key is let go; an impact starts at its loudest."""
    gate_s = min(max(gate_s, 0.05), _LONGEST_S)
    makers = {"riser": _riser, "impact": _impact, "noise_sweep": _sweep}
    return faded(makers[kind](pitch, gate_s, seed), 0.004, 0.02)


def _wide(count: int, centre_hz: Floats, hop_s: float, octaves: float, seed: str) -> Floats:
    """Noise `[2, count]` through a band-pass whose centre follows a curve, one value per `hop_s` seconds."""

    def gain(bins_hz: Floats, times_s: Floats) -> Floats:
        at = np.clip((times_s / hop_s).astype(np.int64), 0, len(centre_hz) - 1)
        apart = np.log2(np.maximum(bins_hz, np.float32(20.0)) / centre_hz[at]) / np.float32(octaves)
        return single(np.exp(np.float32(-0.5) * apart * apart) * np.sqrt(np.float32(4_000.0) / centre_hz[at]))

    return np.stack([shaped_noise(count, gain, randomness("gesture", seed, side)) for side in range(2)])


def _riser(pitch: int, gate_s: float, seed: str) -> Floats:
    count = frames(gate_s + RING_S["riser"])
    time_s = seconds(count)
    risen = np.clip(time_s / np.float32(gate_s), 0.0, 1.0)
    centre_hz = (250.0 * 32.0 ** np.linspace(0.0, 1.0, 512)).astype(np.float32)
    noise = _wide(count, centre_hz, gate_s / 512, 0.8, seed)
    level = risen**2 * np.clip((np.float32(gate_s + 0.2) - time_s) / np.float32(0.2), 0.0, 1.0) ** 2
    turns = np.cumsum(hertz(pitch) * 2.0 ** (2.0 * risen.astype(np.float64)) / 44_100.0)
    tone = np.stack([np.sin(2 * np.pi * np.mod(turns * cents, 1.0)) for cents in (0.996, 1.004)])
    return single((noise * np.float32(0.5) + tone.astype(np.float32) * np.float32(0.12)) * level)


def _impact(_pitch: int, gate_s: float, seed: str) -> Floats:
    count = frames(min(gate_s, 1.0) + RING_S["impact"])
    time_s = seconds(count)
    fall = 2.0 * np.pi * (38.0 * time_s + 60.0 * 0.09 * (1.0 - np.exp(-time_s / np.float32(0.09))))
    boom = np.sin(fall) * np.exp(time_s * np.float32(-3.0))
    centre_hz = (2_600.0 * 0.06 ** np.linspace(0.0, 1.0, 256) ** 0.5).astype(np.float32)
    wash = _wide(count, centre_hz, time_s[-1] / 256, 1.0, seed) * np.exp(time_s * np.float32(-2.2))
    ended = np.clip((time_s[-1] - time_s) / np.float32(0.8), 0.0, 1.0)
    return single((wash * np.float32(0.35) + boom * np.float32(0.7)) * ended)


def _sweep(_pitch: int, gate_s: float, seed: str) -> Floats:
    count = frames(gate_s + RING_S["noise_sweep"])
    time_s = seconds(count)
    across = np.linspace(0.0, 1.0, 512)
    centre_hz = (400.0 * 16.0 ** np.sin(np.pi * across)).astype(np.float32)
    level = np.sin(np.pi * np.clip(time_s / time_s[-1], 0.0, 1.0)) ** 2
    return single(_wide(count, centre_hz, time_s[-1] / 512, 0.7, seed) * level.astype(np.float32) * np.float32(0.45))
