"""Reads the `Parts` of a prompt out of any text that a person wrote.

Every pattern here is bounded (no nested repetition), so that no text makes it slow; see `MAX_CHARACTERS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from tydust_assetgen.prompt.key import find_key
from tydust_assetgen.prompt.parts import GENRES, MAX_CHARACTERS, Parts
from tydust_assetgen.prompt.sections import read_duration, read_sections
from tydust_assetgen.prompt.vocabulary import find_instruments, find_moods

_PARAGRAPH = re.compile(
    r"\n[^\S\n]*\n|\n[^\S\n]*(?:[-*•] |(?=[A-Za-z]{3,20} ?: ))"
)  # a lone line break is only a space
_SENTENCE = re.compile(r"[.!?;](?=\s|$)")
_CLAUSE = re.compile(r", | [–—-] ")
_BEATS = re.compile(
    r"(?<![\d.])(?<!\d[-–])(\d{1,4}(?:\.\d{1,3})?)[ -]?(?:bpm\b|beats? (?:per|a) minute\b)"
    r"|(?<![\w-])(?:tempo|bpm)(?: ?(?:of|is|=|:|at|around|about)){0,2} ?(\d{1,4}(?:\.\d{1,3})?)\b"
    r"(?![-–]\d| ?(?:bars?|seconds?|minutes?|s)\b)",
    re.IGNORECASE,
)
_NO_LOOP = re.compile(
    r"\b(?:non-?loop\w*|no loop\w*|not (?:a )?loop\w*|(?:does not|doesn't|do not|never) loop|one-?shot"
    r"|plays? (?:only )?once)\b",
    re.IGNORECASE,
)
_LOOP = re.compile(
    r"\b(?:(?:seamless|perfect|endless|for)(?:ly)? loop\w*|loopable|loops (?:back|seamlessly|forever|cleanly|endlessly)"
    r"|looping (?:track|music|piece|theme)|(?:seconds?|minutes?|a) loop)\b|(?:^|[,.;] )looping(?=[,.;]|$)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\s*(instruments?|instrumentation|moods?|aesthetic|quality)\s?:\s?(?=\S)", re.IGNORECASE)
_LIST = re.compile(r",\s*(?:and\s+)?|\s+and\s+")


def read(text: str, genres: Iterable[str] = GENRES) -> Parts:
    """The parts that a prompt names; what it does not say stays empty.

    Args:
        text: what a person wrote; only the first `MAX_CHARACTERS` are read.
        genres: names that are known as genres, lower case.
    """
    sentences = _sentences(text[:MAX_CHARACTERS])
    text = ". ".join(sentences)
    labelled = {label: rest for label, rest in map(_labelled, sentences) if label}
    plain = [sentence for sentence in sentences if not _labelled(sentence)[0]]
    told = [read_sections(sentence) for sentence in plain]
    free = [sentence for sentence, sections in zip(plain, told, strict=True) if not sections]
    aesthetic, quality = _aesthetic(free[1:]), _quality(free[1:])
    genre, name = _genre(text, tuple(genres))
    return Parts(
        genre=genre,
        atmosphere=_atmosphere(plain[0], name) if free and free[0] == plain[0] else "",
        key=next(filter(None, map(find_key, plain)), ""),
        bpm=next(find_tempos(text), 0.0),
        duration_s=next(filter(None, map(read_duration, free)), 0.0),
        sections=tuple(section for sections in told for section in sections),
        instruments=_listed(labelled["instrument"]) if "instrument" in labelled else find_instruments(text),
        moods=_listed(labelled["mood"]) if "mood" in labelled else find_moods(text),
        aesthetic=labelled.get("aesthetic", aesthetic),
        quality=labelled.get("quality", quality),
        loop=_loop(text),
    )


def _sentences(text: str) -> list[str]:
    """The sentences, list items and labelled lines of a text, with single spaces."""
    split = (sentence for part in _PARAGRAPH.split(text) for sentence in _SENTENCE.split(part))
    return [" ".join(sentence.split()) for sentence in split if sentence.strip()]


def _labelled(sentence: str) -> tuple[str, str]:
    """Label and rest of a sentence like `Instruments: warm bass, soft drums`."""
    found = _LABEL.match(sentence)
    if not found:
        return "", sentence
    label = found[1].lower().rstrip("s").replace("instrumentation", "instrument")
    return label, sentence[found.end() :].strip()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in _LIST.split(text) if part.strip()))


@lru_cache(maxsize=8)
def _genre_pattern(genres: tuple[str, ...]) -> re.Pattern[str]:
    spellings = "|".join(_spelling(name) for name in sorted(genres, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{spellings})(?![\w-])", re.IGNORECASE)


def _spelling(name: str) -> str:
    """A genre's name as a pattern: `synthwave` is also `synth wave` and `synth-wave`."""
    for half in ("synth", "dark", "chip"):
        if name.startswith(half):
            return f"{half}[ -]?{re.escape(name[len(half) :])}"
    return re.escape(name)


def _genre(text: str, genres: tuple[str, ...]) -> tuple[str, str]:
    """The known genre that comes first, and how the text spells it."""
    found = _genre_pattern(genres).search(text) if genres else None
    if not found:
        return "", ""
    plain = found[0].lower()
    squeezed = plain.replace(" ", "").replace("-", "")
    return next((name for name in genres if name.lower() in (plain, squeezed)), plain), found[0]


def find_tempos(text: str) -> Iterator[float]:
    """All tempos that a text names, in BPM, in order."""
    return (float(found[1] or found[2]) for found in _BEATS.finditer(text))


def _loop(text: str) -> bool | None:
    if _NO_LOOP.search(text):
        return False
    return True if _LOOP.search(text) else None


def _atmosphere(sentence: str, genre: str) -> str:
    """What the first sentence says besides key, tempo, length and (at its beginning) the genre."""
    clauses = [clause.strip() for clause in _CLAUSE.split(sentence)]
    kept = [clause for clause in clauses if clause and not _is_number(clause)]
    told = _LABEL.sub("", ", ".join(kept))
    return told[len(genre) :].strip(" ,") if genre and told.lower().startswith(genre.lower()) else told


def _is_number(clause: str) -> bool:
    return bool(find_key(clause) or _BEATS.search(clause) or read_duration(clause) or _loop(clause) is not None)


def _aesthetic(sentences: Sequence[str]) -> str:
    return next((sentence for sentence in sentences if "aesthetic" in sentence.lower()), "")


def _quality(sentences: Sequence[str]) -> str:
    return next((text for text in sentences if "quality" in text.lower() and "aesthetic" not in text.lower()), "")
