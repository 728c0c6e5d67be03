"""The shape of `assets.toml`: one struct per table. Types, ranges and descriptions stand here and nowhere else.

The reader checks values against these structs, `schema.py` makes the JSON Schema from them, and
`docs/manifest.md` is tested to name every key. A default of None means: taken from the next weaker layer.
A text with `min_length=1` must not be blank either.

Annotations are no strings here: reading those takes msgspec longer than all else that it does with these tables.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

CODECS = ("ogg", "mp3", "flac", "wav", "opus", "m4a")

Text = Annotated[str, Meta(min_length=1, max_length=8000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Names = Annotated[list[Name], Meta(max_length=64)]
Kbps = Annotated[int, Meta(ge=6, le=512, description="bit rate in kb/s")]
Format = Literal["ogg", "mp3", "flac", "wav", "opus", "m4a"]
Rate = Literal[8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000]


class OggTable(msgspec.Struct, forbid_unknown_fields=True):
    """How OGG Vorbis is encoded."""

    quality: Annotated[float, Meta(ge=-1, le=10, description="Vorbis quality, -1 to 10")] | None = None


class BitrateTable(msgspec.Struct, forbid_unknown_fields=True):
    """How MP3, Opus or M4A is encoded."""

    bitrate: Kbps | None = None


class BitsTable(msgspec.Struct, forbid_unknown_fields=True):
    """How WAV is encoded."""

    bits: Annotated[Literal[16, 24, "16", "24", "float"], Meta(description="bits per sample, or float")] | None = None


class FlacTable(msgspec.Struct, forbid_unknown_fields=True):
    """How FLAC is encoded."""

    bits: Annotated[Literal[16, 24, "16", "24"], Meta(description="bits per sample")] | None = None


class SectionTable(msgspec.Struct, forbid_unknown_fields=True):
    """A stretch of a track, in time order."""

    name: Annotated[str, Meta(min_length=1, max_length=80, description="such as `intro`, `main`, `outro`")]
    seconds: Annotated[float, Meta(ge=0.1, le=600, description="length in seconds")]
    prompt: Annotated[str, Meta(max_length=8000, description="what happens in this section")] | None = None


class Settings(msgspec.Struct, kw_only=True):
    """What a slot, a genre and `[defaults]` may all say."""

    generator: Annotated[Name, Meta(description="who makes it, such as `composer`")] | None = None
    key: Annotated[Name, Meta(description="musical key, such as `D minor`, `F# major`, `Bb minor`")] | None = None
    bpm: Annotated[float, Meta(ge=20, le=300, description="beats per minute")] | None = None
    duration: Annotated[float, Meta(ge=0.5, le=600, description="length in seconds")] | None = None
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1, description="another seed, another take")] | None = None
    takes: Annotated[int, Meta(ge=1, le=16, description="how many takes are made, to publish the best")] | None = None
    loop: Annotated[bool, Meta(description="whether the end leads back into the beginning")] | None = None
    loudness: Annotated[float, Meta(ge=-40, le=-5, description="integrated loudness in LUFS")] | None = None
    true_peak: Annotated[float, Meta(ge=-20, le=0, description="highest true peak in dBTP")] | None = None
    sample_rate: Annotated[Rate, Meta(description="samples per second, in Hz")] | None = None
    channels: Annotated[Literal[1, 2], Meta(description="1 is mono, 2 is stereo")] | None = None
    also: Annotated[list[Format], Meta(max_length=6, description="further formats of the same master")] | None = None
    ogg: OggTable | None = None
    mp3: BitrateTable | None = None
    flac: FlacTable | None = None
    wav: BitsTable | None = None
    opus: BitrateTable | None = None
    m4a: BitrateTable | None = None
    instruments: Annotated[Names, Meta(description="what plays, such as `warm analog bass`")] | None = None
    mood: Annotated[Names | Name, Meta(description="how it feels, such as `mysterious`")] | None = None
    strict: (
        Annotated[list[Literal["key", "tempo"]], Meta(max_length=2, description="checks that are errors, not warnings")]
        | None
    ) = None


class DefaultsTable(Settings, forbid_unknown_fields=True, kw_only=True):
    """What every slot takes unless it, its text or its genre says otherwise."""

    genre: Annotated[Name, Meta(description="name of a genre")] | None = None


class GenreTable(Settings, forbid_unknown_fields=True, kw_only=True):
    """What the slots of one genre share. A built-in genre is overridden field by field."""

    prompt: Annotated[Text, Meta(description="the kind of music, in a few words")] | None = None
    aesthetic: Annotated[Text, Meta(description="the sound of its time and place")] | None = None
    quality: Annotated[Text, Meta(description="the sentence that closes a prompt")] | None = None
    scenes: Annotated[Names, Meta(description="concrete pictures that `lint` proposes for vague words")] | None = None


class TrackTable(Settings, forbid_unknown_fields=True, kw_only=True):
    """One music slot."""

    prompt: Annotated[Text, Meta(description="what it should sound like")] | None = None
    genre: Annotated[Name, Meta(description="name of a genre")] | None = None
    title: Annotated[Name, Meta(description="title in the tags; default: from the file name")] | None = None
    sections: (
        Annotated[list[SectionTable], Meta(min_length=1, max_length=64, description="its course, in time order")] | None
    ) = None


class PolicyTable(msgspec.Struct, forbid_unknown_fields=True):
    """What holds for the whole game."""

    commercial: Annotated[bool, Meta(description="the game is sold: refuse models that may not be used for that")] = (
        False
    )


Remote = Annotated[str, Meta(min_length=1, max_length=2000)]


class CacheTable(msgspec.Struct, forbid_unknown_fields=True):
    """A cache that the team shares."""

    remote: (
        Annotated[
            Remote | Annotated[list[Remote], Meta(max_length=8)],
            Meta(description="a folder, or an `https:`, `s3:`, `gs:`, `az:` or `sftp:` address; or a list of them"),
        ]
        | None
    ) = None
    read_only: Annotated[bool, Meta(description="only take from it, never send")] = False
    timeout: Annotated[float, Meta(ge=1, le=3600, description="limit of one request, in seconds")] = 60


class GameTable(msgspec.Struct, forbid_unknown_fields=True):
    """The game that the music is for."""

    name: Annotated[Name, Meta(description="name of the game, for the tags")]
    assets: Annotated[Name, Meta(description="folder that slots are written under")] = "assets"
    catalog: (
        Annotated[Name, Meta(description="a catalogue for the game at run time, such as `catalog.json`")] | None
    ) = None
    catalog_code: (
        Annotated[
            Name | Annotated[list[Name], Meta(max_length=8)],
            Meta(
                description="the slots as code: c, cpp, csharp, gdscript, rust, python, or files that end like theirs"
            ),
        ]
        | None
    ) = None
    engine: Annotated[Literal["godot", "unity"], Meta(description="also write its import settings")] | None = None
