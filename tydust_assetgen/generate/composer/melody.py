"""Writes the lead melody and the counter-melody.

Motifs say when notes begin and how they should move; the chords say where a note may rest. Both are weighed in
one search over each phrase (Viterbi): the cheapest line follows the contour, carries chord tones on strong beats, moves
mostly by step, and ends a question on an open tone, an answer on the root. The highest note comes once.

The counter-melody has half notes below the lead, on chord tones that the lead leaves free, as near as can be, and moves
against the lead where both move (contrary motion, the first rule of every book on counterpoint).
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from tydust_assetgen.generate.composer.accompaniment import velocity
from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.lead_sheet import Bar, scale_at
from tydust_assetgen.generate.composer.motif import Motif, material, motif
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note
from tydust_assetgen.generate.composer.styles import Step, steps
from tydust_assetgen.generate.composer.theory import SCALES, triad

LEAD_RANGE = (64, 86)
_REACH = 4
"""How many scale steps the search may leave the contour."""


class Moment(NamedTuple):
    """A note to be found: where the contour wants it, and what the harmony allows."""

    target: int
    """Scale steps above the tonic at 60."""
    strong: bool
    beat: bool
    pcs: tuple[int, ...]
    """The chord's pitch classes."""
    scale: tuple[int, ...]
    mediant: int
    """The pitch class that tells minor from major."""
    rests: tuple[int, ...]
    """Pitch classes on which the phrase may end; empty for all but its last note."""


Node: TypeAlias = tuple[float, int, int, int]
"""In the search: cost so far, pitch, scale step, index of the node before."""


def lead(design: Design, sheet: tuple[Bar, ...]) -> tuple[Note, ...]:
    """The melody of the piece."""
    themes: dict[str, Motif] = {}
    notes: list[Note] = []
    for phrase in phrases(sheet):
        name = phrase[0].theme
        if "lead" in phrase[0].roles:
            themes.setdefault(name, motif(design, name))
            notes += _phrase(design, phrase, themes[name])
    return tuple(_one_climax(notes, sheet))


def phrases(sheet: tuple[Bar, ...]) -> list[list[Bar]]:
    """The bars, phrase by phrase."""
    found: list[list[Bar]] = []
    for bar in sheet:
        if bar.in_phrase == 0:
            found.append([])
        found[-1].append(bar)
    return found


def _phrase(design: Design, bars: list[Bar], theme: Motif) -> list[Note]:
    found = [moment for bar in bars for moment in _moments(design, bar, theme)]
    if not found:
        return []
    moments = [moment for *_, moment in found]
    moments[-1] = moments[-1]._replace(rests=_rests(design, bars[-1]))
    pitches = _cheapest(tuple(moments))
    return [
        _sung(design, bar, event, moment.strong, pitch)
        for (bar, event, moment), pitch in zip(found, pitches, strict=True)
    ]


def _moments(design: Design, bar: Bar, theme: Motif) -> list[tuple[Bar, Step, Moment]]:
    rhythm, contour = material(bar, theme)
    home = 4 + round(4 * bar.energy)  # scale steps above the tonic: from the fifth up to the octave
    return [
        (bar, event, _moment(design, bar, event, home + contour[index % len(contour)]))
        for index, event in enumerate(steps(rhythm, bar.beats))
    ]


def _moment(design: Design, bar: Bar, event: Step, target: int) -> Moment:
    mode = design.key.mode
    return Moment(
        target=target,
        strong=event.start % (2 * TICKS_PER_BEAT) == 0 or event.length >= 2 * TICKS_PER_BEAT,
        beat=event.start % TICKS_PER_BEAT == 0 or event.length >= TICKS_PER_BEAT,
        pcs=triad(bar.chord_at(event.start), mode),
        scale=scale_at(bar, event.start, design),
        mediant=SCALES[mode][2],
        rests=(),
    )


def _rests(design: Design, bar: Bar) -> tuple[int, ...]:
    """Questions (even phrases) rest on third or fifth, answers on the root, the end of a piece on the tonic."""
    pcs = triad(bar.chords[-1], design.key.mode)
    if bar.closing:
        return (0,)
    if bar.phrase % 2:
        return (0,) if 0 in pcs else (pcs[0],)
    return pcs[1:3]


@lru_cache(maxsize=1024)
def _cheapest(moments: tuple[Moment, ...]) -> tuple[int, ...]:
    """The line of least cost (A. Viterbi, IEEE Trans. Information Theory 13, 1967), ties to the lower pitch."""
    best = [(cost, pitch, degree, -1) for pitch, degree, cost in _choices(moments[0])]
    rows = [best]
    for before, moment in pairwise(moments):
        best = [_reached(best, choice, moment.target - before.target) for choice in _choices(moment)]
        rows.append(best)
    return _turned_back(moments, _traced(rows))


def _reached(best: list[Node], choice: tuple[int, int, float], wanted: int) -> Node:
    """The cheapest way to a note from any note before it."""
    pitch, degree, cost = choice
    total, index = min((old[0] + _move(pitch - old[1], degree - old[2], wanted), at) for at, old in enumerate(best))
    return total + cost, pitch, degree, index


def _traced(rows: list[list[Node]]) -> list[int]:
    index = min(range(len(rows[-1])), key=lambda number: rows[-1][number][:2])
    line = []
    for row in reversed(rows):
        line.append(row[index][1])
        index = row[index][3]
    return line[::-1]


@lru_cache(maxsize=4096)
def _choices(moment: Moment) -> list[tuple[int, int, float]]:
    """Pitch, scale step and own cost of every note within reach."""
    found = []
    for degree in range(moment.target - _REACH, moment.target + _REACH + 1):
        octave, index = divmod(degree, 7)
        pitch = 60 + 12 * octave + moment.scale[index]
        if LEAD_RANGE[0] <= pitch <= LEAD_RANGE[1]:
            found.append((pitch, degree, _own_cost(moment, pitch % 12, abs(degree - moment.target))))
    return found


def _own_cost(moment: Moment, pc: int, off: int) -> float:
    cost = 0.7 * off - 0.8 * (pc == moment.mediant)
    if pc not in moment.pcs:
        cost += 8.0 * moment.strong + 2.0 * moment.beat
    if moment.rests and pc not in moment.rests:
        cost += 6.0
    return cost


@lru_cache(maxsize=8192)
def _move(semitones: int, degrees: int, wanted: int) -> float:
    """What it costs to go from one note to the next."""
    size = abs(semitones)
    cost = abs(degrees - wanted) * 1.0 + 0.25 * max(0, size - 2) + 1.0 * max(0, size - 5)
    if degrees == 0 and wanted:
        cost += 2.0
    if size == 6 or (size == 3 and abs(degrees) == 1):  # tritone, augmented second
        cost += 3.0
    return cost


def _turned_back(moments: tuple[Moment, ...], line: list[int]) -> tuple[int, ...]:
    """After a leap of a fifth or more a weak note steps back into the gap."""
    turned = list(line)
    for index in range(2, len(turned)):
        leap = turned[index - 1] - turned[index - 2]
        onward = (turned[index] - turned[index - 1]) * leap >= 0
        if abs(leap) > 6 and onward and not moments[index].beat and not moments[index].rests:
            side = range(1, 3) if leap < 0 else range(-1, -3, -1)
            turned[index] = next(
                turned[index - 1] + s for s in side if (turned[index - 1] + s) % 12 in moments[index].scale
            )
    return tuple(turned)


def _sung(design: Design, bar: Bar, event: Step, strong: bool, pitch: int) -> Note:
    start = bar.start + event.start
    rng = design.rng.fork("lead", start)
    accent = 8 if strong else 0
    length = max(60, event.length - 24)
    return Note(start, length, pitch, velocity(74 + accent + 20 * bar.energy, rng, design))


def _one_climax(notes: list[Note], sheet: tuple[Bar, ...]) -> list[Note]:
    """Only the fullest bar keeps the highest pitch; elsewhere it comes down to the chord tone below."""
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


COUNTER_RANGE = (55, 70)
_COUNTER_START = 62


def counter_melody(design: Design, sheet: tuple[Bar, ...], melody: tuple[Note, ...]) -> tuple[Note, ...]:
    """The line, in the bars where it plays."""
    notes: list[Note] = []
    starts = [note.start for note in melody]
    for bar in sheet:
        if "counter" in bar.roles:
            for start, length in _counter_spans(bar):
                before = notes[-1].pitch if notes else _COUNTER_START
                now = melody[max(0, bisect_right(starts, start) - 1)].pitch if melody else 0
                last = melody[max(0, bisect_right(starts, start - length) - 1)].pitch if melody else 0
                pitch = _counter_tone(triad(bar.chord_at(start - bar.start), design.key.mode), before, now, now - last)
                rng = design.rng.fork("counter", start)
                notes.append(Note(start, length - 24, pitch, velocity(64 + 14 * bar.energy, rng, design)))
    return tuple(notes)


def _counter_spans(bar: Bar) -> list[tuple[int, int]]:
    half = 2 * TICKS_PER_BEAT
    if bar.closing:
        return [(bar.start, bar.ticks)]
    return [(bar.start, half), (bar.start + half, bar.ticks - half)]


def _counter_tone(pcs: tuple[int, ...], before: int, melody: int, moved: int) -> int:
    """The cheapest chord tone: near, not standing still, not the melody's own, against its motion."""

    def cost(pitch: int) -> tuple[float, int]:
        step = pitch - before
        same_way = 2.0 if step * moved > 0 else 0.0
        return abs(step) + 1.5 * (step == 0) + 4.0 * (pitch % 12 == melody % 12) + same_way, pitch

    low, high = COUNTER_RANGE
    return min((pitch for pitch in range(low, high + 1) if pitch % 12 in pcs), key=cost)
