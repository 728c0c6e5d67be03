"""What a prompt is made of: `Parts`, which `read` gives and `write` takes."""

from __future__ import annotations

import msgspec

from tydust_assetgen.flow import Section

GENRES = ("synthwave", "darkwave", "industrial", "chiptune")
"""The built-in genres, in the order in which they are listed to a person."""

MAX_CHARACTERS = 8000
"""A longer prompt is refused; text encoders see far less than that anyway (T5 takes 512 tokens)."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a prompt, in the order of the pattern. Empty and zero mean: the text does not say."""

    genre: str = ""
    """Name of a known genre, lower case."""
    atmosphere: str = ""
    """What kind of music it is, such as `80s retro space exploration music`."""
    key: str = ""
    """Such as `D minor`, `F# major`."""
    bpm: float = 0.0
    """Beats per minute, as the text says; it may be out of range."""
    duration_s: float = 0.0
    """What the text says of the whole track; not the sum of its sections."""
    sections: tuple[Section, ...] = ()
    instruments: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    aesthetic: str = ""
    quality: str = ""
    loop: bool | None = None
    """None: the text does not say."""
