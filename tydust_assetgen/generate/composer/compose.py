"""Writes the score of a brief: the same brief gives the same score, everywhere.

A draft whose key is not clear is written again with other random numbers, a few times; the clearest is kept.

Chiptune is limited to what an old console can play: two pulses, a triangle and noise, each one note at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from textwrap import shorten

from msgspec.structs import replace as replace_fields

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer import accompaniment
from tydust_assetgen.generate.composer.design import Design, design
from tydust_assetgen.generate.composer.drums import drums
from tydust_assetgen.generate.composer.key_clarity import CLEAR, margin
from tydust_assetgen.generate.composer.lead_sheet import Bar, lead_sheet, scale_at
from tydust_assetgen.generate.composer.melody import counter_melody, lead
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note, Part, Role, Score
from tydust_assetgen.generate.composer.styles import STEP, Mix
from tydust_assetgen.generate.composer.theory import step, triad

_DRAFTS = 6
_TRIM_DB = {"choir_pad": -4.0, "strings": 1.5, "dark_pad": 1.0, "soft_lead": 1.5}
"""What makes patches of a role equally loud in a chord or line of the usual register, as measured (BS.1770)."""


def compose(brief: Brief) -> Score:
    """Write a piece.

    Raises:
        ValueError: the key or the progression can't be read (see `Composer.check`).
        msgspec.ValidationError: the parameters are out of range.
    """
    plan = design(brief)
    parts = _clearest(plan)
    return Score(
        title=shorten(brief.prompt, 60, placeholder="..."),
        style=plan.style.name,
        key=plan.key.name,
        bpm=plan.bpm,
        beats_per_bar=plan.beats_per_bar,
        bars=plan.bars,
        passages=tuple(section.passage for section in plan.sections),
        parts=parts,
        loops=plan.loops,
        reverb_size=plan.style.reverb_size,
        delay_beats=plan.style.delay_beats,
        drive=plan.style.drive,
        seed=brief.seed,
    )


def _clearest(plan: Design) -> tuple[Part, ...]:
    """The first draft that is clear about its key, else the clearest; then drums and effects to go with it."""
    drafts: list[tuple[float, Design, tuple[Bar, ...], list[Part]]] = []
    for number in range(_DRAFTS):
        drafted = replace(plan, rng=plan.rng.fork("draft", number))
        sheet = lead_sheet(drafted)
        parts = _pitched(drafted, sheet)
        clear = margin(parts, plan.key.tonic, plan.key.mode, 2.0 * TICKS_PER_BEAT * plan.bpm / 60)
        drafts.append((clear, drafted, sheet, parts))
        if clear >= CLEAR:
            break
    _, drafted, sheet, parts = max(drafts, key=lambda draft: draft[0])
    return tuple(part for part in (*parts, *_unpitched(drafted, sheet)) if part.notes)


def _pitched(plan: Design, sheet: tuple[Bar, ...]) -> list[Part]:
    """Everyone who has a say in what key it is."""
    if plan.style.name == "chiptune":
        return _chip_band(plan, sheet)
    line = lead(plan, sheet)
    band: list[tuple[Role, tuple[Note, ...]]] = [
        ("pad", accompaniment.pads(plan, sheet)),
        ("bass", accompaniment.bass(plan, sheet)),
        ("arp", accompaniment.arpeggios(plan, sheet)),
        ("lead", line),
        ("counter", counter_melody(plan, sheet, line)),
    ]
    return [
        *(part for role, notes in band for part in _by_patch(plan, sheet, role, notes)),
        *_layers(plan, sheet),
        _part(plan, "fx", accompaniment.drones(plan, sheet), "drone"),
    ]


def _unpitched(plan: Design, sheet: tuple[Bar, ...]) -> list[Part]:
    """Drums and noises."""
    if plan.style.name == "chiptune":
        return [_part(plan, "drums", one_drum(drums(plan, sheet)))]
    return [
        *_by_patch(plan, sheet, "drums", drums(plan, sheet)),
        _part(plan, "fx", accompaniment.risers(plan, sheet), "riser"),
        _part(plan, "fx", accompaniment.impacts(plan, sheet), "impact"),
        _part(plan, "fx", accompaniment.sweeps(plan, sheet), "noise_sweep"),
    ]


def _by_patch(plan: Design, sheet: tuple[Bar, ...], role: Role, notes: tuple[Note, ...]) -> list[Part]:
    """A role's notes on the patches that its sections ask for, a part for each patch."""
    found: dict[str, list[Note]] = {}
    for note in notes:
        section = plan.sections[sheet[note.start // sheet[0].ticks].section]
        found.setdefault(section.patches.get(role, plan.patches[role]), []).append(note)
    return [_part(plan, role, played, patch) for patch, played in found.items()]


def _layers(plan: Design, sheet: tuple[Bar, ...]) -> list[Part]:
    """A second pad an octave higher and a second arpeggio on the other side, where the music is full or asks for it."""
    pad, arp = plan.style.mix["pad"], plan.style.mix["arp"]
    high = "glass_pad" if plan.patches["pad"] != "glass_pad" else "strings"
    other = "fm_arp" if plan.patches["arp"] != "fm_arp" else "pulse_arp"
    return [
        _part(plan, "pad", accompaniment.high_pads(plan, sheet), high, replace_fields(pad, gain_db=pad.gain_db - 5.0)),
        _part(plan, "arp", accompaniment.slow_arpeggios(plan, sheet), other,
              replace_fields(arp, gain_db=arp.gain_db - 3.0, pan=-arp.pan)),
    ]  # fmt: skip


def _chip_band(plan: Design, sheet: tuple[Bar, ...]) -> list[Part]:
    """Two pulses, a triangle and noise, each one note at a time; the second pulse echoes the first in calm bars."""
    line = one_voice(lead(plan, sheet))
    harmony = thirds(plan, line, sheet) if plan.thirds else ()
    second = second_pulse(line, accompaniment.arpeggios(plan, sheet), harmony, sheet)
    return [
        _part(plan, "arp", second),
        _part(plan, "bass", one_voice(accompaniment.bass(plan, sheet))),
        _part(plan, "lead", line),
    ]


def _part(plan: Design, role: Role, notes: Iterable[Note], patch: str = "", mix: Mix | None = None) -> Part:
    mix = mix or plan.style.mix[role]
    shift = 0 if role == "drums" else _transposition(plan) + 12 * plan.parameters.melody_octave * (role == "lead")
    moved = tuple(sorted(_moved(plan, note, shift) for note in notes))
    reverb = min(1.0, mix.reverb * plan.parameters.reverb)
    delay = min(1.0, mix.delay * plan.parameters.delay)
    patch = patch or plan.patches[role]
    gain_db = mix.gain_db + _TRIM_DB.get(patch, 0.0) - (1.5 if role == "drums" and plan.sparse_drums else 0.0)
    return Part(role, patch, moved, gain_db, mix.pan, reverb, delay)


def _transposition(plan: Design) -> int:
    """From C to the key: 4 semitones down (A flat) to 7 up (G)."""
    return plan.key.tonic - 12 if plan.key.tonic > 7 else plan.key.tonic


def _moved(plan: Design, note: Note, shift: int) -> Note:
    """To its key; every second sixteenth comes late by up to a third of its length (full swing is triplets)."""
    late = round(plan.parameters.swing * STEP / 3) if note.start % (2 * STEP) == STEP else 0
    return Note(note.start + late, max(1, note.length - late), note.pitch + shift, note.velocity)


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
