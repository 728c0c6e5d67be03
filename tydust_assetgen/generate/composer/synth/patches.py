"""The instruments of the synthesizer, each a TOML file in `composer/instruments/`, and what such a file may say.

To add an instrument, copy a file and change it; a style names it in `[patches]`. Levels (`level_db`) are set so that a
typical note at velocity 100 is equally loud within a role; `docs/synth.md` has the table, and a test measures it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import msgspec

from tydust_assetgen.generate.composer.synth.signal import Adsr
from tydust_assetgen.generate.composer.toml_folder import TomlFolder

_ORGAN = Adsr()
_SWEEP = Adsr(0.005, 0.4, 0.3, 0.2)
_CHIP = Adsr(0.002, 0.25, 0.6, 0.03)


class Oscillator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sound source of a subtractive patch."""

    wave: str
    level: float = 1.0
    semitones: float = 0.0
    width: float = 0.0
    """Pulse width, made of two saws so that it can move; 0 leaves `wave` as it is."""
    pwm: float = 0.0
    """How far the width swings either way."""
    pwm_hz: float = 0.4
    voices: int = 1
    detune_cents: float = 0.0
    """The outermost voice of a unison is this far away."""
    spread: float = 0.0
    """Stereo width of the unison, 0 mono to 1."""
    low_cut_hz: float = 0.0
    straight: bool = False
    """Sings without the patch's vibrato, as most of a choir and of an orchestra's last desks do."""


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The resonant low-pass, at velocity 100 and brightness 0.5."""

    cutoff_hz: float = 2_000.0
    """For middle C; see `keytrack`."""
    keytrack: float = 0.4
    """How much of the pitch the cutoff follows, 0 to 1."""
    resonance: float = 0.1
    poles: int = 4
    sweep_octaves: float = 0.0
    """How far `envelope` opens it."""
    envelope: Adsr = _SWEEP
    lfo_octaves: float = 0.0
    lfo_hz: float = 0.3

    @property
    def slow(self) -> bool:
        """Whether it opens in the manner of a pad."""
        return self.envelope.attack_s >= 0.1


_PLAIN = Filter()


class Subtractive(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="subtractive"):
    """Oscillators, a low-pass, an amplifier: the analog synthesizer."""

    oscillators: tuple[Oscillator, ...]
    filter: Filter = _PLAIN
    amp: Adsr = _ORGAN
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.2
    vibrato_after_s: float = 0.35
    scoop_cents: float = 0.0
    """Where the pitch starts, below the note, to settle within some 40 ms."""
    drive: float = 0.0
    """Overdrive of each note, 0 clean to 1 fuzz, four times oversampled."""
    breath: float = 0.0
    """Level of noise, for air."""
    formants: tuple[tuple[float, float, float], ...] = ()
    level_db: float = 0.0
    opens_octaves: float = 1.2
    """How far full brightness and velocity open the filter."""


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A modulator of an FM patch: its ratio, its index (in radians) and how the index falls."""

    ratio: float
    index: float
    decay_s: float
    sustain: float = 0.0


class Fm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="fm"):
    """Carriers, each modulated by the same operators (Chowning 1973): bells and glassy plucks."""

    carriers: tuple[tuple[float, float], ...]
    """Pairs (ratio, level)."""
    operators: tuple[Operator, ...]
    amp: Adsr = _ORGAN
    detune_cents: float = 3.0
    """Left and right are this far apart."""
    level_db: float = 0.0
    opens_octaves: float = 1.0


class Chip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="chip"):
    """A channel of an 8-bit sound chip: a bare wave and a volume of 16 steps."""

    wave: str
    """Of `oscillator.harmonics`, or `noise`."""
    amp: Adsr = _CHIP
    level_db: float = 0.0


class Kick(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pitch_hz: float = 48.0
    sweep_hz: float = 170.0
    sweep_s: float = 0.035
    decay_s: float = 0.32
    click: float = 0.4
    drive: float = 0.2


class Snare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tone_hz: float = 185.0
    tone: float = 0.6
    decay_s: float = 0.14
    bright_hz: float = 7_500.0
    gate_s: float = 0.0
    """Length of the gated reverb, 0 for none."""
    gate: float = 0.0


class Kit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="kit"):
    """A drum machine."""

    kick: Kick
    snare: Snare
    hat_decay_s: float = 0.045
    hat_bright_hz: float = 9_000.0
    metal: float = 0.4
    """Share of the ringing squares in hats and cymbals; the rest is noise."""
    drive: float = 0.0
    soft: float = 0.0
    """0 as hard as it gets, 1 with the edges off."""
    level_db: float = 0.0


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="effect"):
    """A long gesture made of noise and tone."""

    kind: str
    level_db: float = 0.0


Instrument: TypeAlias = Subtractive | Fm | Chip | Kit | Effect


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An instrument under its name, and how the mix treats it."""

    name: str
    """The name of the file, without `.toml`."""
    instrument: Instrument
    chorus: float = 0.0
    """Depth of the part's chorus, 0 to 1."""
    ducks: float = 0.0
    """How far the kick pushes it down, 0 to 1 of the style's depth."""


def loudness_gain(velocity: int) -> float:
    """Level of a velocity against 100: a curve of power 1.5, which is 3 dB from 100 to 79 and 18 dB to 25."""
    return float((velocity / 100.0) ** 1.5)


PATCHES = TomlFolder(Path(__file__).parents[1] / "instruments", Patch)
"""All patches by name. A score that names another one is our own mistake: `KeyError`."""
