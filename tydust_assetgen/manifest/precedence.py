"""Which setting wins where several places give one.

    the slot's fields  >  its text  >  [genre.NAME] of the manifest  >  [defaults]  >  the built-in genre  >  PROGRAM

What a person wrote in the manifest is stronger than what this program ships.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import tomli

from tydust_assetgen.manifest.tables import GenreTable
from tydust_assetgen.manifest.validate import check_table
from tydust_assetgen.prompt import GENRES, Parts, parse_key

Layer: TypeAlias = Mapping[str, Any]
Layers: TypeAlias = Sequence[Layer]

PROGRAM: dict[str, Any] = {
    "generator": "composer",
    "duration": 60.0,
    "seed": 0,
    "takes": 1,
    "loop": True,
    "loudness": -16.0,
    "true_peak": -2.0,
    "sample_rate": 44_100,
    "channels": 2,
    "also": [],
    "strict": [],
    "instruments": [],
    "mood": [],
    "key": "",
    "bpm": 0.0,
}
"""What holds where nobody says anything. -16 LUFS and -2 dBTP suit games, and leave room for lossy encoding."""


def pick(layers: Layers, key: str, otherwise: Any = None) -> Any:
    """The value of the strongest layer that has one."""
    return next((layer[key] for layer in layers if key in layer), otherwise)


def merged(layers: Layers, key: str) -> dict[str, Any]:
    """A table put together key by key, stronger layers over weaker ones."""
    return {name: value for layer in reversed(layers) for name, value in layer.get(key, {}).items()}


def text_layer(parts: Parts) -> dict[str, Any]:
    """What a text says, as a layer of settings. Its instruments and moods are merged elsewhere."""
    said = {"genre": parts.genre, "key": parts.key, "bpm": parts.bpm, "loop": parts.loop}
    lists = {"instruments": list(parts.instruments), "mood": list(parts.moods)}
    return {key: value for key, value in {**said, **lists}.items() if value or value is False}


def key_name(layers: Layers) -> str:
    """The key, spelled as `D minor`; empty where the generator may choose."""
    said = pick(layers, "key", "")
    return parse_key(said) or said


def names(value: Any) -> tuple[str, ...]:
    """A list of names; a single name is a list of one."""
    listed = [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(" ".join(name.split()) for name in listed))


@lru_cache(maxsize=1)
def built_in() -> dict[str, dict[str, Any]]:
    """What each built-in genre says, by its name."""
    return {name: _load(name) for name in GENRES}


def _load(name: str) -> dict[str, Any]:
    raw = tomli.loads((Path(__file__).parent / "genres" / f"{name}.toml").read_text(encoding="utf-8"))
    checked = check_table(raw, GenreTable)
    assert not checked.faults, f"genres/{name}.toml: {checked.faults}"
    return checked.values
