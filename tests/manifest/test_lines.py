"""Where things stand: every way that TOML has to write a slot and a key."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.manifest.locations import Lines

TEXT = '''\
# [music."comment.ogg"]
[defaults]
bpm = 90  # "no" = 3

[music]
"short.ogg" = "x"
'literal.ogg' = 'x'
"multi.ogg" = """
"inside.ogg" = "not a slot"
[music."inside.ogg"]
"""
"inline.ogg" = { prompt = "x, y = 3", seed = 1, ogg = { quality = 3 } }
"caf\\u00e9.ogg".prompt = "x"
"caf\\u00e9.ogg".seed = 1

  [ music . "spaced.ogg" ]
prompt = \'\'\'
key = "C"
\'\'\'
key = "D minor"
when = 1979-05-27 07:32:00
ratio = 1.5
sections = [
  { name = "a", seconds = 3 },
  # a comment, with ] and }
  { name = "b",
    seconds = 4 },
]

[music."spaced.ogg".composer]
swing = 0.1
[genre."my genre"]
key = "C major"
'''


@pytest.mark.parametrize(
    ("slot", "key", "line"),
    [
        ("", "defaults", 2), ("", "defaults.bpm", 3), ("", "music", 5), ("short.ogg", "", 6), ("literal.ogg", "", 7),
        ("multi.ogg", "", 8), ("inside.ogg", "", 5), ("inline.ogg", "", 12), ("inline.ogg", "ogg.quality", 12),
        ("café.ogg", "", 13), ("café.ogg", "prompt", 13), ("café.ogg", "seed", 14), ("spaced.ogg", "", 16),
        ("spaced.ogg", "prompt", 17), ("spaced.ogg", "key", 20), ("spaced.ogg", "when", 21), ("spaced.ogg", "ratio", 22),
        ("spaced.ogg", "sections", 23), ("spaced.ogg", "sections.0.seconds", 24), ("spaced.ogg", "sections.1", 26),
        ("spaced.ogg", "sections.1.seconds", 27), ("spaced.ogg", "composer", 30), ("spaced.ogg", "composer.swing", 31),
        ("spaced.ogg", "nothing", 16), ("comment.ogg", "", 5), ("", "genre.my genre.key", 33), ("", "nothing", 0),
    ],
)  # fmt: skip
def test_where_things_stand(slot: str, key: str, line: int) -> None:
    assert Lines(TEXT).of(slot, key) == line


@pytest.mark.parametrize("slot", ["short.ogg", "literal.ogg", "multi.ogg", "inline.ogg", "café.ogg", "spaced.ogg"])
def test_the_search_agrees_with_the_scan(slot: str) -> None:
    plain = re.sub(r"(\"{3}|'{3}).*?\1", '"x"', TEXT, flags=re.DOTALL)
    assert '"""' in TEXT
    assert '"""' not in plain
    assert Lines(TEXT).of_slot(slot) == Lines(TEXT).of(slot)
    assert Lines(plain).of_slot(slot) == Lines(plain).of(slot)


def test_what_a_line_sets() -> None:
    lines = Lines(TEXT)
    assert lines.at(7) == ("literal.ogg", "")
    assert lines.at(20) == ("spaced.ogg", "key")
    assert lines.at(3) == ("", "defaults.bpm")
    assert lines.at(4) == ("", "")


@given(st.text(alphabet=st.sampled_from("[]{}=.,\"'\\\n #ab1u"), max_size=60))
def test_a_scan_of_anything_ends_well(text: str) -> None:
    lines = Lines(text)
    assert 0 <= lines.of("a") <= text.count("\n") + 1
    assert 0 <= lines.of_slot("a") <= text.count("\n") + 1
    assert lines.at(0) == ("", "")


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8, unique=True))
def test_any_name_is_found(names: list[str]) -> None:
    quoted = ['"' + "".join(f"\\U{ord(letter):08x}" for letter in name) + '"' for name in names]
    lines = Lines("[music]\n" + "".join(f"{name} = 1\n" for name in quoted))
    assert [lines.of_slot(name) for name in names] == list(range(2, len(names) + 2))
