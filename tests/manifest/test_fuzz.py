"""Whatever stands in the file: a manifest, or a `ManifestError` that says what is wrong. Nothing else."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tydust_assetgen.errors import ManifestError
from tydust_assetgen.manifest import read_manifest
from tydust_assetgen.manifest.lint import lint
from tydust_assetgen.manifest.tables import CODECS, DefaultsTable, TrackTable


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """A generator's own table."""

    depth: int = 3


KEYS = sorted({field.name for table in (TrackTable, DefaultsTable) for field in msgspec.structs.fields(table)})
VALUES = st.recursive(
    st.one_of(
        st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.text(max_size=30),
        st.sampled_from(["D minor", "synthwave", "composer", "musicgen", "mp3", "ogg", "key", "float", 16, 90, 48000, -16]),
        st.sampled_from(["12 second intro with pads, 90 BPM", "a 5 second loop in C major", "no loop, 900 BPM, 0 second main"]),
    ),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "seconds", "prompt", "quality", "bitrate", "bits", "depth", "x"]), inside, max_size=3
    ),
    max_leaves=6,
)  # fmt: skip
TABLES = st.dictionaries(st.sampled_from([*KEYS, "composer", "musicgen", "x"]), VALUES, max_size=6)
NAMES = st.text(max_size=8) | st.sampled_from(["a", "a/b", "A", "..", "con", "é", "/x"])
SLOTS = st.builds(lambda name, codec: f"{name}.{codec}", NAMES, st.sampled_from([*CODECS, "txt", ""]))
MANIFESTS = st.fixed_dictionaries(
    {"game": st.fixed_dictionaries({"name": st.just("x")}, optional={"assets": st.text(max_size=6)}) | TABLES},
    optional={
        "defaults": TABLES | VALUES,
        "genre": st.dictionaries(st.sampled_from(["synthwave", "mine"]), TABLES | VALUES, max_size=2) | VALUES,
        "music": st.dictionaries(SLOTS, TABLES | VALUES, max_size=4) | VALUES,
    },
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
    return str(value).lower()


def _read(path: Path) -> None:
    try:
        manifest = read_manifest(path, {"composer": Parameters})
        prints = [manifest.fingerprint(slot) for slot in manifest.slots]
        assert len(set(prints)) == len(manifest.slots)
        for slot in manifest.slots:
            assert manifest.line_of(slot) >= 0
        recipes = manifest.resolve(manifest.slots)
        assert all(finding.message and finding.example for finding in lint(recipes, manifest))
        for recipe in recipes:
            assert 0 < recipe.brief.duration_s <= 600
            assert recipe.brief.prompt.strip()
            assert all(section.seconds > 0 for section in recipe.brief.sections)
            assert recipe.outputs[0].path == recipe.slot
            assert abs(sum(section.seconds for section in recipe.brief.sections) - recipe.brief.duration_s) < 0.51 or (
                not recipe.brief.sections
            )
    except ManifestError as error:
        said = str(error)
        if not said or not all(problem.message for problem in error.problems):
            raise AssertionError(f"an error without words: {error.problems}") from error


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "assets.toml"


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    _read(path)


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("[]{}=.,\"'\\\n #abmusicgame0123-:+_\x00é"), max_size=120))
def test_any_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    _read(path)


@settings(max_examples=500, deadline=None)
@given(tables=MANIFESTS)
def test_any_tables(path: Path, tables: dict[str, Any]) -> None:
    path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in tables.items()), "utf-8")
    _read(path)


@settings(max_examples=300, deadline=None)
@given(prompt=st.text(max_size=300), fields=TABLES)
def test_any_prompt_beside_any_fields(path: Path, prompt: str, fields: dict[str, Any]) -> None:
    slot = {**fields, "prompt": prompt}
    path.write_text(f'game = {{name = "x"}}\nmusic = {{"a.ogg" = {_toml(slot)}}}\n', "utf-8")
    _read(path)
