"""Styles and instruments are data: every file is right, and a mistake in one names the file and the field."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import pytest

from tydust_assetgen.errors import GenerationError
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.composer.score import Role
from tydust_assetgen.generate.composer.styles import DRUM_KEYS, STYLES, Style
from tydust_assetgen.generate.composer.synth.patches import PATCHES, Patch
from tydust_assetgen.generate.composer.toml_folder import TomlFolder, read_toml
from tydust_assetgen.generate.registry import sources

FOLDER = Path(__file__).parents[3] / "tydust_assetgen/generate/composer"


def test_every_style_names_instruments_and_drums_that_are_there() -> None:
    assert set(STYLES) == {"chiptune", "darkwave", "industrial", "synthwave"}
    for name, style in STYLES.items():
        assert style.name == name
        assert {patch for patches in style.patches.values() for patch in patches} <= set(PATCHES)
        assert set(style.patches) == set(style.thresholds) == set(style.mix) == set(get_args(Role))
        grooves = (*(groove for level in style.drums for groove in level), *style.fills)
        assert {drum for groove in grooves for drum in groove} <= set(DRUM_KEYS)


def test_every_instrument_can_be_read() -> None:
    assert len(PATCHES) == 31
    assert all(PATCHES[name].name == name for name in PATCHES)
    with pytest.raises(KeyError):
        PATCHES["no_such_patch"]


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    for name in ("darkwave", "industrial"):
        shutil.copy(FOLDER / f"styles/{name}.toml", tmp_path)
    (tmp_path / "industrial.toml").write_text("this is no TOML", encoding="utf-8")
    styles = TomlFolder(tmp_path, Style)
    assert "industrial" in styles
    assert "synthwave" not in styles
    assert styles["darkwave"] == STYLES["darkwave"]
    with pytest.raises(GenerationError):
        styles["industrial"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bpm = [76, 112]", 'bpm = [76, "fast"]', "$.bpm[1]"),
        ("bpm = [76, 112]", "", "missing required field `bpm`"),
        ("pedal = 0.35", "pedals = 0.35", "unknown field `pedals`"),
        ("[thresholds]", "[thresholds]\nbanjo = 1.0", "banjo"),
        ("gain_db = -8.0, reverb", "gain = -8.0, reverb", "unknown field `gain` - at `$.mix[...]`"),
        ('mode = "minor"', 'mode = "dorian"', "$.mode"),
        ('mode = "minor"', "mode = minor", "at line 6"),
    ],
)
def test_a_mistake_in_a_style_names_the_file_and_the_field(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = (FOLDER / "styles/darkwave.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    file = tmp_path / "darkwave.toml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(GenerationError) as caught:
        read_toml(file, Style)
    (problem,) = caught.value.problems
    assert problem.place == str(file)
    assert words in problem.message


def test_a_mistake_in_an_instrument_names_the_file_and_the_field(tmp_path: Path) -> None:
    text = (FOLDER / "instruments/warm_pad.toml").read_text(encoding="utf-8")
    file = tmp_path / "warm_pad.toml"
    file.write_text(text.replace("voices = 4", "voices = 4.5"), encoding="utf-8")
    with pytest.raises(GenerationError, match="Expected `int`, got `float`") as caught:
        read_toml(file, Patch)
    assert "$.instrument.oscillators[0].voices" in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_build_looks_again_when_a_style_or_an_instrument_changes() -> None:
    files = {Path(file) for file in sources()}
    assert {*FOLDER.glob("styles/*.toml"), *FOLDER.glob("instruments/*.toml")} <= files
    assert {Path(file) for file in Composer().data_files()} <= files
