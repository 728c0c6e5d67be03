"""The composer's desk: a `Brief` walks in, a `Score` walks out. Pure: one brief, one score, everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer import chip, effects, melody, players
from tydust_assetgen.generate.composer.design import Design, design
from tydust_assetgen.generate.composer.drums import drums
from tydust_assetgen.generate.composer.patterns import STEP
from tydust_assetgen.generate.composer.score import Note, Part, Role, Score
from tydust_assetgen.generate.composer.sheet import Bar, lead_sheet
from tydust_assetgen.generate.composer.styles.style import Mix


def compose(brief: Brief) -> Score:
    """Write a piece.

    Raises:
        ValueError: the key or the progression can't be read (see `Composer.check`).
        msgspec.ValidationError: the parameters are out of range.
    """
    plan = design(brief)
    sheet = lead_sheet(plan)
    parts = _chip_band(plan, sheet) if plan.style.name == "chiptune" else _band(plan, sheet)
    return Score(
        title=brief.prompt[:60],
        style=plan.style.name,
        key=plan.key.name,
        bpm=plan.bpm,
        beats_per_bar=plan.beats_per_bar,
        bars=plan.bars,
        passages=tuple(section.passage for section in plan.sections),
        parts=tuple(part for part in parts if part.notes),
        loops=plan.loops,
        reverb_size=plan.style.reverb_size,
        delay_beats=plan.style.delay_beats,
        drive=plan.style.drive,
        seed=brief.seed,
    )


def _band(plan: Design, sheet: tuple[Bar, ...]) -> list[Part]:
    line = melody.lead(plan, sheet)
    fx = plan.style.mix["fx"]
    return [
        _part(plan, "pad", players.pads(plan, sheet)),
        _part(plan, "bass", players.bass(plan, sheet)),
        _part(plan, "arp", players.arpeggios(plan, sheet)),
        _part(plan, "lead", line),
        _part(plan, "counter", melody.counter(plan, sheet, line)),
        _part(plan, "drums", drums(plan, sheet)),
        _part(plan, "fx", effects.risers(plan, sheet), "riser", fx),
        _part(plan, "fx", effects.impacts(plan, sheet), "impact", fx),
        _part(plan, "fx", effects.sweeps(plan, sheet), "noise_sweep", fx),
        _part(plan, "fx", effects.drones(plan, sheet), "drone", fx),
    ]


def _chip_band(plan: Design, sheet: tuple[Bar, ...]) -> list[Part]:
    """Two pulses, a triangle and noise, each one note at a time."""
    return [
        _part(plan, "arp", chip.one_voice(players.arpeggios(plan, sheet))),
        _part(plan, "bass", chip.one_voice(players.bass(plan, sheet))),
        _part(plan, "lead", chip.one_voice(melody.lead(plan, sheet))),
        _part(plan, "drums", chip.one_drum(drums(plan, sheet))),
    ]


def _part(plan: Design, role: Role, notes: Iterable[Note], patch: str = "", mix: Mix | None = None) -> Part:
    mix = mix or plan.style.mix[role]
    shift = 0 if role == "drums" else _transposition(plan) + 12 * plan.parameters.melody_octave * (role == "lead")
    moved = tuple(sorted(_swung(plan, note)._replace(pitch=note.pitch + shift) for note in notes))
    reverb = min(1.0, mix.reverb * plan.parameters.reverb)
    delay = min(1.0, mix.delay * plan.parameters.delay)
    return Part(role, patch or plan.patches[role], moved, mix.gain_db, mix.pan, reverb, delay)


def _transposition(plan: Design) -> int:
    """From C to the key: 4 semitones down (A flat) to 7 up (G)."""
    return plan.key.tonic - 12 if plan.key.tonic > 7 else plan.key.tonic


def _swung(plan: Design, note: Note) -> Note:
    """Every second sixteenth comes late: by a third of its length at full swing."""
    late = round(plan.parameters.swing * STEP / 3) if note.start % (2 * STEP) == STEP else 0
    return note._replace(start=note.start + late, length=max(1, note.length - late))
