"""The note cache: each unique sound is rendered once and used wherever the score has it.

A sound is float32 `[1 or 2, frames]`. What a sound is depends on its key alone, never
on what was rendered before it, so forgetting one (to save memory) changes nothing but the time.

A note of a synthesizer is a sound (oscillators and filter) times the shape of its amplifier. Notes of one pitch and
brightness share the sound, however long each of them is held; only the shape differs, and that is cheap.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tydust_assetgen.generate.composer.synth import chip, drums, fm, subtractive, sweeps
from tydust_assetgen.generate.composer.synth.patches import PATCHES, Chip, Effect, Fm, Kit, Patch, Subtractive
from tydust_assetgen.generate.composer.synth.signal import (
    SAMPLE_RATE_HZ,
    Adsr,
    Floats,
    decibels,
    faded,
    frames,
    seconds,
    without_dc,
)

OPENED_PER_OCTAVE = 4
"""Velocity and brightness together open the filter in steps of a quarter of an octave."""
_KEEP_BYTES = 96 << 20
LONGEST_DRUM_FRAMES = frames(2.5)


class SoundKey(NamedTuple):
    """What decides the samples of a sound; shape and level are applied when it is mixed."""

    patch: str
    pitch: int
    held_frames: int
    """How long the key is held, at most. A drum rings as long as it does and has 0 here, unless it is choked."""
    opened: int
    """How far the filter is opened, in quarters of an octave."""
    variant: int = 0


class Sounds:
    """The sounds of one score. `rendered` counts how many were made, `asked` how often one was wanted."""

    def __init__(self, seed: int, keep_bytes: int = _KEEP_BYTES) -> None:
        self._seed = seed
        self._keep_bytes = keep_bytes
        self._held_bytes = 0
        self._made: OrderedDict[SoundKey, Floats] = OrderedDict()
        self.rendered = 0
        self.asked = 0

    def get(self, key: SoundKey) -> Floats:
        """A sound, from the cache or made now."""
        self.asked += 1
        sound = self._made.pop(key, None)
        if sound is None:
            sound = rendered(key, self._seed)
            self.rendered += 1
            self._held_bytes += sound.nbytes
        self._made[key] = sound
        while self._held_bytes > self._keep_bytes and len(self._made) > 1:
            self._held_bytes -= self._made.popitem(last=False)[1].nbytes
        return sound

    def forget(self, done: Iterable[SoundKey]) -> None:
        """Lets go of sounds that are not wanted any more."""
        for key in done:
            sound = self._made.pop(key, None)
            self._held_bytes -= sound.nbytes if sound is not None else 0


def amplifier(patch: str) -> Adsr | None:
    """The envelope that shapes a patch's sounds into notes; none where the sound is the whole note."""
    instrument = PATCHES[patch].instrument
    return instrument.amp if isinstance(instrument, Subtractive | Fm) else None


@lru_cache(maxsize=64)
def shape(amp: Adsr, gate_frames: int) -> Floats:
    """Level of each frame of a note held for `gate_frames`, release included; ends at zero."""
    gate_s = gate_frames / SAMPLE_RATE_HZ
    return amp.at(seconds(gate_frames + frames(amp.release_s)), gate_s)


def longest_frames(key: SoundKey) -> int:
    """At least as long as the sound, known before it is made."""
    instrument = PATCHES[key.patch].instrument
    if isinstance(instrument, Effect):
        return key.held_frames + frames(sweeps.RING_S[instrument.kind] + 0.1)
    if isinstance(instrument, Kit) or (isinstance(instrument, Chip) and instrument.wave == "noise"):
        return LONGEST_DRUM_FRAMES
    return key.held_frames + frames(instrument.amp.release_s)


def rendered(key: SoundKey, seed: int) -> Floats:
    """Renders one sound."""
    patch = PATCHES[key.patch]
    sound = _sound(patch, key, f"{seed}/{patch.name}/{key.variant}")
    sound *= np.float32(decibels(patch.instrument.level_db))
    if isinstance(patch.instrument, Subtractive | Fm):
        return sound
    # Bursts of noise and the chip's volume push the mean away from zero; filtered harmonics can't.
    return faded(without_dc(sound), 0.001, 0.002)


def _sound(patch: Patch, key: SoundKey, seed: str) -> Floats:
    length, held_s = longest_frames(key), key.held_frames / SAMPLE_RATE_HZ
    instrument, opened = patch.instrument, key.opened / OPENED_PER_OCTAVE
    if isinstance(instrument, Subtractive):
        return subtractive.play(instrument, key.pitch, length, opened * instrument.opens_octaves, seed)
    if isinstance(instrument, Fm):
        return fm.play(instrument, key.pitch, length, opened * instrument.opens_octaves)
    if isinstance(instrument, Kit):
        return drums.play(instrument, key.pitch, opened, key.variant, key.held_frames)
    if isinstance(instrument, Effect):
        return sweeps.play(instrument.kind, key.pitch, held_s, seed)
    return chip.drum(key.pitch) if instrument.wave == "noise" else chip.play(instrument, key.pitch, held_s)


def note(key: SoundKey, seed: int = 0) -> Floats:
    """A whole note at velocity 100, as it is mixed: the sound in its shape."""
    sound, amp = rendered(key, seed), amplifier(key.patch)
    return sound * shape(amp, key.held_frames) if amp else sound
