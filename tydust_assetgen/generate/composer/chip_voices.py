"""Limits parts to what an old console can play: one note at a time on each channel."""

from __future__ import annotations

from collections.abc import Iterable

from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.lead_sheet import Bar, scale_at
from tydust_assetgen.generate.composer.score import Note
from tydust_assetgen.generate.composer.styles import STEP
from tydust_assetgen.generate.composer.theory import step, triad

_ECHO_TICKS = 3 * STEP
# Which drum sounds when several want the one noise channel.
_RANK = {49: 5, 38: 4, 39: 4, 36: 3, 46: 2, 42: 1}


def one_voice(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Every note ends where the next begins; of several that begin together the highest sounds."""
    by_start = {note.start: note for note in sorted(notes)}
    line = [by_start[start] for start in sorted(by_start)]
    ends = [*(note.start for note in line[1:]), 1 << 30]
    return tuple(
        note._replace(length=min(note.length, end - note.start)) for note, end in zip(line, ends, strict=False)
    )


def one_drum(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Of several drums that begin together the most important one sounds."""
    ranked = sorted(notes, key=lambda note: (note.start, _RANK.get(note.pitch, 0), note.pitch))
    return one_voice({note.start: note for note in ranked}.values())


def second_pulse(
    line: tuple[Note, ...], arpeggios: tuple[Note, ...], harmony: tuple[Note, ...], sheet: tuple[Bar, ...]
) -> tuple[Note, ...]:
    """The second voice of the lead where there is one, else arpeggios, and where they rest an echo of the lead."""
    ticks = sheet[0].ticks
    sung = {note.start // ticks for note in harmony}
    broken = [note for note in arpeggios if note.start // ticks not in sung]
    taken = sung | {note.start // ticks for note in broken}
    echo = [
        note._replace(start=note.start + _ECHO_TICKS, velocity=max(8, note.velocity - 40))
        for note in line
        if (note.start + _ECHO_TICKS) // ticks not in taken and note.start + _ECHO_TICKS < len(sheet) * ticks
    ]
    return one_voice([*harmony, *broken, *echo])


def thirds(design: Design, line: tuple[Note, ...], sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """A second voice a third below the lead, a fourth where only that is in the chord, in full bars."""
    found = []
    for note in line:
        bar = sheet[note.start // sheet[0].ticks]
        if bar.level == 2 and not bar.closing:
            tick = note.start - bar.start
            third, fourth = (step(note.pitch, down, scale_at(bar, tick, design)) for down in (-2, -3))
            chord = triad(bar.chord_at(tick), design.key.mode)
            pitch = fourth if third % 12 not in chord and fourth % 12 in chord else third
            found.append(note._replace(pitch=pitch, velocity=max(8, note.velocity - 16)))
    return tuple(found)
