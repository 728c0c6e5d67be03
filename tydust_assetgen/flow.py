"""The records that the stages of a build hand to each other, in the order of the stages.

    Recipe -> Take -> Master -> Encoded -> Verified -> Published

A `Recipe` has three parts, one for each thing that may change on its own: the `Brief` decides the performance
(and with it the take key), `Finish` the master (master key), each `Output` one encoded file (output key).
All are frozen. Records that are stored or sent between processes are msgspec structs; those that hold
samples are dataclasses. Annotations are no strings here: msgspec takes long to read those.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from tydust_assetgen.audio import Audio, LoopPoints

Codec: TypeAlias = Literal["ogg", "mp3", "flac", "wav", "opus", "m4a"]
Scalar: TypeAlias = bool | int | float | str


class Section(msgspec.Struct, frozen=True):
    """A stretch of a track, in time order."""

    name: str
    seconds: float
    prompt: str = ""


class Reference(msgspec.Struct, frozen=True):
    """A sound that decides how a track sounds, such as a melody."""

    path: str
    """Of the file, relative to the manifest's folder, or `slot:` and the name of another slot."""
    digest: str = ""
    """SHA-256 of the file, or the take key of the other slot."""


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What a generator is asked to perform. Everything here is part of the take key."""

    generator: str
    prompt: str
    """The whole text, in the order of the prompt pattern."""
    duration_s: float
    seed: int
    loop: bool = True
    genre: str = ""
    """Name of the genre, such as `synthwave`; empty when none is named or read from the text."""
    key: str = ""
    """Such as `D minor`, `F# major`; empty when the generator may choose."""
    bpm: float = 0.0
    """Beats per minute; 0 when the generator may choose."""
    sections: tuple[Section, ...] = ()
    instruments: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    parameters: dict[str, Scalar] = {}
    """The generator's own parameters, with its defaults filled in."""
    takes: int = 1
    """How many performances are made, with seeds derived from `seed`; the best is published."""
    pick: int = 0
    """The number of the take that a person chose, from 1; 0 when the best is wanted."""


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """How a performance becomes a master."""

    loop: bool = True
    target_lufs: float = -16.0
    true_peak_dbtp: float = -2.0
    sample_rate_hz: int = 44_100
    channels: int = 2


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One file to write: where (relative to the asset tree, with `/`), in which codec, how well."""

    path: str
    codec: Codec
    quality: float = 6.0
    """OGG Vorbis quality, -1 to 10."""
    bitrate_kbps: int = 192
    """MP3 (constant), Opus and M4A."""
    bits: Literal["16", "24", "float"] = "24"
    """Sample format of WAV and FLAC; FLAC has no float."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides how a slot sounds, and which files it becomes. The slot's own file comes first."""

    slot: str
    title: str
    game: str
    brief: Brief
    finish: Finish
    outputs: tuple[Output, ...]
    strict: tuple[str, ...] = ()
    """Checks that are errors for this slot although they are warnings by default (`key`, `tempo`)."""
    place: str = ""
    """Where the manifest asks for it, such as `assets.toml:14`. Not part of any key."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a performance came from. Goes into the lock file and the tags."""

    generator: str
    version: str
    licence: str
    model: str = ""
    revision: str = ""
    libraries: dict[str, str] = {}
    chosen: int = 0
    """The number of the take that came out best of several; 0 where there was nothing to choose."""


class SectionTime(msgspec.Struct, frozen=True):
    """Where a section lies in the performance, in seconds from its beginning."""

    name: str
    start_s: float
    length_s: float


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator knows about its performance. Zero and empty mean: not known."""

    key: str = ""
    bpm: float = 0.0
    beats_per_bar: int = 4
    bars: int = 0
    loop_frames: int = 0
    """Length of one exact pass, at the take's rate; what follows in the take is tail (release, delay, reverb)."""
    near_frames: int = 0
    """Where no exact pass is known: the length, at the take's rate, near which a loop is to be found."""
    sections: tuple[SectionTime, ...] = ()


@dataclass(frozen=True)
class Take:
    """The raw performance, as generated, at the generator's own rate, tail included."""

    audio: Audio
    facts: Facts
    provenance: Provenance
    notes: tuple[str, ...] = ()
    """What a person should know of it."""


@dataclass(frozen=True)
class Master:
    """The finished audio, float32, at the delivery rate."""

    audio: Audio
    loop: LoopPoints | None
    facts: Facts
    provenance: Provenance
    notes: tuple[str, ...] = ()
    """What a person should know, such as `1.5 dB of limiting`."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How well a take does in one respect."""

    name: str
    score: float
    """0 (not at all) to 1 (as asked)."""
    measured: str
    fault: str = ""
    """Why it can't be published like this; empty when it can."""


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """How well a take does what was asked, so that the best of several can be chosen."""

    marks: tuple[Mark, ...]
    """One for each thing that was asked for or goes without saying, always in the same order."""
    total: float
    """Their weighted mean, 0 to 1."""

    @property
    def fault(self) -> str:
        return "; ".join(mark.fault for mark in self.marks if mark.fault)


class JudgedTake(msgspec.Struct, frozen=True, kw_only=True):
    """One of several takes, as it was judged."""

    number: int
    seed: int
    take_key: str
    scores: Scores | None = None
    trouble: str = ""
    """Why there are no scores."""


class TakeSelection(msgspec.Struct, frozen=True, kw_only=True):
    """How the best of several takes was chosen."""

    entrants: tuple[JudgedTake, ...]
    chosen: int
    """Its number."""


@dataclass(frozen=True)
class Encoded:
    """The bytes of one output."""

    output: Output
    data: bytes


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing measured on the decoded bytes, against what was asked."""

    name: str
    status: Literal["pass", "warn", "fail"]
    measured: str
    wanted: str
    reason: str = ""


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on an encoded file when it was decoded: what a game wants to know of it at run time."""

    frames: int
    rate_hz: int
    channels: int
    lufs: float
    """Integrated loudness, to a tenth; not under `QUIETEST_DB`."""
    true_peak_dbtp: float
    loop: LoopPoints | None = None


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """An encoded file that was decoded again and found right. Only this can be published."""

    output: Output
    digest: str
    """SHA-256 of the bytes, hexadecimal."""
    size: int
    checks: tuple[Check, ...]
    sound: Sound | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A file that stands in the asset tree under its final name."""

    path: str
    digest: str
    size: int
    sound: Sound | None = None
