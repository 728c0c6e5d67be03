"""The whole prompt of a slot, as generators that read text get it.

A prompt that a person wrote stays verbatim (but for line breaks); what the brief decides and the text does not say
follows after it. Without one, the text is written from the parts, in the order of the pattern.
"""

from __future__ import annotations

from tydust_assetgen.flow import Brief
from tydust_assetgen.manifest.precedence import Layer, Layers, names, pick
from tydust_assetgen.prompt import Parts, write


def whole_prompt(values: Layer, parts: Parts, brief: Brief, stack: Layers) -> str:
    """The text that a text-driven generator reads."""
    return _completed(values, parts, brief) if "prompt" in values else _written(brief, stack)


def _written(brief: Brief, stack: Layers) -> str:
    return write(
        Parts(
            genre=brief.genre,
            atmosphere=_weaker(stack, "prompt"),
            key=brief.key,
            bpm=brief.bpm,
            duration_s=0.0 if brief.sections else brief.duration_s,
            sections=brief.sections,
            instruments=brief.instruments,
            moods=brief.moods,
            aesthetic=_weaker(stack, "aesthetic"),
            quality=_weaker(stack, "quality"),
            loop=brief.loop,
        )
    )


def _weaker(stack: Layers, key: str) -> str:
    """What the genre says."""
    return " ".join(pick(stack[2:], key, "").split()).rstrip(".")


def _completed(values: Layer, parts: Parts, brief: Brief) -> str:
    missing = Parts(
        genre="" if parts.genre else brief.genre,
        key="" if parts.key else brief.key,
        bpm=0.0 if parts.bpm else brief.bpm,
        sections=() if parts.sections else brief.sections,
        instruments=_unsaid(values, "instruments"),
        moods=_unsaid(values, "mood"),
    )
    text, rest = " ".join(values["prompt"].split()), write(missing)
    return f"{text}{'' if text.endswith(('.', '!', '?')) else '.'} {rest}" if rest else text


def _unsaid(values: Layer, key: str) -> tuple[str, ...]:
    """Names of a field that the text does not have."""
    text = values["prompt"].lower()
    return tuple(name for name in names(values.get(key, [])) if name.lower() not in text)
