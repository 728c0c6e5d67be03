"""Chooses the chords of every bar, and how pads play them.

A piece has three progressions of four bars: one for calm sections and theme A, one for theme B, one for tense
sections. Sections end on a half cadence that leads into the next; a loop's last bar leads into its first, and
a piece that ends does so with dominant and tonic. The tonic opens every section, which keeps the key clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, pairwise

from tydust_assetgen.generate.composer.design import Design, SectionDesign
from tydust_assetgen.generate.composer.form import phrases
from tydust_assetgen.generate.composer.styles import Colour
from tydust_assetgen.generate.composer.theory import Chord, parse_numeral, parse_progression

# Jingles of one to eight bars. They fall to flat sixth and seventh and rise home, or walk down to the dominant.
_JINGLES: dict[str, tuple[str, ...]] = {
    "victory": (
        "I", "I+V I", "I bVI+bVII I", "I IV bVI+bVII I", "I V IV bVI+bVII I", "I V vi IV bVI+bVII I",
        "I V vi IV I bVI+bVII I", "I V vi IV I IV bVI+bVII I",
    ),
    "defeat": (
        "i", "i+V i", "i+VII VI+V i", "i VII VI+V i", "i VII VI iv+V i", "i VII VI iv V i",
        "i VII VI iv i iv+V i", "i VII VI iv i VI iv+V i",
    ),
}  # fmt: skip

Bars = list[tuple[Chord, ...]]


def chords_of(design: Design) -> Bars:
    """One tuple of chords (one or two) for every bar."""
    if design.parameters.progression:
        return _by_hand(design)
    if design.jingle and design.bars <= len(_JINGLES[design.jingle]):
        return list(parse_progression(_JINGLES[design.jingle][design.bars - 1], design.key.mode))
    bars: Bars = []
    for number, section in enumerate(design.sections):
        bars += _section(design, section, number, last=number == len(design.sections) - 1)
    return bars if design.loops else _closed(design, bars)


def _by_hand(design: Design) -> Bars:
    """The musician's own progression, as it is, over and over; only a piece that ends gets its tonic."""
    cycle = parse_progression(design.parameters.progression, design.key.mode)
    bars = [cycle[index % len(cycle)] for index in range(design.bars)]
    if not design.loops:
        bars[-1] = (_tonic(design),)
    return bars


def _section(design: Design, section: SectionDesign, number: int, *, last: bool) -> Bars:
    bars: Bars = []
    lengths = phrases(section.stretch.bars)
    for order, length in enumerate(lengths):
        bars += _phrase(
            design, _colour(design, section, order, len(lengths)), length, turn=number // 4 + _aside(section)
        )
    if last or section.stretch.bars >= 6:
        bars = _with_cadence(design, bars, last and design.loops)
    return bars


def _colour(design: Design, section: SectionDesign, order: int, count: int) -> Colour:
    """Which progression a phrase plays: the third of four turns to the other one.

    The fullest section plays the full one, however calm the piece is.
    """
    if section.tense and order % 2 == 0:
        return "tense"
    fullest = max(other.energy for other in design.sections)
    home: Colour = "calm" if section.energy < min(0.45, fullest) else "main"
    other: Colour = "main" if home == "calm" else "calm"
    return other if count >= 3 and order % 4 == 2 else home


def _aside(section: SectionDesign) -> int:
    """Sections that lead away from the main ones have other harmony."""
    return int(any(word in section.stretch.name.lower() for word in ("bridge", "verse", "middle", "interlude")))


def _phrase(design: Design, colour: Colour, length: int, turn: int) -> Bars:
    choices = design.rng.fork("progression", colour).shuffled(design.style.progressions[design.key.mode][colour])
    progression = parse_progression(choices[turn % len(choices)], design.key.mode)
    if length <= 4:
        return [*progression[: length - 1], progression[-1] if length > 1 else progression[0]]
    return [*progression, progression[-1]]


def _with_cadence(design: Design, bars: Bars, turnaround: bool) -> Bars:
    """The last two bars lead on; a single bar stays as it is unless the loop needs its turn."""
    cadence = parse_progression(
        design.rng.fork("cadence", len(bars)).choice(design.style.cadences[design.key.mode]), design.key.mode
    )
    if len(bars) >= 3:
        return [*bars[:-2], *cadence]
    if turnaround and len(bars) == 2:
        return [bars[0], cadence[-1]]
    return bars


def _closed(design: Design, bars: Bars) -> Bars:
    """A real cadence: dominant, then the tonic for a whole bar."""
    dominant = parse_numeral("V", design.key.mode)
    if len(bars) == 1:
        return [(_tonic(design),)]
    before = parse_numeral("iv" if design.key.mode == "minor" else "IV", design.key.mode)
    if len(bars) == 2:
        return [(bars[0][0], dominant), (_tonic(design),)]
    return [*bars[:-2], (before, dominant), (_tonic(design),)]


def _tonic(design: Design) -> Chord:
    return parse_numeral("I" if design.key.mode == "major" else "i", design.key.mode)


Voicing = tuple[int, ...]


def voice_lead(chords: Sequence[Chord], low: int, high: int) -> list[Voicing]:
    """Voicings from low to high (four notes, three for power chords), all pitches in `low..high`."""
    voicings: list[Voicing] = []
    for chord in chords:
        before = voicings[-1] if voicings else None
        voicings.append(_best(chord, before, low, high))
    return voicings


@lru_cache(maxsize=4096)
def _best(chord: Chord, before: Voicing | None, low: int, high: int) -> Voicing:
    centre = (low + high) / 2
    return min(_candidates(chord.pcs, low, high), key=lambda voicing: (_cost(before, voicing, centre), voicing))


@lru_cache(maxsize=512)
def _candidates(pcs: tuple[int, ...], low: int, high: int) -> tuple[Voicing, ...]:
    """All ways to set the chord within the register: no gap above an octave, no second between the lowest two."""
    wanted = pcs if len(pcs) <= 4 else tuple(pc for pc in pcs if pc != pcs[2])  # a ninth chord leaves out its fifth
    voices = 3 if len(pcs) == 2 else 4
    pitches = [pitch for pitch in range(low, high + 1) if pitch % 12 in wanted]
    found = [voicing for voicing in combinations(pitches, voices) if _singable(voicing, wanted)]
    return tuple(found)


def _singable(voicing: Voicing, wanted: tuple[int, ...]) -> bool:
    gaps = [above - below for below, above in pairwise(voicing)]
    complete = {pitch % 12 for pitch in voicing} == set(wanted)
    return complete and max(gaps) <= 9 + 3 * (len(wanted) == 2) and gaps[0] > 2


def _cost(before: Voicing | None, voicing: Voicing, centre: float) -> float:
    spread = abs(sum(voicing) / len(voicing) - centre)
    if before is None or len(before) != len(voicing):
        return spread
    motion = sum(abs(a - b) for a, b in zip(before, voicing, strict=True))
    leaps = sum(max(0, abs(a - b) - 4) for a, b in zip(before, voicing, strict=True))
    return motion + 2.0 * leaps + 9.0 * parallels(before, voicing) + 0.6 * spread


def parallels(before: Voicing, after: Voicing) -> int:
    """How many pairs of voices move together in fifths or octaves."""
    return sum(
        1
        for i, j in combinations(range(min(len(before), len(after))), 2)
        if (before[j] - before[i]) % 12 in (0, 7)
        and (after[j] - after[i]) % 12 == (before[j] - before[i]) % 12
        and before[i] != after[i]
        and (after[i] - before[i]) * (after[j] - before[j]) > 0
    )
