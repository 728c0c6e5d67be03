"""Writes the drums for a lead sheet, as General MIDI percussion.

A groove stays for a section; every fourth bar varies it, a section ends with a fill and begins with a crash.
"""

from __future__ import annotations

from tydust_assetgen.generate.composer.accompaniment import velocity
from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.lead_sheet import Bar
from tydust_assetgen.generate.composer.rng import Rng
from tydust_assetgen.generate.composer.score import Note
from tydust_assetgen.generate.composer.styles import DRUM_KEYS, STEP, Groove, fit, steps

_LOUDNESS = {"X": 112.0, "x": 88.0, "o": 50.0}
_QUIETER = {"hat": -18.0, "shaker": -20.0, "open_hat": -14.0, "ride": -14.0, "tambourine": -16.0, "rim": -14.0}


def drums(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """All drums of the piece."""
    notes: set[Note] = set()
    for bar in sheet:
        if "drums" in bar.roles:
            notes.update(_bar(design, sheet, bar))
    return _one_hit_a_key(notes)


def _one_hit_a_key(notes: set[Note]) -> tuple[Note, ...]:
    loudest: dict[tuple[int, int], Note] = {}
    for note in sorted(notes):
        place = (note.start, note.pitch)
        if place not in loudest or note.velocity > loudest[place].velocity:
            loudest[place] = note
    return tuple(sorted(loudest.values()))


def _bar(design: Design, sheet: tuple[Bar, ...], bar: Bar) -> list[Note]:
    rng = design.rng.fork("drums", bar.index)
    if bar.closing:
        return [Note(bar.start, STEP, DRUM_KEYS["kick"], 112), Note(bar.start, STEP, DRUM_KEYS["crash"], 96)]
    groove = _groove(design, bar)
    notes = [note for name, pattern in groove.items() for note in _line(design, bar, name, pattern, rng)]
    notes += _crash(design, sheet, bar)
    return notes + _ghosts(design, bar, rng)


def _groove(design: Design, bar: Bar) -> Groove:
    level = max(0, bar.level - 1) if design.sparse_drums else bar.level
    choices = design.style.drums[level]
    groove = design.rng.fork("groove", level, bar.section).choice(choices)
    if bar.closes_section and bar.section_bars >= 4 and bar.level and design.parameters.fills:
        return _with_fill(groove, design.rng.fork("fill", bar.section).choice(design.style.fills))
    if bar.closes_phrase and level and "hat" in groove:
        return {**groove, "open_hat": "..............x."}
    return groove


def _with_fill(groove: Groove, fill: Groove) -> Groove:
    """The groove up to where the fill begins, then the fill; the hats stay out of it."""
    begin = min(
        pattern.index(hit) for name, pattern in fill.items() for hit in "Xxo" if hit in pattern and name != "kick"
    )
    kept = {name: pattern[:begin] + "." * (16 - begin) for name, pattern in groove.items()}
    return {**kept, **{name: _over(kept.get(name, "." * 16), pattern, begin) for name, pattern in fill.items()}}


def _over(below: str, above: str, begin: int) -> str:
    return below[:begin] + above[begin:]


def _line(design: Design, bar: Bar, name: str, pattern: str, rng: Rng) -> list[Note]:
    return [
        Note(
            bar.start + event.start, STEP, DRUM_KEYS[name],
            velocity(_LOUDNESS[event.letter] + _QUIETER.get(name, 0.0) + 12 * (bar.energy - 0.5), rng, design, 8),
        )
        for event in steps(pattern, bar.beats)
    ]  # fmt: skip


def _crash(design: Design, sheet: tuple[Bar, ...], bar: Bar) -> list[Note]:
    """Where a section of some energy begins, and not quieter than the one before."""
    before = sheet[bar.index - 1]
    if not bar.opens_section or bar.energy < 0.5 or design.sparse_drums or before.energy > bar.energy + 0.15:
        return []
    return [Note(bar.start, 2 * STEP, DRUM_KEYS["crash"], 92)]


def _ghosts(design: Design, bar: Bar, rng: Rng) -> list[Note]:
    """Soft snares on weak sixteenths, in full bars."""
    share = 0.10 * (design.parameters.density * 2) * (bar.energy >= 0.6) * (not design.sparse_drums)
    places = [index for index in range(len(fit("." * 16, bar.beats))) if index % 4 in (1, 3) and index > 2]
    snare = DRUM_KEYS["snare"]
    return [Note(bar.start + index * STEP, STEP, snare, 36) for index in places if rng.chance(share)]
