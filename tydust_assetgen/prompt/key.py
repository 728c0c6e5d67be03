"""Finds musical keys in words: `d-minor`, `F♯ major`, `Bbm` or a whole sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ACCIDENTALS = {"#": "#", "♯": "#", "sharp": "#", "b": "b", "♭": "b", "flat": "b"}
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MODES = {"major": "major", "maj": "major", "minor": "minor", "min": "minor", "m": "minor"}
_TONIC = r"(?P<letter>[A-Ga-g])(?:(?P<sign>[#♯♭b])|[ -](?P<word>sharp|flat)\b)?"

# Texts, not patterns: `re` compiles what is looked for, when it first is, and keeps it.
_FIELD = rf"(?ai)\s*{_TONIC}(?:[ -]?(?P<mode>major|minor|maj|min)|(?P<short>(?-i:m)))\s*(?:key)?\s*"
_IN_TEXT = rf"(?i)(?<![\w#♯♭'-]){_TONIC}(?:(?:[ -])(?P<mode>major|minor|maj|min)|(?P<short>m))(?![\w#♯♭'])"
_BEFORE_KEY = r"(?i)\b(?:key\s*(?:of|is|:|=)?|in(?:\s+the\s+key\s+of)?|tonality:?)\s*\Z"
_NAMES_A_KEY = r"(?i)\b(?:key\s*(?:of|is|:|=)|key)\s*\Z"
_CLAUSE_START = r"(?:^|[,.;:(–—/\n-])\s*\Z"
_CLAUSE_END = r"(?i)\s*(?:$|[,.;:)/\n–—]|key\b|scale\b|tonality\b|at\s+\d|\d)"


def parse_key(text: str) -> str:
    """The key that `text` names and nothing else, as `D minor`; empty when it is not a key.

    Takes `D minor`, `d minor`, `D-minor`, `Dm`, `E flat major`, `F♯ minor`, `Bb minor`, `F#m`.
    """
    found = re.fullmatch(_FIELD, text[:40])
    return _spell(found) if found and len(text) <= 40 else ""


def find_key(text: str) -> str:
    """The first key that a text names, as `D minor`; empty when there is none."""
    return next(iter(find_keys(text)), "")


def find_keys(text: str) -> Iterator[str]:
    """All keys that a text names, in order.

    `a major battle`, `A minor setback` and `a key moment` name none: the letter A alone is taken only where the words
    around it show that a key is meant, and the short form (`Dm`) only after `in` or `key`.
    """
    return (_spell(found) for found in re.finditer(_IN_TEXT, text) if _means_a_key(text, found))


def sound_alike(one: str, other: str) -> bool:
    """Whether two keys, as `find_key` spells them, are the same on a keyboard: `Gb minor` and `F# minor`."""
    return _heard(one) == _heard(other)


def _heard(key: str) -> tuple[int, str]:
    tonic, mode = key.split()
    return (_SEMITONES[tonic[0]] + tonic.count("#") - tonic[1:].count("b")) % 12, mode


def _means_a_key(text: str, found: re.Match[str]) -> bool:
    before, end = text[max(0, found.start() - 24) : found.start()], found.end()
    if found["short"]:
        return found["letter"].isupper() and found["short"] == "m" and bool(re.search(_BEFORE_KEY, before))
    if found["letter"] == "a":
        return bool(re.search(_NAMES_A_KEY, before)) or bool(found["sign"])
    if found["letter"] == "A" and not (found["sign"] or found["word"]):
        closed = re.match(_CLAUSE_END, text[end:]) is not None
        return bool(re.search(_BEFORE_KEY, before)) or (closed and bool(re.search(_CLAUSE_START, before)))
    return True


def _spell(found: re.Match[str]) -> str:
    accidental = found["sign"] or (found["word"] or "").lower()
    mode = (found["mode"] or found["short"]).lower()
    return f"{found['letter'].upper()}{_ACCIDENTALS.get(accidental.lower(), '')} {_MODES[mode]}"
