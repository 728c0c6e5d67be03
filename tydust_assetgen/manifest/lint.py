"""Finds weak spots in prompts, and gives a better example for each.

What a person wrote is judged (text, fields, their own `[defaults]` and `[genre]` tables), not what this program fills
in. A finding is advice, never an error: a generator can make music of anything, but it guesses what is left open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tydust_assetgen.flow import Recipe, Section
from tydust_assetgen.manifest import Manifest
from tydust_assetgen.manifest.precedence import built_in
from tydust_assetgen.manifest.timing import total_s
from tydust_assetgen.prompt import Parts, find_instruments, find_moods
from tydust_assetgen.prompt.write import number


class Finding(NamedTuple):
    """One thing that a prompt leaves open: where, which rule, why it matters, and how it could be said."""

    place: str
    """Such as `assets.toml:14`."""
    slot: str
    rule: str
    message: str
    example: str


class _Case(NamedTuple):
    """A slot as its person wrote it, and the genre that examples are taken from."""

    recipe: Recipe
    written: Mapping[str, Any]
    """Fields of the slot and, behind them, of the person's own genre and defaults."""
    own: Mapping[str, Any]
    """Fields of the slot alone."""
    parts: Parts
    genre: Mapping[str, Any]


class _Remark(NamedTuple):
    """A finding without its place: the key that it is about instead."""

    rule: str
    message: str
    example: str
    key: str = ""


_VAGUE: tuple[tuple[str, str, str], ...] = (
    (r"(?:good|nice|cool|great|right) (?:mood|vibes?|feeling|atmosphere)", "mood", "names no feeling"),
    (r"(?:epic|cool|nice|good|great|awesome|generic|typical|atmospheric) (?:music|track|song|theme)", "music",
     "fits a thousand tracks"),
    (r"(?:space|sci-?fi|game|video ?game|battle|boss|background|ambient|menu) (?:music|track|song|vibes?)", "music",
     "says where it plays, not what is heard"),
    (r"(?:some|various|different) (?:instruments|sounds|synths|melod(?:y|ies))", "instruments", "names no instrument"),
    (r"(?:something (?:like that|good|nice|cool|epic)|stuff|etc|and so on|whatever)", "music", "leaves all open"),
    (r"(?:nice|cool|awesome|amazing|interesting|fun|beautiful|epic)", "word", "is praise, not a description"),
    (r"(?:fitting|suitable|appropriate|good[ -]sounding|high energy)", "word", "depends on what only you know"),
)  # fmt: skip
_VAGUE_PATTERNS = tuple((re.compile(rf"\b(?:{words})\b", re.IGNORECASE), kind, why) for words, kind, why in _VAGUE)

_OPPOSITES = tuple(
    (frozenset(left.split()), frozenset(right.split()))
    for left, right in (
        ("calm peaceful serene tranquil relaxed gentle", "aggressive angry frantic furious fierce urgent intense"),
        ("happy joyful joyous cheerful playful carefree", "sad mournful melancholic tragic bleak desolate grim"),
        ("hopeful optimistic uplifting triumphant victorious", "defeated resigned desperate gloomy foreboding"),
    )
)
_NEEDS_SECTIONS_S = 10.0  # a shorter jingle is one gesture
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_HINTS_AT = {
    "chiptune": ("8-bit", "8 bit", "pixel", "retro game", "console", "jingle", "title"),
    "industrial": ("machine", "metal", "factory", "mechanical", "foundry", "reactor"),
    "darkwave": ("dark", "gothic", "haunt", "eerie", "ominous", "choir", "void"),
}


def lint(recipes: Iterable[Recipe], manifest: Manifest) -> tuple[Finding, ...]:
    """What the prompts of these recipes leave open, in their order.

    Args:
        recipes: from `manifest.resolve`.
        manifest: where the recipes come from; what a person wrote stands there.
    """
    return tuple(finding for recipe in recipes for finding in _of_slot(recipe, manifest))


def _of_slot(recipe: Recipe, manifest: Manifest) -> Iterator[Finding]:
    case = _case(recipe, manifest)
    for rule in _RULES:
        for remark in rule(case):
            line = manifest.line_of(recipe.slot, remark.key)
            yield Finding(f"{manifest.path.name}:{line}", recipe.slot, remark.rule, remark.message, remark.example)


def _case(recipe: Recipe, manifest: Manifest) -> _Case:
    found = manifest.look(recipe.slot)
    person = manifest.written_for(recipe.brief.genre)
    genre = built_in().get(recipe.brief.genre) or built_in()[_guess(recipe)]
    examples = {**genre, **{key: value for key, value in person.items() if value}}
    return _Case(recipe, {**person, **found.values}, found.values, found.parts, examples)


def _guess(recipe: Recipe) -> str:
    """The built-in genre that a slot sounds most like, by its words."""
    words = f"{recipe.slot} {recipe.brief.prompt}".lower()
    return next((genre for genre, hints in _HINTS_AT.items() if any(hint in words for hint in hints)), "synthwave")


def _genre(case: _Case) -> Iterator[_Remark]:
    if not (case.parts.genre or case.written.get("genre") or case.recipe.brief.genre):
        message = "no genre: sounds, drums and harmony are left to chance"
        yield _Remark("no-genre", message, f'genre = "{_guess(case.recipe)}"')


def _key(case: _Case) -> Iterator[_Remark]:
    if not (case.parts.key or case.written.get("key")):
        message = "no key: tracks that follow each other in the game may clash"
        yield _Remark("no-key", message, f'key = "{case.genre["key"]}", or in words: "{case.genre["key"]} key"')


def _tempo(case: _Case) -> Iterator[_Remark]:
    if not (case.parts.bpm or case.written.get("bpm")):
        bpm = number(case.genre["bpm"])
        message = "no tempo: nothing says how fast the game feels here"
        yield _Remark("no-tempo", message, f'bpm = {bpm}, or in words: "{bpm} BPM"')


def _instruments(case: _Case) -> Iterator[_Remark]:
    words = ". ".join(text for text, _ in _texts(case))
    if not (case.written.get("instruments") or find_instruments(words)):
        listed = ", ".join(f'"{name}"' for name in case.genre["instruments"])
        message = "no instruments: the genre's usual ones will play"
        yield _Remark("no-instruments", message, f"instruments = [{listed}]")


def _no_mood(case: _Case) -> Iterator[_Remark]:
    words = ". ".join(text for text, _ in _texts(case))
    if not (case.written.get("mood") or find_moods(words)):
        moods = ", ".join(f'"{mood}"' for mood in _names(case.genre["mood"]))
        yield _Remark("no-mood", "no mood: nothing says what the player should feel", f"mood = [{moods}]")


def _names(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _moods(case: _Case) -> Iterator[_Remark]:
    """Feelings that can't be had at once, in one breath."""
    breaths = [(" ".join(_names(case.own.get("mood", []))), "mood")]
    breaths += [(sentence, key) for text, key in _texts(case) for sentence in _SENTENCE.split(text)]
    for text, key in breaths:
        moods = find_moods(text)
        for left, right in _OPPOSITES:
            one, other = [mood for mood in moods if mood in left], [mood for mood in moods if mood in right]
            if one and other:
                message = f"`{one[0]}` and `{other[0]}` contradict each other in one breath"
                example = f'"{one[0]}" in one section, "{other[0]}" in a later one'
                yield _Remark("contradictory-moods", message, example, key)


def _sections(case: _Case) -> Iterator[_Remark]:
    brief = case.recipe.brief
    if not brief.sections and brief.duration_s >= _NEEDS_SECTIONS_S:
        message = f"no sections: {number(brief.duration_s)} s with no course"
        yield _Remark("no-sections", message, _course(case))
    for at, section in enumerate(case.own.get("sections", [])):
        if not brief.sections[at].prompt:
            example = f'prompt = "{case.genre["scenes"][at % len(case.genre["scenes"])]}"'
            message = f"section `{section['name']}` says nothing about what happens in it"
            yield _Remark("empty-section", message, example, f"sections.{at}")


def _course(case: _Case) -> str:
    """Three sections of whole bars that fill the track."""
    brief, scenes = case.recipe.brief, case.genre["scenes"]
    bar_s = 240.0 / (brief.bpm or case.genre["bpm"])
    edge = round(max(1, round(brief.duration_s / bar_s * 0.2)) * bar_s, 1)
    lengths = (("intro", edge), ("main", brief.duration_s - 2 * edge), ("outro", edge))
    items = (
        f'{{ name = "{name}", seconds = {number(seconds)}, prompt = "{scenes[at % len(scenes)]}" }}'
        for at, (name, seconds) in enumerate(lengths)
    )
    return f"sections = [{', '.join(items)}]"


def _sum(case: _Case) -> Iterator[_Remark]:
    """Sections of the text that leave time over; more time than there is, is an error and never gets here."""
    said, whole = total_s(case.parts.sections), case.recipe.brief.duration_s
    if case.own.get("sections") or not said or abs(said - whole) < 0.05:
        return
    message = f"the sections add up to {number(said)} s, the track has {number(whole)} s: `main` will fill the rest"
    example = ". ".join(map(_in_words, case.recipe.brief.sections)) + "."
    yield _Remark("sections-do-not-add-up", message, example, "prompt")


def _in_words(section: Section) -> str:
    head = f"{number(section.seconds)} second {section.name}"
    return f"{head} with {section.prompt}" if section.prompt else head


def _vague(case: _Case) -> Iterator[_Remark]:
    for text, key in _texts(case):
        for sentence in _SENTENCE.split(text):
            reasons = "; ".join(f"`{words}` {why}" for words, why in _vague_words(sentence))
            if reasons:
                yield _Remark("vague-words", reasons, _better(sentence.strip().rstrip("."), case), key)


def _vague_words(sentence: str) -> list[tuple[str, str]]:
    """Vague words and why they are, in the order of the sentence; a longer phrase hides the words in it."""
    found: dict[int, tuple[str, str]] = {}
    for pattern, _, why in _VAGUE_PATTERNS:
        found |= {match.start(): (match[0], why) for match in pattern.finditer(sentence)}
        sentence = pattern.sub(lambda match: "\0" * len(match[0]), sentence)
    return [found[at] for at in sorted(found)]


def _better(sentence: str, case: _Case) -> str:
    """The sentence with concrete words for the vague ones."""
    for pattern, kind, _ in _VAGUE_PATTERNS:
        words = _instead(kind, case)
        article = "n" if words[0].lower() in "aeiou" else ""
        sentence = pattern.sub(lambda _, words=words: words, sentence)  # type: ignore[misc]
        sentence = re.sub(rf"\b([Aa])n? (?={re.escape(words)})", rf"\1{article} ", sentence)
    return sentence


def _instead(kind: str, case: _Case) -> str:
    """Concrete words, out of the slot's genre."""
    moods, scene = _names(case.genre["mood"]), case.genre["scenes"][0]
    return {
        "mood": f"{' and '.join(moods[:2])} mood",
        "music": f"{case.genre['prompt']} like {scene}",
        "instruments": " and ".join(case.genre["instruments"][:2]),
        "word": moods[0],
    }[kind]


def _texts(case: _Case) -> Iterator[tuple[str, str]]:
    """Every text of a slot, with its key."""
    if "prompt" in case.own:
        yield " ".join(case.own["prompt"].split()), "prompt"
    for at, section in enumerate(case.own.get("sections", [])):
        yield " ".join((section.get("prompt") or "").split()), f"sections.{at}.prompt"


_RULES: tuple[Callable[[_Case], Iterator[_Remark]], ...] = (
    _genre, _key, _tempo, _sections, _sum, _instruments, _no_mood, _moods, _vague
)  # fmt: skip
