"""The genres that the composer knows, each a TOML file beside this one.

To add a style, copy a file and change it; where prompts that name no genre should choose it, add their words to
`words._GENRES`. When a style that exists changes, raise `Composer.version`: its tracks then sound different.

Patterns are strings of sixteenths, one bar of 4/4 (16) or two (32); `fit` cuts them for 3/4.
- drums: `X` accent, `x` normal, `o` ghost, `.` nothing
- bass: `1` root, `8` octave, `5` fifth, `3` third, `7` seventh, `n` step towards the next root, `-` held, `.` rest
- arpeggio: a digit is a rung on the ladder of chord tones, `-` held, `.` rest
- lead rhythm: `x` a note begins, `-` held, `.` rest
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Role
from tydust_assetgen.generate.composer.theory import Mode
from tydust_assetgen.generate.composer.toml_folder import TomlFolder

Colour: TypeAlias = Literal["calm", "main", "tense"]
Groove: TypeAlias = dict[str, str]

DRUM_KEYS = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "low_tom": 41, "hat": 42, "mid_tom": 45, "open_hat": 46,
    "high_tom": 48, "crash": 49, "ride": 51, "tambourine": 54, "metal": 56, "shaker": 70,
}  # fmt: skip


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a part sits in the mix: level, place and sends."""

    gain_db: float
    pan: float = 0.0
    """-1 left, 0 centre, 1 right."""
    reverb: float = 0.2
    """Send level, 0 to 1."""
    delay: float = 0.0
    """Send level, 0 to 1."""


class Effects(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the whole is mixed. All 0 to 1, except `chorus` and `room`, which are factors."""

    chorus: float = 1.0
    duck: float = 0.3
    """How far the kick drum pushes the other parts down."""
    room: float = 0.9
    """The gain of the reverb's return."""
    saturation: float = 0.3
    air: float = 0.5
    """The high shelf, see `synth/bus.py`: 1 is 5.4 dB at 10 kHz."""


class Style(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that tells one genre from another."""

    name: str
    """The name of the file, without `.toml`."""
    bpm: tuple[int, int]
    """The slowest and the fastest tempo that a piece may choose."""
    tonics: tuple[int, ...]
    """Pitch classes that a piece may choose when no key is asked for."""
    mode: Mode
    energy: float
    """Added to the energy of every section."""
    brightness: float
    progressions: dict[Mode, dict[Colour, tuple[str, ...]]]
    cadences: dict[Mode, tuple[str, ...]]
    """Two bars that end a section and lead on."""
    patches: dict[Role, tuple[str, ...]]
    """By role; the first is the usual one."""
    thresholds: dict[Role, float]
    """A role plays from this energy on."""
    bass: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    """Patterns for calm, middle and full energy."""
    arps: tuple[tuple[str, ...], tuple[str, ...]]
    """Patterns for calm and full energy."""
    rhythms: tuple[tuple[str, str], ...]
    """Two bars of lead rhythm: the motif."""
    drums: tuple[tuple[Groove, ...], tuple[Groove, ...], tuple[Groove, ...]]
    """Grooves for calm, middle and full energy: a pattern for each drum."""
    fills: tuple[Groove, ...]
    mix: dict[Role, Mix]
    reverb_size: float
    """0 dry room to 1 cathedral."""
    delay_beats: float
    drive: float
    """0 clean to 1 distorted, on the mix."""
    effects: Effects
    pedal: float = 0.0
    """How often the bass stays on the tonic in calm music, 0 to 1."""


STYLES = TomlFolder(Path(__file__).parent, Style)
"""All styles by name. A genre of another name is mapped to its nearest relative (`design`)."""

STEP = TICKS_PER_BEAT // 4
"""Ticks of a sixteenth."""


class Step(NamedTuple):
    """One event of a pattern: where it begins, how long it lasts (both in ticks) and its letter."""

    start: int
    length: int
    letter: str


@lru_cache(maxsize=1024)
def fit(pattern: str, beats_per_bar: int) -> str:
    """A bar of 4/4 as it is; for 3/4 without its third beat, so that the backbeat stays at the end of the bar."""
    return pattern if beats_per_bar == 4 else pattern[:8] + pattern[12:16]


@lru_cache(maxsize=1024)
def steps(pattern: str, beats_per_bar: int) -> tuple[Step, ...]:
    """The events of one bar. `-` holds the event before it, `.` is a rest."""
    found: list[Step] = []
    for index, letter in enumerate(fit(pattern, beats_per_bar)):
        if letter == "-" and found and found[-1].start + found[-1].length == index * STEP:
            found[-1] = found[-1]._replace(length=found[-1].length + STEP)
        elif letter not in "-.":
            found.append(Step(index * STEP, STEP, letter))
    return tuple(found)
