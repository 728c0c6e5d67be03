"""Judges how well a take does what was asked, so that the best of several takes can be published.

Every mark is measured on the sound, with the same measurements (`dsp`) as verifying uses, and a fault is what verifying
would refuse. The same take always gets the same scores. For another mark, write a function in `marks`, add it to
`marks_of` and give it a weight here; then raise `SCORING_VERSION`.
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
"""What finishing can't correct and a player hears all the time weighs most: what the music is about, then whether it
fits what plays before and after it (key, tempo), and whether it holds together (seam, steadiness). The rest is either
right or a fault."""
_DECIMALS = 3
"""Machines differ in the last bits of what they measure; they must not differ in what they choose."""


def score(take: Take, master: Master, recipe: Recipe, text_match: float | None = None) -> Scores:
    """How well a take does what was asked.

    Args:
        take: the raw performance: clipping is measured on it.
        master: what finishing made of it: everything else is measured on it.
        recipe: what was asked. What it does not ask for gets no mark.
        text_match: cosine between the sound and the prompt, -1 to 1, where something could tell.
    """
    from tydust_assetgen.scoring.marks import marks_of  # numpy and scipy come with it, and planning needs neither

    marks = tuple(map(_rounded, marks_of(take, master, recipe, text_match)))
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
