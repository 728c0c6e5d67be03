"""The lead and its counter-melody: the lead sheet walks in, two lines walk out.

A theme is a motif of two bars: a rhythm and a contour in scale steps. A phrase states it, answers it and comes to
rest (question and answer, after Schoenberg: Fundamentals of Musical Composition, chapters III to V). Each time
the theme returns it is developed: sequenced, inverted, ornamented, thinned out. Strong beats carry chord tones,
leaps are turned back by step, and the highest note comes once.
"""

from __future__ import annotations

from dataclasses import dataclass

from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.dice import Dice
from tydust_assetgen.generate.composer.patterns import Step, steps
from tydust_assetgen.generate.composer.players import velocity
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note
from tydust_assetgen.generate.composer.sheet import Bar, scale_at
from tydust_assetgen.generate.composer.theory import nearest, step

LEAD_RANGE = (65, 86)
COUNTER_RANGE = (55, 69)
_REST = "x-------x-------"
_CADENCES = ("x---x---x-------", "x-------x-------", "x-x-x-x-x-------", "x-----x-x-------")


@dataclass(frozen=True)
class Motif:
    """Two bars: their rhythms, and for each note its scale steps away from the bar's anchor."""

    rhythms: tuple[str, str]
    contours: tuple[tuple[int, ...], tuple[int, ...]]
    cadence: str


def motif(design: Design, theme: str, beats: int) -> Motif:
    """The motif of a theme: the best of a dozen throws."""
    dice = design.dice.fork("motif", theme)
    other = design.dice.fork("motif", "A").pick(design.style.rhythms)
    choices = design.style.rhythms if theme == "A" else [pair for pair in design.style.rhythms if pair != other]
    rhythms = dice.pick(choices)
    counts = [len(steps(rhythm, beats)) for rhythm in rhythms]
    throws = [(_contour(dice, counts[0]), _contour(dice, counts[1])) for _ in range(12)]
    return Motif(rhythms, max(throws, key=_quality), dice.pick(_CADENCES))


def _contour(dice: Dice, count: int) -> tuple[int, ...]:
    """Mostly steps, at most one leap of a third or fourth, which is turned back."""
    direction = 1 if dice.chance(0.6) else -1
    leap_at = dice.between(1, count - 1) if count > 2 and dice.chance(0.7) else -1
    contour = [0]
    for index in range(1, count):
        size = dice.between(2, 3) if index == leap_at else 1
        contour.append(contour[-1] + direction * size)
        if index == leap_at or dice.chance(0.35):
            direction = -direction
    return tuple(contour)


def _quality(bars: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
    """A good contour spans a third to a sixth, has one peak, and its bars differ."""
    together = bars[0] + bars[1]
    span = max(together) - min(together)
    peaks = together.count(max(together))
    return -abs(span - 4) - 1.5 * (peaks - 1) - 2.0 * (bars[0] == bars[1]) - 0.5 * (len(set(together)) < 4)


def lead(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The melody of the piece."""
    notes: list[Note] = []
    themes = {theme: motif(design, theme, design.beats_per_bar) for theme in ("A", "B")}
    for phrase in _phrases(sheet):
        if "lead" in phrase[0].roles:
            notes += _phrase(design, phrase, themes[phrase[0].theme], notes[-1].pitch if notes else 72)
    return tuple(_one_climax(notes, sheet))


def _phrases(sheet: tuple[Bar, ...]) -> list[list[Bar]]:
    found: list[list[Bar]] = []
    for bar in sheet:
        if bar.in_phrase == 0:
            found.append([])
        found[-1].append(bar)
    return found


def _phrase(design: Design, bars: list[Bar], theme: Motif, before: int) -> list[Note]:
    """Statement, answer, statement developed, rest."""
    line: list[tuple[Bar, Step, int]] = []
    for bar in bars:
        rhythm, contour = _material(bar, theme)
        anchor = _anchor(bar, before)
        events = steps(rhythm, bar.beats)
        for index, event in enumerate(events):
            degree = contour[index % len(contour)] if contour else 0
            pitch = _place(design, bar, event, anchor, degree, before)
            line.append((bar, event, pitch))
            before = pitch
        if bar.closes_phrase and events:
            line[-1] = (bar, events[-1], _rest_note(bar, before))
            before = line[-1][2]
    return _sing(design, _turned_back(design, line))


def _material(bar: Bar, theme: Motif) -> tuple[str, tuple[int, ...]]:
    """The rhythm and contour of a bar, by its place in the phrase and how often the theme was heard."""
    if bar.closing:
        return "x---------------", (0,)
    if bar.closes_phrase:
        return theme.cadence, tuple(reversed(theme.contours[1]))
    which = bar.in_phrase % 2
    rhythm, contour = theme.rhythms[which], theme.contours[which]
    if bar.level == 0:
        return _thinned(rhythm), contour
    turn = bar.variation % 4
    if turn == 1 and which == 1:
        contour = tuple(-degree for degree in contour)
    if turn == 2 and bar.in_phrase >= 2:
        contour = tuple(degree + 1 for degree in contour)
    if turn == 3 and which == 0:
        rhythm, contour = _ornamented(rhythm, contour)
    return rhythm, contour


def _thinned(rhythm: str) -> str:
    """Calm: only the notes on the beats and those that are long."""
    kept = list(rhythm)
    for index, letter in enumerate(rhythm):
        if letter == "x" and index % 4 and rhythm[index + 1 : index + 3] != "--":
            kept[index] = "-" if index and kept[index - 1] in "x-" else "."
    return "".join(kept)


def _ornamented(rhythm: str, contour: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """The first long note gets a neighbour before the next one."""
    place = rhythm.find("x---")
    if place < 0 or place + 2 >= len(rhythm):
        return rhythm, contour
    number = rhythm[: place + 1].count("x")
    rhythm = rhythm[: place + 2] + "x" + rhythm[place + 3 :]
    return rhythm, (*contour[:number], contour[number - 1] + 1, *contour[number:])


def _anchor(bar: Bar, before: int) -> int:
    """The chord tone near the middle of the register that energy asks for, not far from where the line is."""
    low, high = LEAD_RANGE
    arch = 2.5 if bar.in_phrase == 2 else 0.0
    wanted = low + (high - low) * (0.22 + 0.4 * bar.energy) + arch
    return nearest(round(0.55 * wanted + 0.45 * before), bar.chords[0].pcs[:3])


def _place(design: Design, bar: Bar, event: Step, anchor: int, degree: int, before: int) -> int:
    scale = scale_at(bar, event.start, design)
    pitch = step(anchor, degree, scale)
    strong = event.start % (2 * TICKS_PER_BEAT) == 0 or event.length >= TICKS_PER_BEAT
    if strong:
        pitch = nearest(pitch, bar.chord_at(event.start).pcs[:4])
    while pitch - before > 9:
        pitch -= 12
    while before - pitch > 9:
        pitch += 12
    return _within(pitch)


def _within(pitch: int) -> int:
    while pitch > LEAD_RANGE[1]:
        pitch -= 12
    while pitch < LEAD_RANGE[0]:
        pitch += 12
    return pitch


def _rest_note(bar: Bar, before: int) -> int:
    """Questions (even phrases) rest on the fifth or third, answers on the root or tonic, where the chord has them."""
    chord = bar.chords[-1]
    if bar.closing or (bar.phrase % 2 and 0 in chord.pcs):
        return _within(nearest(before, (0,)))
    wanted = tuple(pc for pc in (chord.pcs[0], chord.pcs[min(2, len(chord.pcs) - 1)]))
    return _within(nearest(before, wanted))


def _turned_back(design: Design, line: list[tuple[Bar, Step, int]]) -> list[tuple[Bar, Step, int]]:
    """After a leap of more than a fourth, a weak note steps back into the gap."""
    mended = list(line)
    for index in range(2, len(mended)):
        bar, event, pitch = mended[index]
        leap = mended[index - 1][2] - mended[index - 2][2]
        weak = event.start % (2 * TICKS_PER_BEAT) != 0 and event.length < TICKS_PER_BEAT
        if abs(leap) > 5 and weak and (pitch - mended[index - 1][2]) * leap >= 0:
            back = step(mended[index - 1][2], -1 if leap > 0 else 1, scale_at(bar, event.start, design))
            mended[index] = (bar, event, _within(back))
    return mended


def _sing(design: Design, line: list[tuple[Bar, Step, int]]) -> list[Note]:
    notes = []
    for bar, event, pitch in line:
        dice = design.dice.fork("lead", bar.index, event.start)
        accent = 8 if event.start % TICKS_PER_BEAT == 0 else 0
        length = max(60, event.length - 24)
        notes.append(
            Note(bar.start + event.start, length, pitch, velocity(74 + accent + 20 * bar.energy, dice, design))
        )
    return notes


def _one_climax(notes: list[Note], sheet: tuple[Bar, ...]) -> list[Note]:
    """Only the fullest phrase keeps the highest pitch; elsewhere it comes down to the chord tone below."""
    if len(notes) < 12:
        return notes
    top = max(note.pitch for note in notes)
    peak = max(
        (note for note in notes if note.pitch == top),
        key=lambda note: (sheet[note.start // sheet[0].ticks].energy, note.length, -note.start),
    )
    return [note if note.pitch < top or note is peak else _lowered(note, sheet) for note in notes]


def _lowered(note: Note, sheet: tuple[Bar, ...]) -> Note:
    bar = sheet[note.start // sheet[0].ticks]
    pcs = bar.chord_at(note.start - bar.start).pcs
    pitch = max(pitch for pitch in range(note.pitch - 12, note.pitch) if pitch % 12 in pcs)
    return note._replace(pitch=pitch)


def counter(design: Design, sheet: tuple[Bar, ...], melody: tuple[Note, ...]) -> tuple[Note, ...]:
    """Long notes below the lead, on chord tones that the lead leaves free, moving as little as possible."""
    notes: list[Note] = []
    for bar in sheet:
        if "counter" in bar.roles:
            for start, length, chord in _halves(bar):
                before = notes[-1].pitch if notes else 62
                sung = {
                    note.pitch % 12 for note in melody if note.start <= bar.start + start < note.start + note.length
                }
                free = tuple(pc for pc in chord if pc not in sung) or chord
                pitch = _fold(nearest(before, free))
                dice = design.dice.fork("counter", bar.index, start)
                notes.append(Note(bar.start + start, length - 24, pitch, velocity(66 + 12 * bar.energy, dice, design)))
    return tuple(notes)


def _halves(bar: Bar) -> list[tuple[int, int, tuple[int, ...]]]:
    half = 2 * TICKS_PER_BEAT
    if bar.closing:
        return [(0, bar.ticks, bar.chords[0].pcs)]
    return [(0, half, bar.chord_at(0).pcs), (half, bar.ticks - half, bar.chord_at(half).pcs)]


def _fold(pitch: int) -> int:
    low, high = COUNTER_RANGE
    return pitch - 12 if pitch > high else pitch + 12 if pitch < low else pitch
