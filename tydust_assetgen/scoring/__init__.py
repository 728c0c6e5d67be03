"""Scoring: a `Take`, its `Master` and what was asked walk in, `Scores` walk out, so that the best take can be chosen.

Everything is heard, not believed: the marks are measured on the sound, by the same ears as verifying, and a fault is
what verifying would refuse. The same take always gets the same scores.
"""

from __future__ import annotations

from collections.abc import Sequence

from tydust_assetgen.flow import Mark, Master, Recipe, Scores, Take

__all__ = ["SCORING_VERSION", "WEIGHTS", "ranked", "score"]

SCORING_VERSION = "1"
"""Goes into the take key of a slot with several takes: a new version means that another one may come out best."""

WEIGHTS: dict[str, float] = {
    "text": 3.0,
    "key": 2.0,
    "tempo": 2.0,
    "seam": 2.0,
    "steadiness": 2.0,
    "silence": 1.0,
    "clipping": 1.0,
    "level": 1.0,
}
"""What finishing can't mend and a player hears all the time weighs most: what the music is about, then whether it
fits what plays before and after it (key, tempo), and whether it holds together (seam, steadiness). The rest is either
right or a fault."""
_DECIMALS = 3
"""Machines differ in the last bits of what they measure; they must not differ in what they choose."""


def score(take: Take, master: Master, recipe: Recipe, text_match: float | None = None) -> Scores:
    """How well a take does what was asked.

    Args:
        take: the raw performance: whether it is clipped is heard here.
        master: what finishing made of it: everything else is heard here.
        recipe: what was asked. What it does not ask for gets no mark.
        text_match: cosine between the sound and the prompt, -1 to 1, where something could tell.
    """
    marks = tuple(map(_rounded, _marks_of(take, master, recipe, text_match)))
    return Scores(marks=marks, total=_mean(marks))


def ranked(scores: Sequence[Scores]) -> tuple[int, ...]:
    """Indices of the scores, the best first. One with a fault stands behind all without; of equals the first wins."""
    return tuple(sorted(range(len(scores)), key=lambda index: (bool(scores[index].fault), -scores[index].total)))


def _rounded(mark: Mark) -> Mark:
    share = round(min(max(mark.score, 0.0), 1.0), _DECIMALS)
    return Mark(name=mark.name, score=share, measured=mark.measured, fault=mark.fault)


def _mean(marks: tuple[Mark, ...]) -> float:
    weight = sum(WEIGHTS[mark.name] for mark in marks)
    return round(sum(WEIGHTS[mark.name] * mark.score for mark in marks) / weight, _DECIMALS) if weight else 0.0


def _marks_of(take: Take, master: Master, recipe: Recipe, text_match: float | None) -> tuple[Mark, ...]:
    """See `score`. What was not asked for, or can't be told, has no mark."""
    # numpy and scipy come with these, and planning, which wants the version, needs neither
    from tydust_assetgen.scoring.music import key_mark, tempo_mark, text_mark
    from tydust_assetgen.scoring.signal import clipping_mark, level_mark, seam_mark, silence_mark, steadiness_mark

    found = (
        text_mark(text_match),
        key_mark(master, recipe),
        tempo_mark(master, recipe),
        seam_mark(master),
        steadiness_mark(master, recipe.brief),
        silence_mark(master),
        clipping_mark(take),
        level_mark(master, recipe.finish.target_lufs),
    )
    return tuple(mark for mark in found if mark is not None)
