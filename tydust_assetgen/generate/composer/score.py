"""The score, which `compose` writes and `synth.render` plays: notes, with no sound yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

TICKS_PER_BEAT = 480

Role: TypeAlias = Literal["pad", "bass", "arp", "lead", "counter", "drums", "fx"]


class Note(NamedTuple):
    """One note. For drums the pitch is the General MIDI percussion key (36 kick, 38 snare, 42 closed hat, …)."""

    start: int
    """Ticks from the beginning of the score."""
    length: int
    """Ticks, at least 1."""
    pitch: int
    """MIDI note number, 0 to 127; 69 is A4 = 440 Hz."""
    velocity: int
    """1 to 127."""


@dataclass(frozen=True)
class Part:
    """One instrument's notes, in time order, and where it sits in the mix."""

    role: Role
    patch: str
    """Name of a patch, a file in `instruments/`."""
    notes: tuple[Note, ...]
    gain_db: float = 0.0
    pan: float = 0.0
    """-1 left, 0 centre, 1 right."""
    reverb: float = 0.2
    """Send level, 0 to 1."""
    delay: float = 0.0
    """Send level, 0 to 1."""


@dataclass(frozen=True)
class Passage:
    """A section as composed: whole bars, with its density and colour."""

    name: str
    start_bar: int
    bars: int
    energy: float
    """0 calm to 1 full."""
    brightness: float
    """0 dark to 1 bright; opens the filters."""


@dataclass(frozen=True)
class Score:
    """A whole piece. `bars * beats_per_bar * TICKS_PER_BEAT` ticks long; notes may ring past the end."""

    title: str
    style: str
    """Genre, chooses effects and mix: synthwave, darkwave, industrial, chiptune."""
    key: str
    bpm: float
    beats_per_bar: int
    bars: int
    passages: tuple[Passage, ...]
    parts: tuple[Part, ...]
    loops: bool
    reverb_size: float = 0.5
    """0 dry room to 1 cathedral."""
    delay_beats: float = 0.75
    """Time of the delay in beats."""
    drive: float = 0.0
    """0 clean to 1 distorted, on the mix."""
    seed: int = 0
    """For sounds that need noise."""

    @property
    def ticks(self) -> int:
        return self.bars * self.beats_per_bar * TICKS_PER_BEAT

    @property
    def duration_s(self) -> float:
        return self.bars * self.beats_per_bar * 60.0 / self.bpm
