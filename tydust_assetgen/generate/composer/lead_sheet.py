"""Writes the lead sheet: every bar of a piece with its chords, theme and energy.

It is what a band reads: every player can look at a bar and know what to play, without the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tydust_assetgen.generate.composer.design import Design, SectionDesign
from tydust_assetgen.generate.composer.form import phrases
from tydust_assetgen.generate.composer.harmony import chords_of
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Role
from tydust_assetgen.generate.composer.theory import Chord, scale_over

_THEMES = ("AABA", "BBAB", "AABA", "CCBC", "AACA", "DDAD")
"""Which theme the phrases of a section play, over and over; later sections of long pieces bring new ones."""
_LONG_BARS = 64


@dataclass(frozen=True)
class Bar:
    """One bar of the lead sheet."""

    index: int
    section: int
    in_section: int
    section_bars: int
    phrase: int
    """Counts through the piece."""
    in_phrase: int
    phrase_bars: int
    theme: str
    """`A` to `D`."""
    variation: int
    """How often this theme was played before."""
    energy: float
    busy: float
    """Energy, more or less as the density parameter asks."""
    roles: frozenset[Role]
    chords: tuple[Chord, ...]
    """One chord, or two that share the bar."""
    next_chord: Chord
    beats: int
    closing: bool
    """The last bar of a piece that ends: a tonic, held."""

    @property
    def start(self) -> int:
        """Ticks from the beginning of the piece."""
        return self.index * self.ticks

    @property
    def ticks(self) -> int:
        return self.beats * TICKS_PER_BEAT

    @property
    def opens_section(self) -> bool:
        return self.in_section == 0

    @property
    def closes_section(self) -> bool:
        return self.in_section == self.section_bars - 1

    @property
    def closes_phrase(self) -> bool:
        return self.in_phrase == self.phrase_bars - 1

    @property
    def level(self) -> int:
        """0 calm, 1 middle, 2 full: which pattern fits."""
        return 0 if self.busy < 0.42 else 1 if self.busy < 0.68 else 2

    def spans(self) -> tuple[tuple[int, int, Chord], ...]:
        """Start (ticks in the bar), length and chord."""
        if len(self.chords) == 1:
            return ((0, self.ticks, self.chords[0]),)
        half = TICKS_PER_BEAT * 2
        return ((0, half, self.chords[0]), (half, self.ticks - half, self.chords[1]))

    def chord_at(self, tick: int) -> Chord:
        """The chord at a tick of the bar."""
        return self.chords[-1] if len(self.chords) > 1 and tick >= TICKS_PER_BEAT * 2 else self.chords[0]


def lead_sheet(design: Design) -> tuple[Bar, ...]:
    """All bars of the piece."""
    chords = chords_of(design)
    bars: list[Bar] = []
    played = dict.fromkeys("ABCD", 0)
    for number, section in enumerate(design.sections):
        lengths = phrases(section.stretch.bars)
        for order, length in enumerate(lengths):
            theme = _theme(design, number, order, len(lengths))
            place = _Place(number, section, order, len(lengths), length, theme, played[theme])
            for in_phrase in range(length):
                bars.append(_bar(design, place, in_phrase, bars, chords))
            played[theme] += 1
    return tuple(bars)


class _Place(NamedTuple):
    """Where a phrase stands."""

    number: int
    section: SectionDesign
    order: int
    phrases: int
    bars: int
    theme: str
    variation: int


def _theme(design: Design, number: int, order: int, count: int) -> str:
    if design.bars >= _LONG_BARS:
        return _THEMES[number % len(_THEMES)][order % 4]
    if "bridge" in design.sections[number].stretch.name:
        return "B"
    return "A" if count < 3 else _THEMES[0][order % 4]


def _bar(design: Design, place: _Place, in_phrase: int, before: list[Bar], chords: list[tuple[Chord, ...]]) -> Bar:
    index = len(before)
    section = place.section
    in_section = index - section.stretch.start_bar
    energy = _energy(section, in_section, place.order)
    return Bar(
        index=index,
        section=place.number,
        in_section=in_section,
        section_bars=section.stretch.bars,
        phrase=before[-1].phrase + (in_phrase == 0) if before else 0,
        in_phrase=in_phrase,
        phrase_bars=place.bars,
        theme=place.theme,
        variation=place.variation,
        energy=energy,
        busy=energy + 0.5 * (design.parameters.density - 0.5),
        roles=_roles(design, place, in_section, energy),
        chords=chords[index],
        next_chord=chords[(index + 1) % len(chords)][0],
        beats=design.beats_per_bar,
        closing=not design.loops and index == design.bars - 1,
    )


def _energy(section: SectionDesign, in_section: int, order: int) -> float:
    """The section's energy with its ramp, a slow growth, and a breath in the third phrase of a long section."""
    length = section.stretch.bars
    place = (in_section + 0.5) / length - 0.5
    growth = 0.1 if length >= 8 and section.ramp >= 0 else 0.0
    breath = -0.12 if order % 4 == 2 and length >= 16 else 0.0
    return max(0.0, min(1.0, section.energy + (section.ramp + growth) * place + breath))


def _roles(design: Design, place: _Place, in_section: int, energy: float) -> frozenset[Role]:
    """The section's roles; a counter-melody joins the last phrase, drums wait in a calm section that builds."""
    section = place.section
    roles = set(section.roles)
    last = place.order == place.phrases - 1 and place.phrases >= 3
    near = design.style.thresholds["counter"] - (0.2 if last else 0.0)
    if "counter" in section.may and "lead" in roles and energy >= near:
        roles.add("counter")
    if section.ramp > 0 and section.stretch.bars >= 4 and in_section < section.stretch.bars // 2:
        roles -= {"drums"} if section.energy < 0.5 else set()
    return frozenset(roles)


def scale_at(bar: Bar, tick: int, design: Design) -> tuple[int, ...]:
    """The pitch classes that fit at a tick of the bar."""
    return scale_over(bar.chord_at(tick), design.key.mode)
