"""`docs/manifest.md` names every key with its range and default, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tydust_assetgen.errors import ManifestError
from tydust_assetgen.generate.composer.parameters import ComposerParameters
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.manifest import MAX_BYTES, json_schema, read_manifest
from tydust_assetgen.manifest.precedence import PROGRAM
from tydust_assetgen.manifest.tables import (
    CODECS,
    CacheTable,
    DefaultsTable,
    GameTable,
    GenreTable,
    PolicyTable,
    SectionTable,
    TrackTable,
)
from tydust_assetgen.prompt import GENRES, MAX_CHARACTERS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "manifest.md").read_text("utf-8")
ROWS = {row.split("`")[1]: row for row in TEXT.splitlines() if row.startswith("| `")}
GENERATORS: dict[str, type[msgspec.Struct]] = {"composer": ComposerParameters, "musicgen": MusicGenParameters}
SETTINGS = json_schema(GENERATORS)["$defs"]["DefaultsTable"]["properties"]


@pytest.mark.parametrize(
    "table", [GameTable, PolicyTable, CacheTable, DefaultsTable, GenreTable, TrackTable, SectionTable]
)
def test_every_key_has_a_row(table: type[msgspec.Struct]) -> None:
    assert {field.encode_name for field in msgspec.structs.fields(table)} <= set(ROWS)


@pytest.mark.parametrize("key", [key for key, value in SETTINGS.items() if "minimum" in value])
def test_every_range_is_right(key: str) -> None:
    assert f"{SETTINGS[key]['minimum']} to {SETTINGS[key]['maximum']}" in ROWS[key]


@pytest.mark.parametrize(
    "key", ["generator", "duration", "seed", "loop", "loudness", "true_peak", "sample_rate", "channels"]
)
def test_every_default_is_right(key: str) -> None:
    default: Any = PROGRAM[key]
    said = (
        str(default).lower() if isinstance(default, bool) else default if isinstance(default, str) else f"{default:g}"
    )
    assert re.search(rf"(?<![\w-]){said}\b", ROWS[key].split("|")[-2])


def test_every_name_is_there() -> None:
    for name in (*CODECS, *GENRES):
        assert f"`{name}`" in TEXT or f"`.{name}`" in TEXT
    assert f"at most {MAX_BYTES // 2**20} MB" in " ".join(TEXT.split())
    assert f"at most {MAX_CHARACTERS} characters" in TEXT


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_every_example_works(example: str, tmp_path: Path) -> None:
    path = tmp_path / "assets.toml"
    game = "" if "[game]" in example else '[game]\nname = "x"\n'
    slot = (
        '[music."music/calm.ogg"]\nprompt = "pads"\n'
        if "[music" not in example.replace('[music."music/calm.ogg".composer]', "")
        else ""
    )
    path.write_text(game + slot + example, "utf-8")
    manifest = read_manifest(path, GENERATORS)
    assert len(manifest.resolve(manifest.slots)) == len(manifest.slots)


def test_the_errors_are_those_that_come_out(tmp_path: Path) -> None:
    path = tmp_path / "assets.toml"
    lines = [
        "[game]",
        'name = "x"',
        *[""] * 8,
        '[music."music/calm.ogg"]',
        "bmp = 1",
        "",
        'prompt = "pads, 90 BPM"',
        "bpm = 120",
    ]
    path.write_text("\n".join(lines), "utf-8")
    manifest = read_manifest(path, GENERATORS)
    with pytest.raises(ManifestError) as caught:
        manifest.resolve(manifest.slots)
    assert f"```text\n{caught.value}\n```" in TEXT
