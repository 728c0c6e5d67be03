"""Plays one note of a subtractive patch: unison oscillators, moving low-pass, amplifier, overdrive.

In walk the patch, a pitch, how long the key is held and how far the filter is opened; out walks the note,
float32 `[1 or 2, frames]`, release included.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.signal import firwin, upfirdn

from tydust_assetgen.generate.composer.synth.instruments import Filter, Oscillator, Subtractive
from tydust_assetgen.generate.composer.synth.oscillator import (
    BLOCK,
    Tone,
    bank,
    phases,
    read,
    step_of,
    widened,
)
from tydust_assetgen.generate.composer.synth.signal import (
    SAMPLE_RATE_HZ,
    Doubles,
    Floats,
    Ints,
    double,
    hertz,
    randomness,
    seconds,
)

OVERSAMPLING = 4
_MIDDLE_C_HZ = hertz(60)


def play(patch: Subtractive, pitch: int, gate_s: float, opened: float, seed: str) -> Floats:
    """One note. `opened` is in octaves of cutoff; `seed` decides the phases of the unison and the breath."""
    over = OVERSAMPLING if patch.drive else 1
    rate_hz = float(SAMPLE_RATE_HZ * over)
    count = round((gate_s + patch.amp.release_s) * rate_hz)
    blocks = -(-count // BLOCK)
    edges_s = (np.arange(blocks + 1) * (BLOCK / rate_hz)).astype(np.float32)
    steps = _cutoffs(patch.filter, pitch, edges_s, gate_s, opened)
    bend = _bend(patch, edges_s[:-1])
    random = randomness("phases", seed, pitch)
    sides = [np.zeros((blocks, BLOCK), np.float32) for _ in range(_channels(patch))]
    for oscillator in patch.oscillators:
        _add_unison(sides, patch, oscillator, pitch, bend, steps, rate_hz, random)
    sound = np.stack([side.reshape(-1)[:count] for side in sides])
    if patch.breath:
        sound += np.float32(patch.breath) * _breath(sound.shape[1], len(sides), pitch)
    if patch.drive:
        sound = _driven(sound, patch.drive)
    return sound * patch.amp.at(seconds(sound.shape[1]), gate_s)


def _channels(patch: Subtractive) -> int:
    return 2 if any(oscillator.spread for oscillator in patch.oscillators) else 1


def _cutoffs(low_pass: Filter, pitch: int, edges_s: Floats, gate_s: float, opened: float) -> Ints:
    octaves = low_pass.sweep_octaves * low_pass.envelope.at(edges_s, gate_s)
    if low_pass.lfo_octaves:
        octaves = octaves + low_pass.lfo_octaves * np.sin(2 * np.pi * low_pass.lfo_hz * edges_s)
    tracked = low_pass.cutoff_hz * (hertz(pitch) / _MIDDLE_C_HZ) ** low_pass.keytrack * 2.0**opened
    return step_of(np.clip(tracked * np.exp2(octaves), 30.0, 24_000.0).astype(np.float32))


def _bend(patch: Subtractive, times_s: Floats) -> Doubles:
    """Factor on the frequency per block: the scoop at the start and the delayed vibrato."""
    cents = np.zeros(len(times_s))
    if patch.scoop_cents:
        cents -= patch.scoop_cents * np.exp(-times_s / 0.012)
    if patch.vibrato_cents:
        depth = np.clip((times_s - patch.vibrato_after_s) / 0.5, 0.0, 1.0)
        cents += patch.vibrato_cents * depth * np.sin(2 * np.pi * patch.vibrato_hz * times_s)
    return np.exp2(cents / 1200.0)


def detunes(voices: int) -> list[float]:
    """Places of a unison's voices, -1 to 1, symmetric in pitch and a little uneven, so that no beat is regular."""
    if voices == 1:
        return [0.0]
    outer = [((i + 1) / (voices // 2)) ** 1.15 for i in range(voices // 2)]
    return ([0.0] if voices % 2 else []) + [sign * place for place in outer for sign in (1.0, -1.0)]


def _pans(voices: int) -> list[float]:
    """Places between the speakers: neighbours in pitch stand on opposite sides, and the sum is balanced."""
    if voices == 1:
        return [0.0]
    outer = [side * (1.0 - 0.35 * (i % 2)) for i in range(voices // 2) for side in (1.0, -1.0)]
    return ([0.0] if voices % 2 else []) + outer


def _add_unison(
    sides: list[Floats],
    patch: Subtractive,
    oscillator: Oscillator,
    pitch: int,
    bend: Doubles,
    steps: Ints,
    rate_hz: float,
    random: np.random.Generator,
) -> None:
    base_hz = hertz(pitch + oscillator.semitones)
    wave = "saw" if oscillator.width else oscillator.wave
    low_pass = patch.filter
    tone = Tone(wave, low_pass.poles, low_pass.resonance, oscillator.low_cut_hz, patch.formants)
    # Overdrive makes new harmonics: leave them room. Vibrato and detune may go up by 2 %.
    ceiling_hz = 9_000.0 if patch.drive else 18_000.0
    source = bank(tone, base_hz * 1.02 if oscillator.detune_cents or patch.vibrato_cents else base_hz, ceiling_hz)
    places, pans = detunes(oscillator.voices), _pans(oscillator.voices)
    level = oscillator.level / np.sqrt(oscillator.voices)
    for place, pan in zip(places, pans, strict=True):
        detuned_hz = base_hz * 2.0 ** (place * oscillator.detune_cents / 1200.0)
        start = random.random() if oscillator.voices > 1 else 0.0
        phase = phases(detuned_hz * bend, start, rate_hz)
        sound = read(source, phase, steps)
        if oscillator.width:
            sound -= read(source, widened(phase, _widths(oscillator, len(bend), rate_hz)), steps)
        _pan(sides, sound, level, pan * oscillator.spread)


def _widths(oscillator: Oscillator, blocks: int, rate_hz: float) -> Doubles:
    """Pulse width in turns at the edges of the blocks."""
    edges_s = np.arange(blocks + 1) * (BLOCK / rate_hz)
    return double(oscillator.width + oscillator.pwm * np.sin(2 * np.pi * oscillator.pwm_hz * edges_s))


def _pan(sides: list[Floats], sound: Floats, level: float, pan: float) -> None:
    if len(sides) == 1:
        sides[0] += sound * np.float32(level)
        return
    angle = (pan + 1.0) * np.pi / 4.0
    sides[0] += sound * np.float32(level * np.cos(angle))
    sides[1] += sound * np.float32(level * np.sin(angle))


_AIR_FRAMES = 1 << 17


@lru_cache(maxsize=1)
def _air() -> Floats:
    """Three seconds of breath `[2, frames]` that close on themselves: noise around 3 kHz, different on both sides."""
    white = np.stack([randomness("air", side).standard_normal(_AIR_FRAMES, dtype=np.float32) for side in range(2)])
    bins_hz = fft.rfftfreq(_AIR_FRAMES, 1.0 / SAMPLE_RATE_HZ)
    octaves = np.log2(np.maximum(bins_hz, 20.0) / 3_000.0) / 1.1
    blown: Floats = fft.irfft(fft.rfft(white, axis=1) * np.exp(-0.5 * octaves**2).astype(np.float32), _AIR_FRAMES)
    return (blown / np.std(blown)).astype(np.float32)


def _breath(count: int, channels: int, pitch: int) -> Floats:
    """A piece of that air, another one for each pitch."""
    return _air()[:channels].take(np.arange(pitch * 997, pitch * 997 + count) % _AIR_FRAMES, axis=1)


_DECIMATOR = (firwin(96 * 2 + 1, 0.88 / OVERSAMPLING, window=("kaiser", 9.0))).astype(np.float32)


def _driven(sound: Floats, drive: float) -> Floats:
    """Overdrive at four times the rate, then back. Each kind of loudness comes out alike."""
    gain = np.float32(1.0 + 11.0 * drive)
    bent = np.tanh(sound * gain) * np.float32(1.0 / np.tanh(float(gain)) * (1.0 - 0.35 * drive))
    half = len(_DECIMATOR) // 2
    down = upfirdn(_DECIMATOR, bent, 1, OVERSAMPLING, axis=1)
    start = half // OVERSAMPLING
    length = sound.shape[1] // OVERSAMPLING
    result: Floats = down[:, start : start + length].astype(np.float32)
    return result
