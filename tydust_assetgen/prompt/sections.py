"""Finds lengths in words: how long sections and the whole track are."""

from __future__ import annotations

import re

from tydust_assetgen.flow import Section

_NUMBER_WORDS = {
    "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
    "eight": 8.0, "nine": 9.0, "ten": 10.0, "twelve": 12.0, "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0,
    "forty": 40.0, "forty-five": 45.0, "fifty": 50.0, "sixty": 60.0, "ninety": 90.0,
}  # fmt: skip
_SECTION_NAMES = {
    "introduction": "intro", "intro": "intro", "opening": "intro", "main": "main", "main theme": "main",
    "main section": "main", "main part": "main", "main loop": "main", "verse": "verse", "pre-chorus": "pre-chorus",
    "chorus": "chorus", "bridge": "bridge", "breakdown": "breakdown", "build": "build", "buildup": "build",
    "build-up": "build", "drop": "drop", "interlude": "interlude", "climax": "climax", "middle": "middle",
    "hook": "hook", "coda": "coda", "finale": "finale", "ending": "outro", "outro": "outro", "fanfare": "fanfare",
    "riff": "riff",
}  # fmt: skip

# These stay texts, which `re` compiles when they are first looked for and keeps: most prompts need few of them, and
# a hook that waits for all of them is a slow hook.
_NUMBERS = "|".join(sorted(_NUMBER_WORDS, key=len, reverse=True))
_SPELLED = rf"(?i)\b(?<!half )(?<!half-)(?:{_NUMBERS})(?=[ -](?:seconds|minutes?)\b)"
_TIME = (
    r"(?:(?P<m>\d{1,2}):(?P<s>[0-5]\d)"
    r"|(?P<half>half[ -](?:a[ -])?minute)"
    r"|(?!(?:(?:19|20)?[5-9]0)s\b)(?P<n>\d{1,4}(?:\.\d{1,3})?)[ -]?(?P<unit>seconds?|secs?|s|minutes?|mins?))"
)
_NAMES = "|".join(re.escape(name).replace("\\ ", " ") for name in sorted(_SECTION_NAMES, key=len, reverse=True))
_WORD = r"[^\s,.:;()]{1,30}"
_TIME_FIRST = rf"(?i)(?<![\w.:]){_TIME}\b(?:[ -](?!and\b))(?P<how>(?:{_WORD} ){{0,4}}?)(?P<name>{_NAMES})\b(?![-'])"
_NAME_FIRST = (
    rf"(?i)\b(?P<how>)(?P<name>{_NAMES})(?: of| for| lasting|:|,)? ?\(?(?<![\w.:]){_TIME}\b"
    r"(?! (?:in total|long|in length))\)?"
)
_LABELLED = rf"(?i)(?P<how>){_TIME} (?P<name>[^:.;\n]{{1,40}}):"
_TRACK = (
    r"(?:loops?|track|piece|song|jingle|music|tune|stinger|cue|theme|fanfare|long|composition|sting|in length|in total)"
)
_WHOLE = rf"(?i)(?<![\w.:]){_TIME}\b[ -](?P<how>(?:{_WORD} ){{0,4}}?){_TRACK}\b"
_SAID = rf"(?i)\b(?:lasting|lasts|duration|length|runs for|running)(?: time)?(?: of| is|:)?(?: about)? {_TIME}\b"
_HALF = r"(?i)(?P<half>half[ -](?:a[ -])?minute)\b"
_TIMELY = r"(?i)\d[ -]?s|sec|min|\d:\d"  # most sentences have no time in them, and are left early
_CONNECTOR = r"(?i)(?:[\s,:–—-]|\bwith\b|\band\b|\bthen\b|\bfollowed by\b)+"
_TAIL = r"(?i)(?:[\s,:(–—-]|\b(?:with|and|then|followed by|an?|the|of|for)\b)+\Z"


def section_name(name: str) -> str:
    """The common name of a section: `Introduction` and `dark intro` are both `intro`."""
    plain = " ".join(name.lower().split())
    if plain in _SECTION_NAMES:
        return _SECTION_NAMES[plain]
    return next((_SECTION_NAMES[word] for word in reversed(plain.split()) if word in _SECTION_NAMES), plain)


def is_common(name: str) -> bool:
    """Whether a name is read as a section's even where no colon follows it."""
    return _SECTION_NAMES.get(name) == name


def read_sections(sentence: str) -> tuple[Section, ...]:
    """The sections that a sentence describes, in its order, each with the words about it."""
    if not re.search(_TIMELY, sentence):
        return ()
    sentence = _in_digits(sentence)
    found = list(re.finditer(_TIME_FIRST, sentence)) or list(re.finditer(_NAME_FIRST, sentence))
    if not found or found[0].start() > 0:
        labelled = re.match(_LABELLED, sentence)
        if labelled and not re.match(_WHOLE, sentence):
            return (Section(labelled["name"].strip(), _seconds(labelled), sentence[labelled.end() :].strip(" ,")),)
    ends = [match.start() for match in found[1:]] + [len(sentence)] * bool(found)
    return tuple(_section(match, sentence[match.end() : end]) for match, end in zip(found, ends, strict=True))


def read_duration(sentence: str) -> float:
    """Seconds that a sentence gives the whole track (`a 40 second loop`, `1:30 long`), or 0."""
    if not re.search(_TIMELY, sentence):
        return 0.0
    sentence = _in_digits(sentence)
    found = re.search(_WHOLE, sentence) or re.search(_SAID, sentence) or re.search(_HALF, sentence)
    if not found:
        return 0.0
    return _seconds(found) if "n" in found.re.groupindex else 30.0


def _section(match: re.Match[str], rest: str) -> Section:
    how = match["how"].strip()
    what = re.sub(_TAIL, "", rest)
    lead = re.match(_CONNECTOR, what)
    said = what[lead.end() :] if lead else what
    prompt = ", ".join(part for part in (how, said.strip()) if part)
    return Section(_SECTION_NAMES[match["name"].lower()], _seconds(match), prompt)


def _seconds(found: re.Match[str]) -> float:
    if found["half"]:
        return 30.0
    if found["m"]:
        return int(found["m"]) * 60.0 + int(found["s"])
    return float(found["n"]) * (60.0 if found["unit"][0] in "mM" else 1.0)


def _in_digits(sentence: str) -> str:
    """`two minutes` as `2 minutes`."""
    return re.sub(_SPELLED, lambda found: f"{_NUMBER_WORDS[found[0].lower()]:g}", sentence)
