"""The shipped `assets.toml`: the soundtrack of Tydust, as it was asked for."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tydust_assetgen.flow import Recipe
from tydust_assetgen.generate.composer.parameters import ComposerParameters
from tydust_assetgen.manifest import Manifest, read_manifest
from tydust_assetgen.manifest.lint import lint

ROOT = Path(__file__).resolve().parents[2]
PHASE1_CALM = (
    "Synthwave 80s retro space exploration music, D minor key, 90 BPM. 12 second introspective intro with atmospheric synth "
    "pads and subtle arpeggios establishing mood. 36 second main theme building wonder and discovery with layered "
    "arpeggiated synth leads, warm analog synth bass, lush atmospheric pad layers creating depth. 12 second outro with "
    "reflective melodic lead transitioning smoothly back to intro for seamless looping. Retro 1980s synthesizer aesthetic "
    "with warm vintage sound, light touch of reverb and delay for ethereal quality, minimal percussion with soft 80s drum "
    "machine, mysterious and contemplative mood perfect for calm space exploration. Professional quality synthwave "
    "composition with clear melodic hooks and emotional resonance."
)  # fmt: skip


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(ROOT / "assets.toml", {"composer": ComposerParameters})


@pytest.fixture(scope="module")
def recipes(manifest: Manifest) -> tuple[Recipe, ...]:
    return manifest.resolve(manifest.slots)


def test_phase1_calm_is_exactly_as_specified(recipes: tuple[Recipe, ...]) -> None:
    (calm,) = (recipe for recipe in recipes if recipe.slot == "music/phase1_calm.ogg")
    brief = calm.brief
    assert brief.prompt == PHASE1_CALM
    assert (brief.genre, brief.key, brief.bpm, brief.loop, brief.duration_s) == ("synthwave", "D minor", 90, True, 60)
    assert [(section.name, section.seconds) for section in brief.sections] == [
        ("intro", 12),
        ("main", 36),
        ("outro", 12),
    ]
    assert [output.path for output in calm.outputs] == ["music/phase1_calm.ogg", "music/phase1_calm.mp3"]
    assert (calm.outputs[0].quality, calm.outputs[1].bitrate_kbps) == (6, 192)


def test_every_track_of_the_game_is_there(recipes: tuple[Recipe, ...]) -> None:
    genres = Counter(recipe.brief.genre for recipe in recipes)
    assert genres == {"synthwave": 4, "darkwave": 5, "industrial": 2, "chiptune": 3}
    assert {recipe.game for recipe in recipes} == {"Tydust"}
    jingles = {recipe.slot for recipe in recipes if not recipe.brief.loop}
    assert jingles == {"music/title.ogg", "music/victory.ogg", "music/game_over.ogg"}


def test_sections_are_whole_bars_that_fill_the_track(recipes: tuple[Recipe, ...]) -> None:
    for recipe in recipes:
        brief = recipe.brief
        assert sum(section.seconds for section in brief.sections) == pytest.approx(brief.duration_s)
        bars = [section.seconds * brief.bpm / 240 for section in brief.sections]
        whole = [abs(count - round(count)) < 1e-6 for count in bars]
        assert all(whole) or recipe.slot == "music/phase1_calm.ogg", recipe.slot  # its seconds are given: 4.5 bars


def test_no_two_tracks_are_alike(recipes: tuple[Recipe, ...]) -> None:
    feel = [(recipe.brief.genre, recipe.brief.key) for recipe in recipes]
    assert len(set(feel)) == len(feel)
    assert len({recipe.brief.moods for recipe in recipes}) == len(recipes)
    assert len({recipe.title for recipe in recipes}) == len(recipes)


def test_lint_has_nothing_to_say(manifest: Manifest, recipes: tuple[Recipe, ...]) -> None:
    assert lint(recipes, manifest) == ()
