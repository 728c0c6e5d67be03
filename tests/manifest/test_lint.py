"""What lint says of prompts that leave something open, and that its own examples are good."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tydust_assetgen.manifest import read_manifest
from tydust_assetgen.manifest.lint import Finding, lint

FULL = (
    "Darkwave drone, C minor key, 80 BPM. 6 second intro with wide pads. 12 second main theme with slow bass, a single bell. "
    "Gothic aesthetic, mournful mood."
)


class Plain(msgspec.Struct):
    """A generator without parameters."""


def _lint(tmp_path: Path, rest: str) -> tuple[Finding, ...]:
    path = tmp_path / "assets.toml"
    path.write_text('[game]\nname = "Tydust"\n' + rest, "utf-8")
    manifest = read_manifest(path, {"composer": Plain})
    return lint(manifest.resolve(manifest.slots), manifest)


def _rules(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def test_a_prompt_that_says_everything_has_no_findings(tmp_path: Path) -> None:
    assert _lint(tmp_path, f'[music]\n"a.ogg" = "{FULL}"') == ()


@pytest.mark.parametrize(
    ("missing", "rule", "example"),
    [
        ("C minor key, ", "no-key", 'key = "C minor"'),
        ("80 BPM", "no-tempo", "bpm = 92"),
        ("Gothic aesthetic, mournful mood.", "no-mood", 'mood = ["ominous", "melancholic"]'),
    ],
)
def test_what_is_missing_is_said_with_an_example_of_the_genre(
    tmp_path: Path, missing: str, rule: str, example: str
) -> None:
    (finding,) = _lint(tmp_path, '[music]\n"a.ogg" = "{}"'.format(FULL.replace(missing, "")))
    assert (finding.rule, finding.slot, finding.place) == (rule, "a.ogg", "assets.toml:4")
    assert example in finding.example


def test_a_prompt_that_says_nothing_has_every_finding(tmp_path: Path) -> None:
    findings = _lint(tmp_path, '[music]\n"a.ogg" = "tune"')
    assert _rules(findings) == ["no-genre", "no-key", "no-tempo", "no-sections", "no-instruments", "no-mood"]


def test_its_own_examples_leave_nothing_open(tmp_path: Path) -> None:
    """Whoever takes every advice is done."""
    findings = _lint(tmp_path, '[music."a.ogg"]\nprompt = "something for the haunted level"\nduration = 31\n')
    advice = "\n".join(finding.example.split(", or in words")[0] for finding in findings)
    assert _rules(findings) == ["no-genre", "no-key", "no-tempo", "no-sections", "no-instruments"]
    assert 'genre = "darkwave"' in advice
    assert _lint(tmp_path, f'[music."a.ogg"]\nprompt = "the haunted level"\n{advice}\n') == ()


@pytest.mark.parametrize(
    "vague", ["good mood", "space music", "nice", "epic music", "some instruments", "cool", "background music", "stuff", "etc"]
)  # fmt: skip
def test_vague_words_are_named_and_replaced(tmp_path: Path, vague: str) -> None:
    (finding,) = _lint(tmp_path, f'[music]\n"a.ogg" = "{FULL} It has {vague} here. Fine."')
    assert finding.rule == "vague-words"
    assert finding.message.startswith(f"`{vague}` ")
    assert vague not in finding.example
    assert finding.example.startswith("It has ")
    assert _lint(tmp_path, f'[music]\n"a.ogg" = "{FULL} {finding.example}."') == ()


def test_vague_words_of_one_sentence_are_one_finding(tmp_path: Path) -> None:
    (finding,) = _lint(tmp_path, f'[music]\n"a.ogg" = "{FULL} A nice piece of space music"')
    assert (
        finding.message == "`nice` is praise, not a description; `space music` says where it plays, not what is heard"
    )
    assert finding.example == "An ominous piece of dark gothic electronic music like empty corridors of a dead station"


def test_vague_words_of_a_section_have_its_place(tmp_path: Path) -> None:
    text = f'[music."a.ogg"]\nprompt = "{FULL}"\nsections = [\n{{ name = "intro", seconds = 6, prompt = "nice bells" }},\n]'
    (finding,) = _lint(tmp_path, text)
    assert finding.place == "assets.toml:6"
    assert finding.example == "ominous bells"


@pytest.mark.parametrize("word", ["perfect for calm space exploration", "an epicenter", "the nicest", "great ships"])
def test_other_words_are_left_alone(tmp_path: Path, word: str) -> None:
    assert _lint(tmp_path, f'[music]\n"a.ogg" = "{FULL} {word}."') == ()


def test_sections_that_leave_time_over(tmp_path: Path) -> None:
    (finding,) = _lint(tmp_path, f'[music."a.ogg"]\nprompt = "{FULL}"\nduration = 30\n')
    assert finding.rule == "sections-do-not-add-up"
    assert (finding.message, finding.place) == (
        "the sections add up to 18 s, the track has 30 s: `main` will fill the rest",
        "assets.toml:4",
    )
    assert finding.example.startswith("6 second intro with wide pads. 24 second main with slow bass")


def test_a_section_that_says_nothing(tmp_path: Path) -> None:
    text = f'[music."a.ogg"]\nprompt = "{FULL}"\nsections = [{{ name = "intro", seconds = 6 }}, {{ name = "x", seconds = 6 }}]'
    (finding,) = _lint(tmp_path, text)
    assert finding.rule == "empty-section"
    assert "section `x`" in finding.message


def test_moods_that_contradict_each_other(tmp_path: Path) -> None:
    (finding,) = _lint(tmp_path, f'[music."a.ogg"]\nprompt = "{FULL}"\nmood = ["calm", "cold", "furious"]')
    assert (finding.rule, finding.place) == ("contradictory-moods", "assets.toml:5")
    assert finding.message == "`calm` and `furious` contradict each other in one breath"


def test_moods_of_different_sections_may_differ(tmp_path: Path) -> None:
    text = FULL.replace("wide pads", "calm pads").replace("slow bass", "furious bass")
    assert _lint(tmp_path, f'[music]\n"a.ogg" = "{text}"') == ()


def test_a_short_jingle_needs_no_sections(tmp_path: Path) -> None:
    text = "Chiptune fanfare, C major, 150 BPM, a 4 second jingle, square leads, triumphant"
    assert _lint(tmp_path, f'[music]\n"a.ogg" = "{text}"') == ()


def test_empty_lists_of_a_person_are_no_examples(tmp_path: Path) -> None:
    empty = "mood = []\ninstruments = []\nscenes = []\n"
    findings = _lint(tmp_path, f'[genre.darkwave]\n{empty}[music]\n"a.ogg" = "nice darkwave"')
    assert _rules(findings) == ["no-key", "no-tempo", "no-sections", "no-instruments", "no-mood", "vague-words"]
    assert all(finding.example.strip("[]") for finding in findings)


def test_what_the_person_says_for_all_slots_counts(tmp_path: Path) -> None:
    text = '[defaults]\nkey = "C minor"\n[genre.darkwave]\nbpm = 80\n[music]\n"a.ogg" = "{}"'
    assert _lint(tmp_path, text.format(FULL.replace("C minor key, 80 BPM", "slow"))) == ()
