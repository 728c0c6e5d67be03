"""Generators are found by their names, and plug-ins only looked for where a name asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

from tydust_assetgen.errors import ManifestError, UnavailableError
from tydust_assetgen.generate.registry import generator, generators, parameter_types
from tydust_assetgen.manifest import read_manifest

_CHECK = (
    "import sys; from tydust_assetgen.cli import main; code = main(['check']); "
    "print(code, 'importlib.metadata' in sys.modules, 'assetgen_tone' in sys.modules)"
)


def _checked(folder: Path, music: str) -> list[str]:
    """The exit code of `check`, whether packages were asked for plug-ins, and whether one was loaded."""
    (folder / "assets.toml").write_text(f'[game]\nname = "T"\n{music}')
    done = subprocess.run(
        [sys.executable, "-c", _CHECK], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "music",
    [
        '[music]\n"a.ogg" = "calm synthwave in D minor"\n',
        '[defaults]\ngenerator = "composer"\n[music."a.ogg"]\nprompt = "calm"\ncomposer = {}\n',
        '[genre.calm]\nbpm = 80\n[music."a.ogg"]\nprompt = "calm"\ngenerator = "composer"\nogg = { quality = 5 }\n',
    ],
)
def test_no_plug_in_is_looked_for_where_all_names_are_built_in(tmp_path: Path, music: str) -> None:
    assert _checked(tmp_path, music) == ["1", "False", "False"]


@pytest.mark.parametrize(
    "music",
    [
        '[music."a.ogg"]\nprompt = "calm"\ngenerator = "tone"\n',
        '[defaults]\ngenerator = "tone"\n[music]\n"a.ogg" = "calm"\n',
        '[genre.calm]\ngenerator = "tone"\n[music."a.ogg"]\nprompt = "a"\ngenre = "calm"\n',
    ],
)
def test_a_plug_in_is_found_wherever_it_is_named(tmp_path: Path, music: str) -> None:
    assert _checked(tmp_path, music) == ["1", "True", "True"]


def test_a_table_of_a_plug_in_is_known_also_where_no_slot_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "assets.toml"
    path.write_text('[game]\nname = "T"\n[music."a.ogg"]\nprompt = "calm"\ntone = {}\n')
    manifest = read_manifest(path, parameter_types())
    assert manifest.makers == ("composer",)
    assert manifest.resolve(manifest.slots)[0].brief.generator == "composer"
    path.write_text(path.read_text().replace("tone =", "tonne ="))
    unknown = read_manifest(path, parameter_types())
    with pytest.raises(ManifestError, match="unknown key `tonne`"):
        unknown.resolve(unknown.slots)


def test_makers_are_those_that_tables_name(tmp_path: Path) -> None:
    path = tmp_path / "assets.toml"
    path.write_text(
        '[game]\nname = "T"\n[genre.calm]\ngenerator = "tone"\n'
        '[music]\n"a.ogg" = "x"\n[music."b.ogg"]\nprompt = "y"\ngenerator = "nobody"\n'
    )
    assert read_manifest(path, parameter_types()).makers == ("composer", "tone")


def test_by_name_and_in_all() -> None:
    assert {"composer", "musicgen", "tone"} <= set(generators()) == set(parameter_types())
    assert generator("composer") is generators()["composer"]
    assert generator("tone") is generators()["tone"]
    assert parameter_types()["tone"] is generator("tone").parameters
    assert "nobody" not in parameter_types()
    with pytest.raises(UnavailableError, match="no generator is called `compose`"):
        generator("compose")
