"""The sound of a subtractive patch before its amplifier: unison oscillators, moving low-pass, overdrive.

Sound is float32 `[1 or 2, frames]`. The
filter's envelope does not follow the release of the key (the amplifier closes anyway), so one sound serves notes of any
length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft

from tydust_assetgen.generate.composer.synth import tape_loops
from tydust_assetgen.generate.composer.synth.oscillator import (
    CEILING_HZ,
    Course,
    Phase,
    Tone,
    bank,
    course,
    phase_of,
    read,
)
from tydust_assetgen.generate.composer.synth.patches import Filter, Oscillator, Subtractive
from tydust_assetgen.generate.composer.synth.signal import (
    SAMPLE_RATE_HZ,
    Doubles,
    Floats,
    Ints,
    double,
    hertz,
    randomness,
    resampled,
)

OVERSAMPLING = 4
_QUICK, _SLOW = 64, 512
"""Frames per block. A slow filter takes longer fades between its tables: fewer of them, and no zipper."""
_CHUNK = 1 << 15
"""Frames that are made at once, so that all arrays stay in the processor's cache."""
_MIDDLE_C_HZ = hertz(60)


@dataclass(frozen=True)
class Time:
    """The blocks of one note."""

    count: int
    """Frames of the note, at `rate_hz`."""
    block: int
    rate_hz: float

    @property
    def blocks(self) -> int:
        return -(-self.count // self.block)

    @property
    def edges_s(self) -> Floats:
        """Where the blocks begin, and where the last one ends, in seconds from the start `[blocks + 1]`."""
        return (np.arange(self.blocks + 1) * (self.block / self.rate_hz)).astype(np.float32)


class Voice(NamedTuple):
    """One voice of a unison, ready to be played."""

    play: Callable[[int, int], Floats]
    """The blocks from one to another (exclusive), `[blocks, block]`."""
    gains: tuple[float, ...]
    """On the left and the right, or on the only channel."""


def play(patch: Subtractive, pitch: int, count: int, opened: float, seed: str) -> Floats:
    """`count` frames of a held note. `opened` is in octaves of cutoff; `seed` decides the phases of the unison."""
    over = OVERSAMPLING if patch.drive else 1
    rate_hz = float(SAMPLE_RATE_HZ * over)
    block = _SLOW if patch.filter.slow else _QUICK
    time = Time(count * over, block, rate_hz)
    fades = _cutoffs(patch.filter, pitch, time.edges_s, opened)
    random = randomness("phases", seed, pitch)
    voices = [v for oscillator in patch.oscillators for v in _unison(patch, oscillator, pitch, fades, time, random)]
    sound = _summed(voices, time)
    if patch.breath:
        _breathe(sound, patch.breath, pitch)
    if patch.drive:
        sound = _driven(sound, patch.drive)
    return sound


def _summed(voices: list[Voice], time: Time) -> Floats:
    """All voices together `[1 or 2, frames]`."""
    total = np.zeros((len(voices[0].gains), time.blocks, time.block), np.float32)
    share = np.empty((_CHUNK // time.block, time.block), np.float32)
    for low in range(0, time.blocks, len(share)):
        high = min(low + len(share), time.blocks)
        for voice in voices:
            sound = voice.play(low, high)
            for side, gain in enumerate(voice.gains):
                total[side, low:high] += np.multiply(sound, np.float32(gain), out=share[: high - low])
    return total.reshape(len(total), -1)[:, : time.count]


def _cutoffs(low_pass: Filter, pitch: int, edges_s: Floats, opened: float) -> Course:
    octaves = low_pass.sweep_octaves * low_pass.envelope.held(edges_s)
    if low_pass.lfo_octaves:
        octaves = octaves + low_pass.lfo_octaves * np.sin(2 * np.pi * low_pass.lfo_hz * edges_s)
    tracked = low_pass.cutoff_hz * (hertz(pitch) / _MIDDLE_C_HZ) ** low_pass.keytrack * 2.0**opened
    cutoffs = np.clip(tracked * np.exp2(octaves), 30.0, 24_000.0).astype(np.float32)
    return course(cutoffs, smooth=not low_pass.slow)


def _pitch_factors(patch: Subtractive, times_s: Floats) -> Doubles:
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


def _unison(
    patch: Subtractive, oscillator: Oscillator, pitch: int, fades: Course, time: Time, random: np.random.Generator
) -> list[Voice]:
    """The voices of one oscillator.

    A single one starts at phase 0, so that every bass note hits alike. A quick unison starts nearly together, or two
    voices might cancel each other for as long as the note lasts; a pad's voices start anywhere.
    """
    apart = 0.0 if oscillator.voices == 1 else 1.0 if patch.filter.slow else 0.2
    phases = [apart * random.random() for _ in range(oscillator.voices)]
    base_hz = hertz(pitch + oscillator.semitones)
    cents = [place * oscillator.detune_cents for place in detunes(oscillator.voices)]
    tuned_hz = [base_hz * 2.0 ** (apart_cents / 1200.0) for apart_cents in cents]
    # Detune and vibrato may go up by 2 %. Overdrive makes new harmonics: leave them room.
    top_hz = base_hz * 1.02 if oscillator.detune_cents or patch.vibrato_cents else base_hz
    source = _Source(_tone(patch, oscillator), top_hz, 9_000.0 if patch.drive else CEILING_HZ)
    moves = oscillator.width or ((patch.vibrato_cents or patch.scoop_cents) and not oscillator.straight)
    voices = (
        _moving(patch, oscillator, source, tuned_hz, phases, fades, time)
        if moves
        else (_standing(source, tuned_hz, phases, fades, time))
    )
    return [Voice(*pair) for pair in zip(voices, _gains(patch, oscillator), strict=True)]


class _Source(NamedTuple):
    """What an oscillator sounds like: the tone, the highest pitch it is played at, where its harmonics end."""

    tone: Tone
    top_hz: float
    ceiling_hz: float


def _tone(patch: Subtractive, oscillator: Oscillator) -> Tone:
    wave = "saw" if oscillator.width else oscillator.wave
    low_pass = patch.filter
    return Tone(wave, low_pass.poles, low_pass.resonance, oscillator.low_cut_hz, patch.formants)


def _gains(patch: Subtractive, oscillator: Oscillator) -> Iterator[tuple[float, ...]]:
    """Of each voice, on the left and the right; a patch without any width has one channel."""
    level = oscillator.level / np.sqrt(oscillator.voices)
    stereo = any(other.spread for other in patch.oscillators)
    for pan in _pans(oscillator.voices):
        angle = (pan * oscillator.spread + 1.0) * np.pi / 4.0
        yield (level * np.cos(angle), level * np.sin(angle)) if stereo else (level,)


def _standing(
    source: _Source, tuned_hz: list[float], phases: list[float], fades: Course, time: Time
) -> Iterator[Callable[[int, int], Floats]]:
    """Voices whose pitch stands still: copied from tapes."""
    splices = tuple(tape_loops.splice(hz, time.rate_hz) for hz in tuned_hz)
    made, rows = tape_loops.tapes(*source, splices, time.block).runs(fades)
    blocks = np.arange(time.blocks) * time.block
    for runs, splice, phase in zip(made, splices, phases, strict=True):
        starts = (splice.start(phase) + blocks) % splice.frames

        def copied(low: int, high: int, runs: Floats = runs, starts: Ints = starts) -> Floats:
            return tape_loops.play(runs, rows.between(low, high), starts[low:high])

        yield copied


def _moving(
    patch: Subtractive,
    oscillator: Oscillator,
    source: _Source,
    tuned_hz: list[float],
    phases: list[float],
    fades: Course,
    time: Time,
) -> Iterator[Callable[[int, int], Floats]]:
    """Voices whose pitch or width moves: read from tables."""
    tables = bank(*source)
    flat, rows = tables.tables(fades)
    factors = _pitch_factors(patch, time.edges_s[:-1])
    for hz, start in zip(tuned_hz, phases, strict=True):
        phase = phase_of(hz * factors, start, time.block, time.rate_hz)
        minus = phase.ahead(_widths(oscillator, time), time.block) if oscillator.width else None

        def looked_up(low: int, high: int, phase: Phase = phase, minus: Phase | None = minus) -> Floats:
            part = rows.between(low, high)
            sound = read(tables.bits, flat, phase.frames(low, high, time.block), part)
            if minus:
                sound -= read(tables.bits, flat, minus.frames(low, high, time.block), part)
            return sound

        yield looked_up


def _widths(oscillator: Oscillator, time: Time) -> Doubles:
    """Pulse width in turns at the edges of the blocks."""
    swing = np.sin(2 * np.pi * oscillator.pwm_hz * time.edges_s.astype(np.float64))
    return double(oscillator.width + oscillator.pwm * swing)


_AIR_FRAMES = 1 << 17


@lru_cache(maxsize=1)
def _air() -> Floats:
    """Three seconds of breath `[2, frames]` that close on themselves: noise around 4.5 kHz, different on both sides."""
    white = np.stack([randomness("air", side).standard_normal(_AIR_FRAMES, dtype=np.float32) for side in range(2)])
    bins_hz = fft.rfftfreq(_AIR_FRAMES, 1.0 / SAMPLE_RATE_HZ)
    octaves = np.log2(np.maximum(bins_hz, 20.0) / 4_500.0) / 1.25
    blown: Floats = fft.irfft(fft.rfft(white, axis=1) * np.exp(-0.5 * octaves**2).astype(np.float32), _AIR_FRAMES)
    return (blown / np.std(blown)).astype(np.float32)


def _breathe(sound: Floats, level: float, pitch: int) -> None:
    """Adds a piece of that air to a sound, another one for each pitch."""
    air, first = _air()[: len(sound)] * np.float32(level), pitch * 997 % _AIR_FRAMES
    for low in range(-first, sound.shape[1], _AIR_FRAMES):
        start, end = max(low, 0), min(low + _AIR_FRAMES, sound.shape[1])
        sound[:, start:end] += air[:, start - low : end - low]


_MARGIN = 512


def _driven(sound: Floats, drive: float) -> Floats:
    """Overdrive at four times the rate, then back."""
    gain = np.float32(1.0 + 11.0 * drive)
    clipped = np.tanh(sound * gain) * np.float32(1.0 / np.tanh(float(gain)) * (1.0 - 0.35 * drive))
    count = sound.shape[1] // OVERSAMPLING
    whole = fft.next_fast_len(count + _MARGIN, real=True)
    padded = np.pad(clipped, ((0, 0), (0, whole * OVERSAMPLING - clipped.shape[1])))
    return resampled(padded, whole, 20_500.0, SAMPLE_RATE_HZ * OVERSAMPLING)[:, :count]
