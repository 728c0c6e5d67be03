"""Reads a prompt's text into its parts, and writes it from them.

The pattern of a prompt: genre and atmosphere, key and tempo, sections in time order, instrumentation,
aesthetic, quality. `read` takes any human text (what it does not find stays empty), `write` makes a text in the
order of the pattern, and `read` reads back what `write` wrote.
"""

from tydust_assetgen.prompt.key import find_keys, parse_key, sound_alike
from tydust_assetgen.prompt.parts import GENRES, MAX_CHARACTERS, Parts
from tydust_assetgen.prompt.read import find_tempos, read
from tydust_assetgen.prompt.sections import section_name
from tydust_assetgen.prompt.vocabulary import find_instruments, find_moods
from tydust_assetgen.prompt.write import write

__all__ = [
    "GENRES",
    "MAX_CHARACTERS",
    "Parts",
    "find_instruments",
    "find_keys",
    "find_moods",
    "find_tempos",
    "parse_key",
    "read",
    "section_name",
    "sound_alike",
    "write",
]
