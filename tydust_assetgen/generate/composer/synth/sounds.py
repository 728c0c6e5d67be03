"""The note cache: each unique note is rendered once and used wherever the score has it.

In walks a `NoteKey`, out walks its sound, float32 `[1 or 2, frames]`. What a note sounds like depends on its key alone,
never on what was rendered before it, so forgetting a note (to save memory) changes nothing but the time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from tydust_assetgen.generate.composer.synth import chip, drums, fm, gestures, subtractive
from tydust_assetgen.generate.composer.synth.instruments import (
    Chip,
    Effect,
    Fm,
    Instrument,
    Kit,
    Patch,
    Subtractive,
)
from tydust_assetgen.generate.composer.synth.patches import PATCHES
from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Floats, decibels, faded, frames, without_dc

OPENED_PER_OCTAVE = 4
"""Velocity and brightness together open the filter in steps of a quarter of an octave."""
_KEEP_BYTES = 64 << 20
LONGEST_DRUM_FRAMES = frames(2.5)

_LOW = 52


class NoteKey(NamedTuple):
    """What decides the samples of a note; its level is applied when it is mixed."""

    patch: str
    pitch: int
    gate_frames: int
    """How long the key is held. A drum rings as long as it does and has 0 here, unless it is choked so early."""
    opened: int
    """How far the filter is opened, in quarters of an octave."""
    variant: int = 0


class Sounds:
    """The notes of one score. `rendered` counts how many were made, `asked` how often one was wanted."""

    def __init__(self, seed: int, keep_bytes: int = _KEEP_BYTES) -> None:
        self._seed = seed
        self._keep_bytes = keep_bytes
        self._held_bytes = 0
        self._notes: OrderedDict[NoteKey, Floats] = OrderedDict()
        self.rendered = 0
        self.asked = 0

    def get(self, key: NoteKey) -> Floats:
        """The sound of a note, from the cache or made now."""
        self.asked += 1
        sound = self._notes.pop(key, None)
        if sound is None:
            sound = played(key, self._seed)
            self.rendered += 1
            self._held_bytes += sound.nbytes
        self._notes[key] = sound
        while self._held_bytes > self._keep_bytes and len(self._notes) > 1:
            self._held_bytes -= self._notes.popitem(last=False)[1].nbytes
        return sound


def longest_frames(key: NoteKey) -> int:
    """At least as long as the note's sound, known before it is made."""
    instrument = PATCHES[key.patch].instrument
    if isinstance(instrument, Effect):
        return key.gate_frames + frames(gestures.RING_S[instrument.kind] + 0.1)
    if isinstance(instrument, Kit) or (isinstance(instrument, Chip) and instrument.wave == "noise"):
        return LONGEST_DRUM_FRAMES
    return key.gate_frames + frames(instrument.amp.release_s) + 8


def played(key: NoteKey, seed: int) -> Floats:
    """Renders one note."""
    patch = PATCHES[key.patch]
    sound = _sound(patch, key, f"{seed}/{patch.name}/{key.variant}")
    if _has_dc(patch.instrument, key.pitch):
        sound = without_dc(sound)
    return faded(sound * np.float32(decibels(patch.instrument.level_db)), 0.001, 0.002)


def _has_dc(instrument: Instrument, pitch: int) -> bool:
    """Overdrive, bursts of noise and low notes of a few cycles have a mean that is not zero."""
    if isinstance(instrument, Subtractive):
        return instrument.drive > 0 or pitch < _LOW
    return isinstance(instrument, Chip | Kit)


def _sound(patch: Patch, key: NoteKey, seed: str) -> Floats:
    gate_s, opened = key.gate_frames / SAMPLE_RATE_HZ, key.opened / OPENED_PER_OCTAVE
    instrument = patch.instrument
    if isinstance(instrument, Subtractive):
        return subtractive.play(instrument, key.pitch, gate_s, opened * instrument.opens_octaves, seed)
    if isinstance(instrument, Fm):
        return fm.play(instrument, key.pitch, gate_s, opened * instrument.opens_octaves)
    if isinstance(instrument, Kit):
        return drums.play(instrument, key.pitch, opened, key.variant, key.gate_frames)
    if isinstance(instrument, Effect):
        return gestures.play(instrument.kind, key.pitch, gate_s, seed)
    return chip.drum(key.pitch) if instrument.wave == "noise" else chip.play(instrument, key.pitch, gate_s)
