"""The lead sheet: a `Design` walks in, one `Bar` after another walks out, with its chords, theme and energy.

It is what a band reads: every player looks at a bar and knows what to play, alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from tydust_assetgen.generate.composer.design import Design, SectionDesign
from tydust_assetgen.generate.composer.form import phrases
from tydust_assetgen.generate.composer.harmony import chords_of
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Role
from tydust_assetgen.generate.composer.theory import Chord, scale_over

_THEMES = "AABA"
"""Which theme the phrases of a section play, over and over."""


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
    """`A` or `B`."""
    variation: int
    """How often this theme was played before."""
    energy: float
    brightness: float
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
        return 0 if self.energy < 0.42 else 1 if self.energy < 0.68 else 2

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
    played = {"A": 0, "B": 0}
    for number, section in enumerate(design.sections):
        lengths = phrases(section.stretch.bars)
        for order, length in enumerate(lengths):
            theme = "A" if len(lengths) < 3 else _THEMES[order % len(_THEMES)]
            for in_phrase in range(length):
                bars.append(
                    _bar(design, number, section, bars, chords, (theme, played[theme]), in_phrase, length, order)
                )
            played[theme] += 1
    return tuple(bars)


def _bar(
    design: Design, number: int, section: SectionDesign, before: list[Bar], chords: list[tuple[Chord, ...]],
    theme: tuple[str, int], in_phrase: int, phrase_bars: int, order: int,
) -> Bar:  # fmt: skip
    index = len(before)
    new_phrase = in_phrase == 0
    phrase = before[-1].phrase + new_phrase if before else 0
    in_section = index - section.stretch.start_bar
    following = chords[(index + 1) % len(chords)][0]
    energy = _energy(section, in_section, order)
    closing = not design.loops and index == design.bars - 1
    return Bar(
        index, number, in_section, section.stretch.bars, phrase, in_phrase, phrase_bars, theme[0], theme[1], energy,
        section.brightness, section.roles, chords[index], following, design.beats_per_bar, closing,
    )  # fmt: skip


def _energy(section: SectionDesign, in_section: int, order: int) -> float:
    """The section's energy, with its ramp, and a breath in every fourth phrase of a long section."""
    place = (in_section + 0.5) / section.stretch.bars - 0.5
    breath = -0.12 if order % 4 == 2 and section.stretch.bars >= 16 else 0.0
    return max(0.0, min(1.0, section.energy + section.ramp * place + breath))


def scale_at(bar: Bar, tick: int, design: Design) -> tuple[int, ...]:
    """The pitch classes that fit at a tick of the bar."""
    return scale_over(bar.chord_at(tick), design.key.mode)
