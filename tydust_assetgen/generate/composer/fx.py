"""Risers, impacts, sweeps and drones: the lead sheet walks in, parts of role `fx` walk out."""

from __future__ import annotations

from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.lead_sheet import Bar
from tydust_assetgen.generate.composer.score import Note

_TONIC = 48


def risers(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The bar before a section that is clearly fuller."""
    return tuple(Note(bar.start, bar.ticks, _TONIC + 12, 80) for bar, gain in _borders(design, sheet) if gain > 0.2)


def impacts(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The first beat of a section that is clearly fuller."""
    starts = sorted((bar.index + 1) % len(sheet) for bar, gain in _borders(design, sheet) if gain > 0.2)
    return tuple(Note(sheet[index].start, sheet[index].ticks, _TONIC - 12, 92) for index in starts)


def sweeps(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The first bar of a section that is clearly calmer."""
    starts = sorted((bar.index + 1) % len(sheet) for bar, gain in _borders(design, sheet) if gain < -0.2)
    return tuple(Note(sheet[index].start, sheet[index].ticks, _TONIC + 12, 64) for index in starts)


def drones(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The tonic, two bars at a time, under calm bars of dark styles, and wherever a drone is asked for."""
    asked = design.patches.get("fx") == "drone"
    if not asked and design.style.pedal == 0.0:
        return ()
    quiet = [
        bar for bar in sheet if "fx" in bar.roles and bar.energy < (0.6 if asked else 0.45) and bar.in_section % 2 == 0
    ]
    return tuple(Note(bar.start, bar.ticks * (1 if bar.closes_section else 2), _TONIC - 12, 64) for bar in quiet)


def _borders(design: Design, sheet: tuple[Bar, ...]) -> list[tuple[Bar, float]]:
    """The last bar of each section and how much fuller the next one is; the loop's end meets its beginning."""
    found = []
    for bar in sheet:
        follower = sheet[(bar.index + 1) % len(sheet)]
        wraps = bar.index == len(sheet) - 1 and not design.loops
        if bar.closes_section and not wraps and "fx" in bar.roles and len(design.sections) > 1:
            found.append((bar, follower.energy - bar.energy))
    return found
