"""Invents the motif of each theme, its rhythm and contour, and develops it when the theme returns.

A motif is two bars long. A phrase states it, states it again elsewhere, and comes to rest; each return of the theme
changes one thing: inverted answer, higher sequence, ornament (Schoenberg: Fundamentals of Musical Composition,
chapters II to V).
"""

from __future__ import annotations

from dataclasses import dataclass

from tydust_assetgen.generate.composer.design import Design
from tydust_assetgen.generate.composer.lead_sheet import Bar
from tydust_assetgen.generate.composer.rng import Rng
from tydust_assetgen.generate.composer.styles import steps

Contour = tuple[int, ...]

_CADENCES = ("x---x---x-------", "x-----x-x-------", "x-x-x-x-x-------", "x--x--x-x-------")
# Where each bar of a phrase stands, in scale steps from its first: sequences up, down, and back.
_SEQUENCES = ((0, 0, 1), (0, -1, 1), (0, 1, 2), (0, 0, 2), (0, -1, -2), (0, 2, 1), (0, 1, -1))


@dataclass(frozen=True)
class Motif:
    """Two bars: their rhythms, and for each note its scale steps away from where the bar stands."""

    rhythms: tuple[str, str]
    contours: tuple[Contour, Contour]
    cadence: str
    sequence: tuple[int, int, int]
    lift: int
    """Scale steps by which the whole theme lies higher or lower than others."""


_JINGLES: dict[str, tuple[tuple[str, str], tuple[Contour, Contour]]] = {
    "victory": (("x-xxx-x-x---x---", "x-xxx-x-x-------"), ((0, 0, 0, 2, 4, 7, 4), (2, 2, 2, 4, 6, 9))),
    "defeat": (("x---x---x---x---", "x---x---x-------"), ((4, 3, 2, 1), (2, 1, 0))),
}


def motif(design: Design, theme: str) -> Motif:
    """The motif of a theme: a fanfare, a fall, or the best of two dozen drafts.

    Themes differ in rhythm as long as there are rhythms.
    """
    if design.jingle:
        rhythms, contours = _JINGLES[design.jingle]
        return Motif(rhythms, contours, "x---x---x-------", (0, 0, 1 if design.jingle == "victory" else -2), 0)
    return _invented(design, theme)


def _invented(design: Design, theme: str) -> Motif:
    rng = design.rng.fork("motif", theme)
    rhythms = design.rng.fork("motif rhythms").shuffled(design.style.rhythms)
    pair = rhythms[(ord(theme) - ord("A")) % len(rhythms)]
    counts = [len(steps(rhythm, design.beats_per_bar)) for rhythm in pair]
    drafts = [(_contour(rng, counts[0]), _contour(rng, counts[1])) for _ in range(24)]
    contours = max(drafts, key=_quality)
    return Motif(pair, contours, rng.choice(_CADENCES), rng.choice(_SEQUENCES), 2 * (theme == "B") - (theme == "C"))


def _contour(rng: Rng, count: int) -> Contour:
    """Mostly steps, now and then a repeated note, at most one leap, which is turned back."""
    direction = 1 if rng.chance(0.6) else -1
    leap_at = rng.integer(1, count - 1) if count > 2 and rng.chance(0.75) else -1
    contour = [0]
    for index in range(1, count):
        size = rng.integer(2, 4) if index == leap_at else 0 if rng.chance(0.12) else 1
        contour.append(contour[-1] + direction * size)
        if index == leap_at or rng.chance(0.3):
            direction = -direction
    return tuple(contour)


def _quality(bars: tuple[Contour, Contour]) -> float:
    """A good contour spans a fourth to a sixth, moves, has one peak, and its bars differ."""
    together = bars[0] + bars[1]
    span = max(together) - min(together)
    peaks = together.count(max(together))
    return -abs(span - 4) - 1.0 * (peaks - 1) - 2.0 * (bars[0] == bars[1]) - 1.0 * (len(set(together)) < 4)


def material(bar: Bar, theme: Motif) -> tuple[str, Contour]:
    """The rhythm and the targets of a bar, in scale steps from where its phrase stands."""
    if bar.closing:
        return "x---------------", (0,)
    if bar.closes_phrase and bar.phrase_bars > 1:
        return theme.cadence, _falling(theme)
    rhythm, contour = _developed(bar, theme)
    place = theme.sequence[min(bar.in_phrase, 2)] + theme.lift
    if bar.level == 0:
        rhythm, contour = _thinned(rhythm, contour)
    return rhythm, tuple(degree + place for degree in contour)


def _developed(bar: Bar, theme: Motif) -> tuple[str, Contour]:
    which = bar.in_phrase % 2
    rhythm, contour = theme.rhythms[which], theme.contours[which]
    turn = bar.variation % 4
    if turn == 1 and which == 1:
        return rhythm, tuple(-degree for degree in contour)
    if turn == 2 and bar.in_phrase == 2:
        return rhythm, tuple(degree + 2 for degree in contour)
    if turn == 3 and which == 0:
        return _ornamented(rhythm, contour)
    return rhythm, contour


def _falling(theme: Motif) -> Contour:
    """The way to rest: down to the phrase's own level by step."""
    count = theme.cadence.count("x")
    return tuple(theme.lift + count - 1 - index for index in range(count))


def _thinned(rhythm: str, contour: Contour) -> tuple[str, Contour]:
    """Calm: only notes on the beat and long ones; those before them sound on."""
    kept, degrees, number = list(rhythm), list[int](), -1
    for index, letter in enumerate(rhythm):
        if letter != "x":
            continue
        number += 1
        if index % 4 and rhythm[index + 1 : index + 4] != "---":
            kept[index] = "-" if index and kept[index - 1] in "x-" else "."
        else:
            degrees.append(contour[number % len(contour)])
    return "".join(kept), tuple(degrees) or (0,)


def _ornamented(rhythm: str, contour: Contour) -> tuple[str, Contour]:
    """The first long note turns to its upper neighbour before it moves on."""
    place = rhythm.find("x---")
    if place < 0:
        return rhythm, contour
    number = rhythm[: place + 1].count("x")
    rhythm = rhythm[: place + 2] + "x" + rhythm[place + 3 :]
    return rhythm, (*contour[:number], contour[(number - 1) % len(contour)] + 1, *contour[number:])
