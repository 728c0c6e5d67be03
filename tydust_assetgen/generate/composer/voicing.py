"""Voice leading: a row of chords walks in, a row of four-note voicings walks out.

Each chord is set so that the voices move as little as possible from the chord before. Parallel fifths and
octaves, wide gaps and voicings far from the middle of the register cost extra (Huron: Tone and Voice, Music
Perception 19, 2001, has the reasons). Voices never cross, because a voicing is sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, pairwise

from tydust_assetgen.generate.composer.theory import Chord

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
