"""All marks of a take, in their order."""

from __future__ import annotations

from tydust_assetgen.flow import Mark, Master, Recipe, Take
from tydust_assetgen.scoring.music import key_mark, tempo_mark, text_mark
from tydust_assetgen.scoring.signal import clipping_mark, level_mark, seam_mark, silence_mark
from tydust_assetgen.scoring.steadiness import steadiness_mark


def marks_of(take: Take, master: Master, recipe: Recipe, text_match: float | None) -> tuple[Mark, ...]:
    """See `score`. What was not asked for, or can't be told, has no mark."""
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
