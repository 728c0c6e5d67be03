"""The JSON Schema: current, valid, and of one mind with the reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import tomli

from tydust_assetgen.errors import ManifestError
from tydust_assetgen.generate.composer.parameters import ComposerParameters
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.manifest import json_schema, read_manifest
from tydust_assetgen.manifest.tables import DefaultsTable, GameTable, GenreTable, SectionTable, TrackTable

ROOT = Path(__file__).resolve().parents[2]
GENERATORS: dict[str, type[msgspec.Struct]] = {"composer": ComposerParameters, "musicgen": MusicGenParameters}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "assets.schema.json").read_text("utf-8"))


def _accepts(schema: dict[str, Any], text: str) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(tomli.loads(text))


def test_the_file_is_current(schema: dict[str, Any]) -> None:
    assert schema == json_schema(GENERATORS), "run `assetgen schema > docs/assets.schema.json`"


def test_it_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    for name, value in schema["$defs"]["DefaultsTable"]["properties"].items():
        if "default" in value:
            jsonschema.validate({name: value["default"]}, {**schema, **schema["$defs"]["DefaultsTable"]})


def test_the_shipped_manifest_passes(schema: dict[str, Any]) -> None:
    assert _accepts(schema, (ROOT / "assets.toml").read_text("utf-8"))


@pytest.mark.parametrize("table", [GameTable, DefaultsTable, GenreTable, TrackTable, SectionTable])
def test_every_key_is_in_it_and_described(schema: dict[str, Any], table: type[msgspec.Struct]) -> None:
    properties = schema["$defs"][table.__name__]["properties"]
    names = [field.encode_name for field in msgspec.structs.fields(table)]
    assert set(names) <= set(properties)
    assert all("description" in properties[name] or "$ref" in properties[name] for name in names)


SLOT = '[music."a.ogg"]\nprompt = "pads"\n'
AGREED = {
    "short form": ('[music]\n"a/b.ogg" = "pads"', True),
    "all kinds of values": (SLOT + 'seed = 1\nbpm = 90.5\nloop = false\nalso = ["mp3"]\nmood = "calm"', True),
    "list of moods": (SLOT + 'mood = ["calm"]', True),
    "codec tables": (SLOT + 'ogg = { quality = -1 }\nwav = { bits = "float" }\nflac = { bits = 16 }', True),
    "sections": (SLOT + 'sections = [{ name = "a", seconds = 3 }]', True),
    "own table": (SLOT + "composer = { swing = 0.5 }", True),
    "table of another generator": (SLOT + "musicgen = { top_k = 250, melody = 'a.ogg' }", True),
    "policy": ("[policy]\ncommercial = true", True),
    "policy that is none": ("[policy]\ncommercial = 1", False),
    "genre of one's own": ('[genre.mine]\nprompt = "x"\nbpm = 90', True),
    "upper case extension": ('[music]\n"a.OGG" = "pads"', True),
    "no slots": ("", True),
    "unknown key": (SLOT + "bmp = 90", False),
    "unknown table": ("[musik]", False),
    "unknown key of a default": ("[defaults]\nsections = []", False),
    "unknown key of a genre": ("[genre.x]\ntitle = 'x'", False),
    "unknown parameter": (SLOT + "composer = { swng = 1 }", False),
    "range of a parameter": (SLOT + "composer = { swing = 2 }", False),
    "table in a table of another generator": (SLOT + "musicgen = { a = {} }", False),
    "wrong type": (SLOT + 'bpm = "90"', False),
    "bool for a number": (SLOT + "bpm = true", False),
    "too fast": (SLOT + "bpm = 301", False),
    "seed too large": (SLOT + "seed = 4294967296", False),
    "seed with a fraction": (SLOT + "seed = 1.5", False),
    "no such format": (SLOT + 'also = ["mp4"]', False),
    "no such rate": (SLOT + "sample_rate = 44000", False),
    "float FLAC": (SLOT + 'flac = { bits = "float" }', False),
    "empty sections": (SLOT + "sections = []", False),
    "section without seconds": (SLOT + 'sections = [{ name = "a" }]', False),
    **{
        f"key {key}": (SLOT + f'key = "{key}"', True)
        for key in ("D minor", "F# MAJOR", "Dm", "E flat major", "b♭-min", "A minor key")
    },
    **{
        f"no key {key}": (SLOT + f'key = "{key}"', False)
        for key in ("D", "H minor", "DM", "D minorish", "D dorian", " ")
    },
    "key of a genre": ('[genre.synthwave]\nkey = "X"', False),
    "blank prompt": ('[music]\n"a.ogg" = " "', False),
    "blank prompt of a table": ('[music."a.ogg"]\nprompt = ""', False),
    "blank instrument": (SLOT + 'instruments = [" "]', False),
    "slot that is a number": ('[music]\n"a.ogg" = 3', False),
    "outside": ('[music]\n"../a.ogg" = "x"', False),
    "absolute": ('[music]\n"/a.ogg" = "x"', False),
    "drive": ('[music]\n"C:/a.ogg" = "x"', False),
    "backslash": ("[music]\n'a\\b.ogg' = 'x'", False),
    "unknown extension": ('[music]\n"a.oga" = "x"', False),
    "no extension": ('[music]\n"a" = "x"', False),
}


@pytest.mark.parametrize("case", AGREED)
def test_schema_and_reader_are_of_one_mind(case: str, schema: dict[str, Any], write: Callable[[str], Path]) -> None:
    rest, right = AGREED[case]
    path = write(rest)
    assert _accepts(schema, path.read_text("utf-8")) is right
    assert _reads(path) is right


def _reads(path: Path) -> bool:
    try:
        manifest = read_manifest(path, GENERATORS)
        manifest.resolve(manifest.slots)
    except ManifestError:
        return False
    return True
