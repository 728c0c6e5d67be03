"""The built-in genres: data files beside this module. In walks nothing, out walks one checked table per genre."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import tomli

from tydust_assetgen.manifest.check import check_table
from tydust_assetgen.manifest.tables import GenreTable
from tydust_assetgen.prompt import GENRES


@lru_cache(maxsize=1)
def built_in() -> dict[str, dict[str, Any]]:
    """What each built-in genre says, by its name."""
    return {name: _load(name) for name in GENRES}


def _load(name: str) -> dict[str, Any]:
    raw = tomli.loads((Path(__file__).parent / "genres" / f"{name}.toml").read_text(encoding="utf-8"))
    checked = check_table(raw, GenreTable)
    assert not checked.faults, f"genres/{name}.toml: {checked.faults}"
    return checked.values
