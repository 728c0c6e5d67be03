"""The composer's own table in the manifest: `[music."…".composer]`. Every field has a default and a range."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tydust_assetgen.errors import Problem
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer.design import read_parameters, tempo
from tydust_assetgen.generate.composer.form import exact_bars, whole_bars
from tydust_assetgen.generate.composer.theory import parse_key, parse_progression


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


_BPM = (30.0, 300.0)


def problems(brief: Brief, max_duration_s: float) -> tuple[Problem, ...]:
    """Everything that is wrong with a brief; empty when it can be composed."""
    try:
        parameters = read_parameters(brief)
    except msgspec.ValidationError as error:
        return (Problem(f"composer: {str(error)[:1].lower()}{str(error)[1:]}", hint="see `assetgen schema`"),)
    found = [
        _duration(brief, max_duration_s),
        _bpm(brief),
        _key(brief),
        _progression(brief, parameters),
        _lengths(brief),
    ]
    if not any(found):
        found.append(_bars(brief, parameters))
    return tuple(problem for problem in found if problem)


def _duration(brief: Brief, max_duration_s: float) -> Problem | None:
    if 0.0 < brief.duration_s <= max_duration_s:
        return None
    return Problem(f"the composer can't write {brief.duration_s:g} s", hint=f"up to {max_duration_s:g} s are possible")


def _bpm(brief: Brief) -> Problem | None:
    if brief.bpm == 0.0 or _BPM[0] <= brief.bpm <= _BPM[1]:
        return None
    return Problem(f"the composer can't play at {brief.bpm:g} BPM", hint=f"{_BPM[0]:g} to {_BPM[1]:g} BPM are possible")


def _key(brief: Brief) -> Problem | None:
    try:
        parse_key(brief.key or "C")
    except ValueError as error:
        return Problem(str(error), hint="write it like `D minor` or `F# major`")
    return None


def _progression(brief: Brief, parameters: ComposerParameters) -> Problem | None:
    try:
        mode = parse_key(brief.key or "C").mode
    except ValueError:
        return None  # the key's own problem
    try:
        parse_progression(parameters.progression or "i", mode)
    except ValueError as error:
        return Problem(f"progression: {error}", hint="write a numeral for each bar, such as `i VI iv V`")
    return None


def _lengths(brief: Brief) -> Problem | None:
    empty = next((section.name for section in brief.sections if not 0.0 < section.seconds < math.inf), None)
    return None if empty is None else Problem(f"section `{empty}` has no length", hint="give it `seconds` above 0")


def _bars(brief: Brief, parameters: ComposerParameters) -> Problem | None:
    """At least half a bar, and one bar for each section."""
    bpm = tempo(brief)
    if exact_bars(brief.duration_s, bpm, parameters.beats_per_bar) < 0.5:
        return Problem(
            f"{brief.duration_s:g} s are shorter than a bar at {bpm:g} BPM", hint="ask for a longer duration"
        )
    bars = whole_bars(brief.duration_s, bpm, parameters.beats_per_bar)
    if len(brief.sections) > bars:
        return Problem(f"{len(brief.sections)} sections don't fit into {bars} bars", hint="every section needs a bar")
    return None
