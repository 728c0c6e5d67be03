"""Turns seconds and sections into whole bars, and gives pieces without sections a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tydust_assetgen.flow import Section

# Energy of a section by its name; other names are in the middle.
NAMED_ENERGY: dict[str, float] = {
    "intro": 0.3, "opening": 0.35, "verse": 0.5, "main": 0.6, "theme": 0.6, "build": 0.55, "bridge": 0.45,
    "chorus": 0.75, "drop": 0.85, "climax": 0.9, "peak": 0.9, "combat": 0.8, "breakdown": 0.28, "interlude": 0.35,
    "return": 0.45, "outro": 0.32, "ending": 0.4, "loop": 0.6, "jingle": 0.6, "lift": 0.7,
}  # fmt: skip

# Own forms when no sections are asked for: names and their share of the bars.
_SHORT = (("main", 1.0),)
_MIDDLE = (("opening", 1.0), ("main", 2.0), ("lift", 1.0))
_LONG = (("opening", 1.0), ("main", 2.0), ("bridge", 1.0), ("lift", 2.0), ("return", 1.0))
_CYCLE = (
    ("main", 2.0), ("bridge", 1.0), ("lift", 2.0), ("breakdown", 1.0), ("build", 1.0), ("climax", 2.0), ("verse", 2.0),
)  # fmt: skip


class Stretch(NamedTuple):
    """A section in whole bars."""

    name: str
    prompt: str
    start_bar: int
    bars: int


def exact_bars(duration_s: float, bpm: float, beats_per_bar: int) -> float:
    """The length in bars, not rounded."""
    return duration_s * bpm / 60.0 / beats_per_bar


def whole_bars(duration_s: float, bpm: float, beats_per_bar: int) -> int:
    """The nearest number of whole bars, of two that are as near the even one, at least one."""
    bars = exact_bars(duration_s, bpm, beats_per_bar)
    return max(1, round(round(bars, 6)))  # Python rounds halves to even


def share_out(bars: int, weights: Sequence[float]) -> list[int]:
    """Whole bars by largest remainder, at least one each. Needs `bars >= len(weights)`."""
    total = sum(weights)
    spare = bars - len(weights)
    exact = [max(0.0, bars * weight / total - 1) for weight in weights]
    scale = spare / sum(exact) if sum(exact) > 0 else 0.0
    exact = [share * scale for share in exact]
    floors = [int(share + 1e-9) for share in exact]
    order = sorted(range(len(weights)), key=lambda i: (-(exact[i] - floors[i]), i))
    lucky = set(order[: spare - sum(floors)])
    return [1 + floor + (index in lucky) for index, floor in enumerate(floors)]


def stretches(sections: Sequence[Section], bars: int, loops: bool) -> tuple[Stretch, ...]:
    """The asked sections in whole bars that sum to `bars`, or a form of our own."""
    if sections:
        counts = _asked(bars, [section.seconds for section in sections])
        named = [(section.name, section.prompt) for section in sections]
    else:
        named, counts = _own_form(bars, loops)
    starts = [sum(counts[:index]) for index in range(len(counts))]
    return tuple(
        Stretch(name, prompt, start, count) for (name, prompt), start, count in zip(named, starts, counts, strict=True)
    )


def _asked(bars: int, seconds: Sequence[float]) -> list[int]:
    """Pairs of bars sing better than odd ones: shared out in pairs, unless the seconds are whole bars as they are."""
    exact = [bars * share / sum(seconds) for share in seconds]
    whole = all(abs(share - round(share)) < 0.1 for share in exact)
    if whole or bars % 2 or min(exact) < 2:
        return share_out(bars, seconds)
    return [2 * pairs for pairs in share_out(bars // 2, seconds)]


def _own_form(bars: int, loops: bool) -> tuple[list[tuple[str, str]], list[int]]:
    """A form in multiples of four bars where there is room for it."""
    form = _SHORT if bars < 8 else _MIDDLE if bars < 20 else _LONG if bars < 64 else _endless(bars)
    if not loops and bars >= 12:
        form = (*form, ("ending", 1.0))
    unit = 4 if bars >= 4 * len(form) else 1
    counts = [unit * count for count in share_out(bars // unit, [weight for _, weight in form])]
    counts[-2 if len(counts) > 1 else -1] += bars - sum(counts)
    return [(name, "") for name, _ in form], counts


def _endless(bars: int) -> tuple[tuple[str, float], ...]:
    """For long pieces: an opening, then cycles of about 48 bars that never play the same order of sections."""
    middle = [_CYCLE[index % len(_CYCLE)] for index in range(max(3, (bars - 12) // 7))]
    return (("opening", 1.0), *middle, ("return", 1.0))


def phrases(bars: int) -> list[int]:
    """A section in phrases of four bars; a rest of one joins the last phrase, two or three stand alone."""
    full, rest = divmod(bars, 4)
    if rest == 1 and full:
        return [4] * (full - 1) + [5]
    return [4] * full + ([rest] if rest else [])
