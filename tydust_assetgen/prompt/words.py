"""The vocabulary: which words are moods, which name an instrument, which only join others. In walks a clause, out walk phrases."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOODS = frozenset(
    """aggressive angry anxious awe bittersweet bleak bright brooding calm carefree celebratory cheerful cinematic claustrophobic
    cold contemplative cosmic curious dangerous dark defeated defiant desolate desperate determined discovery dread
    dreamy driving dystopian eerie energetic epic ethereal euphoric exciting fearful fierce foreboding frantic furious gentle
    gloomy gothic grim happy haunting haunted heroic hopeful hypnotic icy intense introspective joyful joyous lonely longing
    majestic mechanical meditative melancholic melancholy menacing mournful mysterious mystical nervous nostalgic ominous
    oppressive optimistic peaceful playful poignant powerful proud punishing quiet reflective relaxed relentless resigned
    resolute restless romantic sad serene sinister solemn sombre somber spooky suspenseful tender tense threatening thrilling
    tragic tranquil triumphant troubled unease uneasy unsettling uplifting urgent victorious vengeful warlike wistful wonder
    wondrous wry yearning""".split()
)
"""Words that say how music feels. Bright, dark and cold may also describe a sound; they colour the music either way."""

HEADS = frozenset(
    """accordion arp arps arpeggio arpeggios arpeggiator bass basses bassline basslines bell bells brass cello cellos chimes
    choir choirs chords clap claps clarinet clavinet cymbal cymbals drone drones drum drums flute flutes glockenspiel
    gong guitar guitars harp harpsichord hat hats hi-hat hi-hats hihat hihats horn horns kick kicks lead leads mallets marimba
    metal noise ostinato organ organs pad pads percussion piano pianos pluck plucks saxophone sequencer snare snares stab stabs
    string strings synth synths synthesizer synthesizers theremin timpani toms triangle trombone trumpet trumpets vibraphone
    viola violin violins vocals vocoder voices woodblock xylophone""".split()
)
TAILS = frozenset(
    """bass bassline basslines beat beats channel channels chords drums groove hits kit layer layers lead leads line lines
    machine machines melody melodies motif ostinato pads parts patterns riff riffs section stabs swells textures voice
    voices waves""".split()
)
"""Words that carry a phrase on after an instrument: `pad layers`, `drum machine`, `square leads`."""

_NOT_AN_INSTRUMENT = frozenset(
    """aesthetic composition genre music quality score sound sounds soundtrack song style theme track aesthetics era
    wave-inspired inspired""".split()
)
_VERB_AFTER = frozenset("back into to the us towards toward from away".split())
_JOINING = frozenset(
    """a an and are as at by for from in into is it its of on or over plus some the then through to under using via which with
    without no not but light touch made built carrying featuring establishing building creating adding introducing
    giving returning transitioning leading rising becoming like than that while where
    bpm minor major key second seconds minute minutes main theme intro outro verse chorus bridge music sound aesthetic
    quality mood melodic-hooks discovery wonder growing joined answered""".split()
)
_QUALIFIERS = 4
_WAVES = frozenset("square pulse triangle sawtooth saw sine".split())
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9'’-]{0,40}|[,.;:()\n/–—]")


def find_moods(text: str) -> tuple[str, ...]:
    """The mood words of a text, in order, each once."""
    return tuple(dict.fromkeys(word for word in _TOKEN.findall(text.lower()) if word in MOODS))


def find_instruments(text: str) -> tuple[str, ...]:
    """The instruments that a text names, with what describes them: `soft 80s drum machine`. Each once, in order."""
    words = _TOKEN.findall(text)
    return tuple(dict.fromkeys(_phrases(words, [word.lower() for word in words])))


def _phrases(words: list[str], lower: list[str]) -> Iterator[str]:
    end = 0
    for at, word in enumerate(lower):
        if at < end or not (word in HEADS or (word in _WAVES and lower[at + 1 : at + 2] in _WAVE_NOUNS)):
            continue
        start, end = _start(lower, at, end), _end(lower, at)
        follower = lower[end] if end < len(lower) else ""
        if follower in _NOT_AN_INSTRUMENT or (lower[end - 1] in {"lead", "leads"} and follower in _VERB_AFTER):
            continue
        if start and lower[start - 1] in {"no", "without"}:
            continue
        yield " ".join(words[start:end])


def _start(lower: list[str], at: int, taken: int) -> int:
    start = at
    while start > taken and at - start < _QUALIFIERS and _describes(lower[start - 1]):
        start -= 1
    return start


def _describes(word: str) -> bool:
    return word[0].isalnum() and word not in _JOINING


def _end(lower: list[str], at: int) -> int:
    end = at + 1
    while end < len(lower) and (lower[end] in TAILS or lower[end] in HEADS):
        end += 1
    return end


_WAVE_NOUNS = tuple([noun] for noun in TAILS)
