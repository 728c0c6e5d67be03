"""The vocabulary: which words are moods, which name an instrument, which only join others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOODS = _words(
    """
    aggressive angry anxious awe bittersweet bleak bright brooding calm carefree celebratory cheerful
    claustrophobic cold contemplative cosmic curious dangerous dark defeated defiant desolate desperate
    determined discovery dread dreamy driving dystopian eerie energetic ethereal euphoric exciting fearful
    fierce foreboding frantic furious gentle gloomy gothic grim happy haunting haunted heroic hopeful hypnotic
    icy intense introspective joyful joyous lonely longing majestic mechanical meditative melancholic
    melancholy menacing mournful mysterious mystical nervous nostalgic ominous oppressive optimistic peaceful
    playful poignant powerful proud punishing quiet reflective relaxed relentless resigned resolute restless
    romantic sad serene sinister solemn sombre somber spooky suspenseful tender tense threatening thrilling
    tragic tranquil triumphant troubled unease uneasy unsettling uplifting urgent victorious vengeful warlike
    wistful wonder wondrous yearning
    """
)
"""Words that say how music feels. Bright, dark and cold may also describe a sound; they colour the music as well."""

_HEADS = _words(
    """
    accordion arp arps arpeggio arpeggios arpeggiator bass basses bassline basslines bell bells brass cello
    cellos chimes choir choirs chords clap claps clarinet clavinet cymbal cymbals drone drones drum drums
    flute flutes glockenspiel gong guitar guitars harp harpsichord hat hats hi-hat hi-hats hihat hihats horn
    horns kick kicks lead leads mallets marimba noise ostinato organ organs pad pads percussion piano pianos
    pluck plucks saxophone sequencer snare snares stab stabs strings synth synths synthesizer synthesizers
    theremin timpani tom toms trombone trumpet trumpets vibraphone viola violin violins vocals vocoder
    woodblock xylophone
    """
)
_TAILS = _words(
    """
    bass bassline basslines beat beats channel channels chords drums fanfare groove hit hits kit layer layers
    lead leads line lines machine machines melody melodies motif ostinato pads parts patterns riff riffs roll
    rolls section stabs swells textures voice voices wave waves
    """
)  # words that carry a phrase on after an instrument: `pad layers`, `drum machine`, `square leads`
_WAVES = _words("square pulse triangle sawtooth saw sine")  # instruments only where one of the words above follows
_NOT_AN_INSTRUMENT = _words(
    """
    aesthetic aesthetics composition era genre inspired music quality score sound sounds soundtrack song style theme
    track
    """
)
_AFTER_A_VERB = _words("back into to the us towards toward from away")
_JOINING = _words(
    """
    a an and are as at by floor for from in into is it its of on or over plus some the then through to under using
    via which with without no not but light touch made built carrying featuring establishing building creating
    adding introducing giving returning transitioning leading rising becoming like than that while where bpm
    minor major key second seconds minute minutes main theme intro outro verse chorus bridge music sound
    aesthetic quality mood discovery wonder growing joined answered
    """
)
_QUALIFIERS = 4
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9'’-]{0,40}|[,.;:()\n/–—]")


def find_moods(text: str) -> tuple[str, ...]:
    """The mood words of a text, in order, each once."""
    return tuple(dict.fromkeys(word for word in _TOKEN.findall(text.lower()) if word in MOODS))


def find_instruments(text: str) -> tuple[str, ...]:
    """The instruments that a text names, with what describes them: `soft 80s drum machine`. Each once, in order."""
    words = _TOKEN.findall(text)
    return tuple(dict.fromkeys(_phrases(words, [word.lower() for word in words])))


def _phrases(words: Sequence[str], lower: Sequence[str]) -> Iterator[str]:
    end = 0
    for at, word in enumerate(lower):
        if at < end or not (word in _HEADS or (word in _WAVES and _carries_on(lower, at + 1))):
            continue
        start, end = _start(lower, at, end), _end(lower, at)
        if not _is_something_else(lower, start, end):
            yield " ".join(words[start:end])


def _start(lower: Sequence[str], at: int, taken: int) -> int:
    """Where the words begin that describe the instrument at `at`."""
    start = at
    while start > taken and at - start < _QUALIFIERS and _describes(lower[start - 1]):
        start -= 1
    return start


def _describes(word: str) -> bool:
    return word[0].isalnum() and word not in _JOINING


def _end(lower: Sequence[str], at: int) -> int:
    end = at + 1
    while _carries_on(lower, end):
        end += 1
    return end


def _carries_on(lower: Sequence[str], at: int) -> bool:
    return at < len(lower) and (lower[at] in _TAILS or lower[at] in _HEADS)


def _is_something_else(lower: Sequence[str], start: int, end: int) -> bool:
    """`synthesizer aesthetic`, `leads back to`, `no drums`: not an instrument that plays."""
    follower = lower[end] if end < len(lower) else ""
    is_verb = lower[end - 1] in {"lead", "leads"} and follower in _AFTER_A_VERB
    denied = start > 0 and lower[start - 1] in {"no", "without"}
    return follower in _NOT_AN_INSTRUMENT or is_verb or denied
