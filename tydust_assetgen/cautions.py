"""What a person should know before minutes are spent. In walks a survey, out walk words, each thing once."""

from __future__ import annotations

from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.survey import Survey


def cautions(survey: Survey) -> dict[str, str]:
    """Of all slots that are to be performed: the words, and the first slot that they concern."""
    said: dict[str, str] = {}
    for step in survey.plan.with_action("generate"):
        brief = step.recipe.brief
        for words in generator(brief.generator).cautions(brief, Shelf(survey.project.root)):
            said.setdefault(words, step.slot)
    return said
