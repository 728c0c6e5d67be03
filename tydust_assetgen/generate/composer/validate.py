"""Finds what the composer can't do of a brief, in words for a person."""

from __future__ import annotations

import math

import msgspec

from tydust_assetgen.errors import Problem
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer.design import read_parameters, tempo
from tydust_assetgen.generate.composer.form import exact_bars, whole_bars
from tydust_assetgen.generate.composer.parameters import ComposerParameters
from tydust_assetgen.generate.composer.theory import parse_key, parse_progression

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
