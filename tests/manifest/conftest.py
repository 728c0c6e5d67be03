"""A manifest in a folder of its own, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from tydust_assetgen.errors import ManifestError, Problem
from tydust_assetgen.flow import Recipe
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.manifest import Manifest, read_manifest


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """A generator's own table, with one of each kind of value."""

    swing: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.1
    voices: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    tune: Annotated[str, msgspec.Meta(pattern="^[a-z]*$")] = ""
    style: Literal["plain", "rich"] = "plain"


GENERATORS: dict[str, type[msgspec.Struct]] = {"composer": Parameters, "musicgen": MusicGenParameters}
GAME = '[game]\nname = "Tydust"\n'


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes `[game]` (lines 1 and 2) and what follows it; gives the path."""

    def write(rest: str, game: str = GAME) -> Path:
        path = tmp_path / "assets.toml"
        path.write_bytes((game + rest).encode())
        return path

    return write


@pytest.fixture
def manifest(write: Callable[[str], Path]) -> Callable[[str], Manifest]:
    return lambda rest: read_manifest(write(rest), GENERATORS)


@pytest.fixture
def recipe(manifest: Callable[[str], Manifest]) -> Callable[[str], Recipe]:
    """The recipe of the first slot."""

    def recipe(rest: str) -> Recipe:
        found = manifest(rest)
        return found.resolve(found.slots[:1])[0]

    return recipe


def _recipes(path: Path) -> tuple[Recipe, ...]:
    found = read_manifest(path, GENERATORS)
    return found.resolve(found.slots)


@pytest.fixture
def problems(write: Callable[[str], Path]) -> Callable[..., tuple[Problem, ...]]:
    """What is wrong with a manifest, from reading it or from resolving all its slots."""

    def problems(rest: str, game: str = GAME) -> tuple[Problem, ...]:
        path = write(rest, game)
        with pytest.raises(ManifestError) as caught:
            _recipes(path)
        assert caught.value.exit_code == 2
        return caught.value.problems

    return problems
