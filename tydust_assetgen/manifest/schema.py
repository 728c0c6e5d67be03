"""The JSON Schema (draft 2020-12) of `assets.toml`, for editors, with the parameters of all installed generators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tydust_assetgen.manifest.precedence import PROGRAM
from tydust_assetgen.manifest.tables import (
    CODECS,
    CacheTable,
    DefaultsTable,
    GameTable,
    GenreTable,
    PolicyTable,
    TrackTable,
)
from tydust_assetgen.prompt import GENRES

_SETTINGS = ("TrackTable", "DefaultsTable", "GenreTable")
_OPEN = ("key", "bpm")  # where nobody says them, the generator chooses
_FORMATS = "|".join((*CODECS, *map(str.upper, CODECS)))
_SLOT = rf"^(?![/~])(?!.*(^|/)\.\.?(/|$))(?!.*//)[^\\:*?\"<>|\x00-\x1f]+\.({_FORMATS})$"


def _any_case(*words: str) -> str:
    """A pattern for words in any case; JSON Schema has no flags."""
    return "|".join("".join(f"[{letter.upper()}{letter}]" for letter in word) for word in words)


_KEY = (
    rf"^\s*[A-Ga-g]([#♯♭bB]|[ -]({_any_case('sharp', 'flat')}))?"
    rf"([ -]?({_any_case('major', 'minor', 'maj', 'min')})|m)\s*({_any_case('key')})?\s*$"
)


def json_schema(generators: Mapping[str, type[msgspec.Struct]]) -> dict[str, Any]:
    """The schema of a manifest, with the own tables of these generators."""
    shapes = dict(sorted(generators.items()))
    known = (GameTable, DefaultsTable, GenreTable, TrackTable, PolicyTable, CacheTable)
    tables, components = msgspec.json.schema_components((*known, *shapes.values()), ref_template="#/$defs/{name}")
    own = dict(zip(shapes, tables[len(known) :], strict=True))
    definitions = {name: _component(name, table, own) for name, table in components.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "assetgen manifest",
        "description": "What each music slot of a game should sound like.",
        "type": "object",
        "additionalProperties": False,
        "required": ["game"],
        "properties": {
            "game": tables[0],
            "defaults": tables[1],
            "genre": {"type": "object", "description": "genres by name", "additionalProperties": tables[2]},
            "music": _music(tables[3]),
            "policy": tables[4],
            "cache": tables[5],
        },
        "$defs": definitions,
    }


def _music(track: dict[str, Any]) -> dict[str, Any]:
    short = {"type": "string", "pattern": r"\S", "maxLength": 8000, "description": "what it should sound like"}
    return {
        "type": "object",
        "description": "slots: the file to write, and what it should sound like",
        "propertyNames": {"pattern": _SLOT},
        "additionalProperties": {"anyOf": [short, track]},
    }


def _component(name: str, table: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A table without None (TOML has none), and with the generators' tables where settings may stand."""
    properties = {key: _without_null(value) for key, value in table.get("properties", {}).items()}
    if name in _SETTINGS:
        properties |= own
        properties["generator"]["examples"] = sorted(own)
        properties["key"]["pattern"] = _KEY
        properties["key"]["examples"] = ["D minor", "F# major", "Bb minor"]
    if "genre" in properties:
        properties["genre"]["examples"] = list(GENRES)
    if name == "DefaultsTable":
        properties |= {key: {**properties[key], "default": value} for key, value in PROGRAM.items() if key not in _OPEN}
    return {
        **table,
        "title": name.removesuffix("Table").lower(),
        "properties": properties,
        "additionalProperties": False,
    }


def _without_null(value: Any) -> Any:
    """A type as TOML can write it: no null, and no blank text where a text must say something."""
    if isinstance(value, list):
        return [_without_null(part) for part in value if part is not None and part != {"type": "null"}]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_null(part) for key, part in value.items() if not (key == "default" and part is None)}
    if kept.get("minLength") == 1:
        del kept["minLength"]
        kept["pattern"] = r"\S"
    options = kept.get("anyOf", [])
    if len(options) == 1:
        del kept["anyOf"]
        return {**kept, **options[0]}
    return kept
