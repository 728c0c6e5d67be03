"""The drum machines: plays a General MIDI key of a kit as float32 `[2, frames]`.

Kick: a sine that falls in pitch, with a click. Snare: two membrane modes, noise and, for the eighties, a gated
reverb. Hats and cymbals: six squares that agree on nothing (as in the TR-808) through a high-pass, with noise. Metal
hits: ring modulation and FM of ratios that are no whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tydust_assetgen.generate.composer.synth.oscillator import BLOCK, Tone, steady
from tydust_assetgen.generate.composer.synth.patches import Kick, Kit
from tydust_assetgen.generate.composer.synth.signal import (
    SAMPLE_RATE_HZ,
    Floats,
    faded,
    frames,
    randomness,
    seconds,
    single,
    steady_noise,
)

VARIANTS = 4
"""Takes of each noisy drum, played in turn, so that a roll does not sound like a machine gun."""
_STEADY = frozenset({36})
_SQUARES_HZ = (263.0, 400.0, 421.0, 474.0, 587.0, 845.0)
"""The six oscillators of a cymbal, near those of the TR-808 and scaled up at will."""

Sound = Callable[[Kit, float, np.random.Generator], Floats]


_KIN = {35: 36, 40: 38, 43: 45, 44: 42, 47: 45, 50: 48, 52: 49, 55: 49, 57: 49, 53: 51, 59: 51}
"""Keys of the same family: the second kick, snare and crash, the pedal hat, toms between ours, bell and china."""


def nearest(key: int) -> int:
    """The drum that is played for a key: itself, its kin, or the nearest one that there is, the lower of two."""
    kin = _KIN.get(key, key)
    return min(_DRUMS, key=lambda known: (abs(known - kin), known))


def variants(key: int) -> int:
    """How many takes there are of a drum."""
    return 1 if nearest(key) in _STEADY else VARIANTS


def play(kit: Kit, key: int, opened: float, variant: int, choked_frames: int = 0) -> Floats:
    """One stroke. `opened` is in octaves: a harder stroke is brighter. A choke above 0 cuts it short."""
    random = randomness("drum", nearest(key), variant)
    sound = _DRUMS[nearest(key)](kit, opened, random)
    if kit.drive:
        gain = 1.0 + 5.0 * kit.drive
        sound = np.tanh(sound * np.float32(gain)) * np.float32(1.0 / np.tanh(gain) * (1.0 - 0.4 * kit.drive))
    if 0 < choked_frames < sound.shape[1]:
        sound = faded(sound[:, : choked_frames + frames(0.012)], 0.0, 0.012)
    return faded(sound, 0.0005, 0.004)


def _falling(time_s: Floats, decay_s: float) -> Floats:
    """Exponential decay by 60 dB in `decay_s`."""
    level: Floats = np.exp(time_s * np.float32(-6.908 / decay_s))
    return level


def _swept_sine(time_s: Floats, base_hz: float, sweep_hz: float, sweep_s: float) -> Floats:
    """A sine whose frequency falls by `sweep_hz` to `base_hz`; the phase is the exact integral."""
    t = time_s.astype(np.float64)
    turns = base_hz * t + sweep_hz * sweep_s * (1.0 - np.exp(-t / sweep_s))
    return np.sin(2.0 * np.pi * turns).astype(np.float32)


def band(low_hz: float, high_hz: float, slope: float = 4.0) -> Callable[[Floats, Floats], Floats]:
    """A steady band-pass for `steady_noise`, with Butterworth-like flanks."""

    def gain(bins_hz: Floats, _times_s: Floats) -> Floats:
        safe = np.maximum(bins_hz, np.float32(1.0))
        under = 1.0 / np.sqrt(1.0 + (low_hz / safe) ** slope)
        over = 1.0 / np.sqrt(1.0 + (safe / high_hz) ** slope)
        flanked: Floats = (under * over).astype(np.float32)
        return flanked

    return gain


def _stereo(mono: Floats) -> Floats:
    return np.stack([mono, mono])


def _noise(count: int, low_hz: float, high_hz: float, width: float, random: np.random.Generator) -> Floats:
    """Band-passed noise `[2, count]`, `width` of it different on both sides."""
    shape = band(low_hz, high_hz)
    middle, side = (steady_noise(count, shape, random) for _ in range(2))
    a, b = np.float32(np.sqrt(1.0 - 0.5 * width)), np.float32(np.sqrt(0.5 * width))
    return np.stack([a * middle + b * side, a * middle - b * side])


def _kick(kit: Kit, opened: float, random: np.random.Generator) -> Floats:
    kick: Kick = kit.kick
    time_s = seconds(frames(kick.decay_s * 1.3))
    body = _swept_sine(time_s, kick.pitch_hz, kick.sweep_hz, kick.sweep_s)
    body *= _falling(time_s, kick.decay_s * 1.25) * np.minimum(time_s / np.float32(0.0015), np.float32(1.0))
    if kick.drive:
        body = np.tanh(body * np.float32(1.0 + 3.0 * kick.drive)) / np.float32(np.tanh(1.0 + 3.0 * kick.drive))
    click = steady_noise(len(time_s), band(1_500.0, 5_000.0 * 2.0**opened), random) * _falling(time_s, 0.02)
    return _stereo(body * np.float32(0.9) + click * np.float32(0.5 * kick.click * 2.0 ** (0.5 * opened)))


def _snare(kit: Kit, opened: float, random: np.random.Generator) -> Floats:
    snare = kit.snare
    time_s = seconds(frames(max(snare.decay_s * 1.6, snare.gate_s + 0.08)))
    tone = _swept_sine(time_s, snare.tone_hz, 0.5 * snare.tone_hz, 0.012) * _falling(time_s, 0.13)
    tone += np.float32(0.6) * _swept_sine(time_s, snare.tone_hz * 1.78, 60.0, 0.01) * _falling(time_s, 0.09)
    rattle = _noise(len(time_s), 900.0, snare.bright_hz * 2.0 ** (0.5 * opened), 0.35, random)
    rattle *= _falling(time_s, snare.decay_s * 1.5) + np.float32(0.7) * _falling(time_s, 0.03)
    sound = _stereo(tone * np.float32(snare.tone)) + rattle * np.float32(0.55 * (1.0 - 0.4 * kit.soft))
    if snare.gate:
        sound += _gated(time_s, snare.gate_s, random) * np.float32(snare.gate)
    return sound


def _gated(time_s: Floats, gate_s: float, random: np.random.Generator) -> Floats:
    """The gated reverb: a dense, wide burst that hardly decays and is shut within 40 ms."""
    burst = _noise(len(time_s), 350.0, 5_200.0, 0.9, random)
    build = np.minimum(time_s / np.float32(0.012), np.float32(1.0))
    shut = np.clip((np.float32(gate_s + 0.04) - time_s) / np.float32(0.04), 0.0, 1.0)
    return single(burst * (build * shut * shut * np.exp(time_s * np.float32(-1.2 / gate_s))))


def _clap(kit: Kit, opened: float, random: np.random.Generator) -> Floats:
    time_s = seconds(frames(0.32))
    level = np.float32(0.9) * _late(time_s, 0.033, 0.24)
    for hand in range(3):
        level += _late(time_s, 0.011 * hand + 0.001 * random.random(), 0.022)
    burst = _noise(len(time_s), 850.0, 3_800.0 * 2.0 ** (0.4 * opened), 0.6, random)
    return burst * level * np.float32(0.75 - 0.25 * kit.soft)


def _late(time_s: Floats, start_s: float, decay_s: float) -> Floats:
    """A decay that starts later, with a rise of 1 ms."""
    since = time_s - np.float32(start_s)
    rise = np.clip(since / np.float32(0.001), 0.0, 1.0)
    return single(rise * _falling(np.maximum(since, np.float32(0.0)), decay_s))


def _metal(count: int, scale: float, random: np.random.Generator) -> Floats:
    """The six squares, mono, each with its own random phase."""
    total = np.zeros(-(-count // BLOCK) * BLOCK, np.float32)
    for square_hz in _SQUARES_HZ:
        frequency = np.full(len(total) // BLOCK, square_hz * scale)
        total += steady(Tone("square", 2), frequency, random.random())
    return total[:count] * np.float32(1.0 / np.sqrt(6.0))


def _cymbal(decay_s: float, low: float, level: float, width: float, ping: float = 0.0) -> Sound:
    """Makes the voice of a hat or cymbal; `low` is where its high-pass sits, against the kit's brightness."""

    def voice(kit: Kit, opened: float, random: np.random.Generator) -> Floats:
        length_s = decay_s if decay_s else kit.hat_decay_s
        time_s = seconds(frames(length_s * 1.15))
        bright_hz = kit.hat_bright_hz * low
        ring = _highpassed(_metal(len(time_s), 2.0 * kit.hat_bright_hz / 9_000.0, random), bright_hz)
        hiss = _noise(len(time_s), bright_hz, 13_000.0 * 2.0 ** (0.3 * opened), width, random)
        sound = _stereo(ring) * np.float32(1.6 * kit.metal) + hiss * np.float32(1.0 - kit.metal)
        if ping:
            bell = _swept_sine(time_s, 3_130.0, 0.0, 1.0) + _swept_sine(time_s, 4_730.0, 0.0, 1.0)
            sound += _stereo(bell * np.float32(ping) * _falling(time_s, 0.5 * length_s))
        edge = np.minimum(time_s / np.float32(0.001 + 0.004 * kit.soft), np.float32(1.0))
        return single(sound * _falling(time_s, length_s) * edge * np.float32(level * (1.0 - 0.3 * kit.soft)))

    return voice


def _highpassed(sound: Floats, low_hz: float) -> Floats:
    """High-pass of 24 dB per octave by the transform of the whole (padded, so that nothing wraps)."""
    from scipy import fft

    size = fft.next_fast_len(len(sound) + 2048, real=True)
    bins_hz = fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ)
    ratio = 1j * bins_hz / low_hz
    gain = (ratio**4 / (1.0 + ratio) ** 4).astype(np.complex64)
    passed: Floats = fft.irfft(fft.rfft(sound, size) * gain, size)[: len(sound)].astype(np.float32)
    return passed


def _tom(pitch_hz: float) -> Sound:
    def voice(kit: Kit, opened: float, random: np.random.Generator) -> Floats:
        time_s = seconds(frames(0.55))
        body = _swept_sine(time_s, pitch_hz, pitch_hz * 0.7, 0.06) * _falling(time_s, 0.5)
        skin = _noise(len(time_s), 300.0, 2_500.0 * 2.0**opened, 0.5, random) * _falling(time_s, 0.09)
        return _stereo(body * np.float32(0.85)) + skin * np.float32(0.25 - 0.1 * kit.soft)

    return voice


def _rim(kit: Kit, opened: float, random: np.random.Generator) -> Floats:
    time_s = seconds(frames(0.09))
    knock = _swept_sine(time_s, 1_667.0, 0.0, 1.0) + np.float32(0.8) * _swept_sine(time_s, 480.0, 0.0, 1.0)
    click = _noise(len(time_s), 2_000.0, 8_000.0 * 2.0**opened, 0.2, random) * _falling(time_s, 0.015)
    return _stereo(knock * np.float32(0.4) * _falling(time_s, 0.05)) + click * np.float32(0.35 - 0.15 * kit.soft)


def _metal_hit(_kit: Kit, opened: float, random: np.random.Generator) -> Floats:
    """Struck steel: two FM pairs with ratios of no kinship, ring-modulated, and a scrape of noise."""
    time_s = seconds(frames(0.75))
    sound = np.zeros((2, len(time_s)), np.float32)
    for side in range(2):
        base_hz = 311.0 * (1.0 + 0.02 * random.standard_normal())
        bender = np.sin(np.float32(2 * np.pi * base_hz * 3.517) * time_s) * _falling(time_s, 0.4)
        struck = np.sin(np.float32(2 * np.pi * base_hz * 1.414) * time_s + np.float32(2.2 * 2.0**opened) * bender)
        ring = np.sin(np.float32(2 * np.pi * base_hz * 5.19) * time_s)
        sound[side] = struck * (np.float32(0.6) + np.float32(0.4) * ring) * _falling(time_s, 0.6)
    scrape = _noise(len(time_s), 2_200.0, 9_000.0, 0.7, random) * _falling(time_s, 0.12)
    edge = np.minimum(time_s / np.float32(0.001), np.float32(1.0))
    return single((sound * np.float32(0.5) + scrape * np.float32(0.35)) * edge)


def _shaker(_kit: Kit, opened: float, random: np.random.Generator) -> Floats:
    time_s = seconds(frames(0.11))
    grains = _noise(len(time_s), 5_500.0, 12_000.0 * 2.0 ** (0.3 * opened), 0.4, random)
    swing = np.minimum(time_s / np.float32(0.025), np.float32(1.0)) ** 2
    return single(
        grains * swing * _falling(np.maximum(time_s - np.float32(0.025), np.float32(0.0)), 0.08) * np.float32(0.5)
    )


_DRUMS: dict[int, Sound] = {
    36: _kick,
    37: _rim,
    38: _snare,
    39: _clap,
    41: _tom(82.0),
    42: _cymbal(0.0, 0.72, 1.0, 0.3),
    45: _tom(118.0),
    46: _cymbal(0.42, 0.68, 0.65, 0.4),
    48: _tom(165.0),
    49: _cymbal(1.9, 0.38, 0.5, 0.9),
    51: _cymbal(1.1, 0.55, 0.42, 0.5, ping=0.12),
    54: _cymbal(0.16, 0.6, 0.4, 0.5, ping=0.1),
    56: _metal_hit,
    70: _shaker,
}
KEYS = tuple(_DRUMS)
