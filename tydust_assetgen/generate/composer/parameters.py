"""The composer's own table in the manifest: `[music."…".composer]`. Every field has a default and a range."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


def _share(text: str) -> Meta:
    return Meta(ge=0.0, le=1.0, description=text)


def _shift(text: str) -> Meta:
    return Meta(ge=-1.0, le=1.0, description=text)


class ComposerParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a musician may set beyond key, tempo, sections, instruments and mood."""

    beats_per_bar: Annotated[Literal[3, 4], Meta(description="metre: 4 for 4/4, 3 for 3/4")] = 4
    progression: Annotated[
        str,
        Meta(
            max_length=500,
            description="roman numerals, a bar each, such as `i VI iv V`; two chords share a bar as `iv+V`; "
            "empty: the genre's own",
        ),
    ] = ""
    swing: Annotated[float, _share("delay of every second sixteenth: 0 straight, 1 triplets")] = 0.0
    density: Annotated[float, _share("how busy the patterns are; 0.5 is the genre's own")] = 0.5
    energy: Annotated[float, _shift("added to the energy of every section")] = 0.0
    brightness: Annotated[float, _shift("added to the brightness of every section")] = 0.0
    humanize: Annotated[float, _share("variation of velocity; 0 is a machine")] = 0.4
    reverb: Annotated[float, Meta(ge=0.0, le=2.0, description="factor on every reverb send")] = 1.0
    delay: Annotated[float, Meta(ge=0.0, le=2.0, description="factor on every delay send")] = 1.0
    melody_octave: Annotated[int, Meta(ge=-1, le=1, description="moves the lead by octaves")] = 0
    pads: Annotated[bool, Meta(description="whether pads may play")] = True
    bass: Annotated[bool, Meta(description="whether the bass may play")] = True
    arpeggio: Annotated[bool, Meta(description="whether arpeggios may play")] = True
    lead: Annotated[bool, Meta(description="whether a lead melody may play")] = True
    counter: Annotated[bool, Meta(description="whether a counter-melody may play")] = True
    drums: Annotated[bool, Meta(description="whether drums may play")] = True
    fills: Annotated[bool, Meta(description="drum fills at the end of sections")] = True
    effects: Annotated[bool, Meta(description="risers, impacts, sweeps and drones")] = True
