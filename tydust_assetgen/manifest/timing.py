"""How long a track is and which sections it has, from the slot's fields and its prompt.

Fields win over the text. Where sections leave time over, the main section takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tydust_assetgen.flow import Section
from tydust_assetgen.manifest.precedence import Layer, Layers, pick
from tydust_assetgen.manifest.validate import Fault
from tydust_assetgen.prompt import Parts, section_name
from tydust_assetgen.prompt.write import number

MAX_S = 600.0
MIN_S = 0.5
MIN_SECTION_S = 0.1
_SAME_S = 0.05
_SAID_S = 0.5  # a person who writes "a minute" does not count half seconds


def total_s(sections: Iterable[Section]) -> float:
    """Seconds of all sections together, free of rounding noise."""
    return round(sum(section.seconds for section in sections), 3)


def field_sections(values: Layer, parts: Parts) -> tuple[Section, ...]:
    """The sections that the fields give; one without words takes those of the text's section of that name."""
    told = {section_name(section.name): section.prompt for section in reversed(parts.sections)}
    return tuple(
        Section(
            item["name"].strip(),
            item["seconds"],
            (item.get("prompt") or told.get(section_name(item["name"]), "")).strip(),
        )
        for item in values.get("sections", [])
    )


def duration_s(values: Layer, parts: Parts, weaker: Layers) -> float:
    """Length of the track: its field, its sections, its text, or what genre and defaults say."""
    if "duration" in values:
        return float(values["duration"])
    fields = total_s(field_sections(values, parts))
    return fields or parts.duration_s or total_s(parts.sections) or float(pick(weaker, "duration"))


def sections(values: Layer, parts: Parts, whole_s: float) -> tuple[Section, ...]:
    """The sections, filling the whole track."""
    found = field_sections(values, parts) or parts.sections
    over = round(whole_s - total_s(found), 3)
    return _filled(found, over) if found and over > _SAME_S else found


def _filled(found: Sequence[Section], over_s: float) -> tuple[Section, ...]:
    names = [section_name(section.name) for section in found]
    if "main" in names:
        at = names.index("main")
        main = found[at]
        longer = Section(main.name, round(main.seconds + over_s, 3), main.prompt)
        return (*found[:at], longer, *found[at + 1 :])
    at = len(found) - (names[-1] == "outro")
    return (*found[:at], Section("main", over_s), *found[at:])


def course_faults(values: Layer, parts: Parts) -> tuple[Fault, ...]:
    """Where fields and text contradict each other about time."""
    fields = field_sections(values, parts)
    return (*_length(values, fields, parts), *_each(fields, parts), *_overlong(values, fields, parts))


def _length(values: Layer, fields: tuple[Section, ...], parts: Parts) -> list[Fault]:
    faults = []
    asked, added, said = values.get("duration"), total_s(fields), parts.duration_s
    if asked and fields and abs(asked - added) > _SAME_S:
        message = f"`duration` is {number(asked)} s, but the sections add up to {number(added)} s"
        faults.append(Fault("duration", message, "remove `duration`, or change a section's `seconds`", "sections"))
    held, key = (asked, "duration") if asked else (added, "sections")
    if said and held and abs(held - said) > _SAID_S:
        message = f"`{key}` {'is' if asked else 'add up to'} {number(held)} s, but the prompt says {number(said)} s"
        faults.append(Fault(key, message, "say the same in both, or only in one", "prompt"))
    if added > MAX_S:
        faults.append(Fault("sections", f"the sections add up to {number(added)} s; the limit is {number(MAX_S)} s"))
    return faults


def _each(fields: Sequence[Section], parts: Parts) -> list[Fault]:
    said = _by_name(parts.sections)
    return [
        Fault(
            "sections",
            f"section `{section.name}` is {number(section.seconds)} s, but the prompt says {number(said[name])} s",
            "say the same in both, or only in one",
            "prompt",
        )
        for name, section in ((section_name(section.name), section) for section in fields)
        if name in _by_name(fields) and name in said and abs(said[name] - section.seconds) > _SAME_S
    ]


def _by_name(listed: Sequence[Section]) -> dict[str, float]:
    """Seconds of each section whose name stands once."""
    names = [section_name(section.name) for section in listed]
    return {name: section.seconds for name, section in zip(names, listed, strict=True) if names.count(name) == 1}


def _overlong(values: Layer, fields: tuple[Section, ...], parts: Parts) -> list[Fault]:
    """What only the text says about time, and can't be."""
    added = total_s(parts.sections)
    whole = values.get("duration") or parts.duration_s
    if not fields and whole and added > whole + _SAID_S:
        message = f"the prompt's sections add up to {number(added)} s, but the track is {number(whole)} s long"
        return [Fault("prompt", message, "change the seconds in the text", "duration" if "duration" in values else "")]
    empty = next((section.name for section in parts.sections if section.seconds < MIN_SECTION_S), "")
    if not fields and empty:
        return [Fault("prompt", f"the prompt's section `{empty}` has no length", "say how many seconds it takes")]
    said = 0.0 if fields or "duration" in values else parts.duration_s or added
    if said and not MIN_S <= said <= MAX_S:
        return [Fault("prompt", f"the prompt says {number(said)} s; a track has {MIN_S} to {number(MAX_S)} s")]
    return []
