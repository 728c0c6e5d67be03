"""The texts that MusicGen is given for a brief: one for the track, or one for each section.

Text-driven models read the whole prompt, which is written in time order already. With `per_section` each section gets
what holds everywhere (genre, key, tempo, instruments, mood) and by its own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tydust_assetgen.flow import Brief, Section
from tydust_assetgen.prompt import Parts, read, write


class SectionText(NamedTuple):
    """A part of a track, and its text."""

    text: str
    seconds: float


def section_texts(brief: Brief, *, per_section: bool) -> tuple[SectionText, ...]:
    """The texts of a brief in time order. Neighbours with the same text are one, with no join between them."""
    if not per_section or not brief.sections:
        return (SectionText(brief.prompt, brief.duration_s),)
    return _merge_equal([SectionText(section_text(brief, section), section.seconds) for section in brief.sections])


def section_text(brief: Brief, section: Section) -> str:
    """The text of one section, in the order of the prompt pattern: its own words stand where the sections would."""
    said = read(brief.prompt)
    head = Parts(genre=brief.genre, atmosphere=said.atmosphere, key=brief.key, bpm=brief.bpm)
    rest = Parts(
        instruments=_instruments(brief, section),
        moods=brief.moods,
        aesthetic=said.aesthetic,
        quality=said.quality,
    )
    own = f"{section.name}: {section.prompt}" if section.prompt else section.name
    return " ".join(part for part in (write(head), _sentence(own), write(rest)) if part)


def _instruments(brief: Brief, section: Section) -> tuple[str, ...]:
    """The track's instruments, but for those that only other sections name."""
    elsewhere = " ".join(other.prompt for other in brief.sections if other != section).lower()
    own = section.prompt.lower()
    return tuple(name for name in brief.instruments if name.lower() not in elsewhere or name.lower() in own)


def _sentence(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _merge_equal(led: Sequence[SectionText]) -> tuple[SectionText, ...]:
    found: list[SectionText] = []
    for one in led:
        if found and found[-1].text == one.text:
            found[-1] = SectionText(one.text, found[-1].seconds + one.seconds)
        else:
            found.append(one)
    return tuple(found)
