"""Writes pads, bass, arpeggios and effects (risers, impacts, sweeps, drones) for a lead sheet.

All pitches are written in C, see `theory`.
"""

from __future__ import annotations

from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.harmony import voice_lead
from tydust_assetgen.generate.composer.lead_sheet import Bar, scale_at
from tydust_assetgen.generate.composer.rng import Rng
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note
from tydust_assetgen.generate.composer.styles import STEP, Step, steps
from tydust_assetgen.generate.composer.theory import Chord, ladder, step, triad

PAD_RANGE = (48, 70)
HIGH_PAD_RANGE = (60, 81)
BASS_RANGE = (32, 55)
ARP_RANGE = (60, 95)
_EFFECT_TONIC = 48


def velocity(base: float, rng: Rng, design: Design, spread: float = 10.0) -> int:
    """A velocity with a human touch, in steps of 8 so that equal notes are rendered once."""
    human = (rng.random() - 0.5) * 2 * spread * design.parameters.humanize
    return max(8, min(120, 8 * round((base + human) / 8)))


def pads(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """Four-part chords, voice-led; a tone that stays is held, for two bars at most."""
    return _pads(design, sheet, [bar for bar in sheet if "pad" in bar.roles], PAD_RANGE)


def high_pads(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """A second layer an octave higher, in full bars, and earlier where layers are asked for."""
    from_energy = 0.5 if design.layered else 0.72
    bars = [bar for bar in sheet if "pad" in bar.roles and bar.energy >= from_energy]
    return _pads(design, sheet, bars, HIGH_PAD_RANGE)


def _pads(design: Design, sheet: tuple[Bar, ...], playing: list[Bar], register: tuple[int, int]) -> tuple[Note, ...]:
    rng = design.rng.fork("pad", register[0])
    spans = [(bar, bar.start + start, length, chord) for bar in sheet for start, length, chord in bar.spans()]
    voicings = voice_lead([chord for *_, chord in spans], *register)
    wanted = {bar.index for bar in playing}
    notes: list[Note] = []
    held: dict[int, int] = {}  # pitch -> index of its note
    for (bar, start, length, _), voicing in zip(spans, voicings, strict=True):
        now: dict[int, int] = {}
        for pitch in voicing if bar.index in wanted else ():
            index = held.get(pitch, -1)
            if index >= 0 and notes[index].length < 2 * bar.ticks and not bar.opens_section:
                notes[index] = notes[index]._replace(length=notes[index].length + length)
            else:
                index = len(notes)
                notes.append(
                    Note(
                        start, length, pitch, velocity(58 + 30 * design.sections[bar.section].energy, rng, design, 0.0)
                    )
                )
            now[pitch] = index
        held = now
    return tuple(sorted(notes))


def bass(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The style's pattern on the chord's bass note; calm bars of some styles stay on the tonic."""
    notes: list[Note] = []
    for bar in sheet:
        if "bass" in bar.roles:
            notes += _bass_bar(design, bar)
    return tuple(sorted(notes))


def _bass_bar(design: Design, bar: Bar) -> list[Note]:
    rng = design.rng.fork("bass", bar.index)
    if bar.closing:
        return [Note(bar.start, bar.ticks, _bass_root(bar.chords[0].bass), 100)]
    choices = design.style.bass[bar.level]
    pattern = design.rng.fork("bass pattern", bar.level, bar.theme, bar.section).choice(choices)
    notes = []
    for event in _at_changes(bar, steps(pattern, bar.beats)):
        pitch = _bass_pitch(design, bar, event)
        accent = 12 if event.start % TICKS_PER_BEAT == 0 else 0
        length = max(STEP - 20, event.length - 20)
        notes.append(
            Note(bar.start + event.start, length, pitch, velocity(78 + accent + 14 * bar.energy, rng, design, 5))
        )
    return notes


def _at_changes(bar: Bar, events: tuple[Step, ...]) -> list[Step]:
    """The events, and the new root wherever the chord changes under a held note."""
    found: list[Step] = []
    for event in events:
        change = bar.spans()[-1][0]
        if event.start < change < event.start + event.length:
            found.append(event._replace(length=change - event.start))
            found.append(Step(change, event.start + event.length - change, "1"))
        else:
            found.append(event)
    return found


def _bass_pitch(design: Design, bar: Bar, event: Step) -> int:
    chord = bar.chord_at(event.start)
    root = _bass_root(chord.bass)
    if event.letter == "n":
        return _approach(design, bar, event, root)
    tone = {"1": 0, "8": 12, "5": _tone(chord, 6, 8, 0), "3": _tone(chord, 3, 4, 0), "7": _tone(chord, 9, 11, 12)}
    over_root = chord.bass == chord.root
    pitch = root + (tone[event.letter] if over_root or event.letter in "18" else 0)
    return pitch if pitch <= BASS_RANGE[1] else pitch - 12


def _tone(chord: Chord, low: int, high: int, otherwise: int) -> int:
    """The chord's tone between two intervals above its root, else another interval."""
    return next((tone for tone in chord.tones if low <= tone <= high), otherwise)


def _bass_root(pc: int) -> int:
    """From the E below the tonic to the E flat above it."""
    return next(pitch for pitch in range(BASS_RANGE[0], BASS_RANGE[0] + 12) if pitch % 12 == pc)


def _approach(design: Design, bar: Bar, event: Step, root: int) -> int:
    """One scale step away from the next root, on the side from which we come."""
    target = _bass_root(bar.next_chord.bass)
    if target == root:
        return root + 12 if root + 12 <= BASS_RANGE[1] else root
    pitch = step(target, -1 if target > root else 1, scale_at(bar, event.start, design))
    return pitch if pitch != target else root


def arpeggios(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """Broken chords on the grid; the pattern stays for a section and theme, its ladder follows the chord."""
    notes: list[Note] = []
    for bar in sheet:
        if "arp" in bar.roles:
            busy = bar.busy >= 0.5
            pattern = design.rng.fork("arp pattern", busy, bar.section, bar.theme).choice(design.style.arps[int(busy)])
            notes += _last_chord(design, bar) if bar.closing else _arp_bar(design, bar, pattern, ARP_RANGE[0])
    return tuple(sorted(notes))


def slow_arpeggios(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """A second, slower layer below the first, in full bars, and earlier where layers are asked for."""
    from_energy = 0.5 if design.layered else 0.78
    pattern = design.rng.fork("slow arp").choice(design.style.arps[0])
    bars = [bar for bar in sheet if "arp" in bar.roles and bar.energy >= from_energy and not bar.closing]
    return tuple(sorted(note for bar in bars for note in _arp_bar(design, bar, pattern, ARP_RANGE[0] - 8)))


def _arp_bar(design: Design, bar: Bar, pattern: str, low: int) -> list[Note]:
    rng = design.rng.fork("arp", low, bar.index)
    notes = []
    for event in steps(pattern, bar.beats):
        rungs = ladder(_colours(design, bar.chord_at(event.start)), low, 8)
        accent = 14 if event.start % TICKS_PER_BEAT == 0 else 0
        loud = velocity(56 + accent + 22 * bar.energy, rng, design, 8)
        notes.append(Note(bar.start + event.start, max(60, event.length - 20), rungs[int(event.letter)], loud))
    return notes


def _colours(design: Design, chord: Chord) -> tuple[int, ...]:
    return tuple(sorted(triad(chord, design.key.mode)))


def _last_chord(design: Design, bar: Bar) -> list[Note]:
    """The tonic chord, rolled upwards once and held."""
    rungs = ladder(_colours(design, bar.chords[0]), ARP_RANGE[0], 4)
    return [
        Note(bar.start + index * STEP // 2, bar.ticks - index * STEP // 2, pitch, 88 - 4 * index)
        for index, pitch in enumerate(rungs)
    ]


def risers(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The bar before a section that is clearly fuller."""
    return tuple(
        Note(bar.start, bar.ticks, _EFFECT_TONIC + 12, 80) for bar, gain in _borders(design, sheet) if gain > 0.2
    )


def impacts(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The first beat of a section that is clearly fuller."""
    starts = sorted((bar.index + 1) % len(sheet) for bar, gain in _borders(design, sheet) if gain > 0.2)
    return tuple(Note(sheet[index].start, sheet[index].ticks, _EFFECT_TONIC - 12, 92) for index in starts)


def sweeps(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The first bar of a section that is clearly calmer."""
    starts = sorted((bar.index + 1) % len(sheet) for bar, gain in _borders(design, sheet) if gain < -0.2)
    return tuple(Note(sheet[index].start, sheet[index].ticks, _EFFECT_TONIC + 12, 64) for index in starts)


def drones(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The tonic, two bars at a time, under calm bars of dark styles, and wherever a drone is asked for."""
    asked = design.patches.get("fx") == "drone"
    if not asked and design.style.pedal == 0.0:
        return ()
    quiet = [
        bar for bar in sheet if "fx" in bar.roles and bar.energy < (0.6 if asked else 0.45) and bar.in_section % 2 == 0
    ]
    return tuple(Note(bar.start, bar.ticks * (1 if bar.closes_section else 2), _EFFECT_TONIC - 12, 64) for bar in quiet)


def _borders(design: Design, sheet: tuple[Bar, ...]) -> list[tuple[Bar, float]]:
    """The last bar of each section and how much fuller the next one is; the loop's end meets its beginning."""
    found = []
    for bar in sheet:
        follower = sheet[(bar.index + 1) % len(sheet)]
        wraps = bar.index == len(sheet) - 1 and not design.loops
        if bar.closes_section and not wraps and "fx" in bar.roles and len(design.sections) > 1:
            found.append((bar, follower.energy - bar.energy))
    return found
