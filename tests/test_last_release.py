"""A game that the last release built is still fresh today, and made again it has the same keys and the same sound.

`fixtures/last_release/make.py` made it, with that release.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from conftest import Game, environment

from tests.fixtures.last_release.make import BY_HAND, audio_digests, machine
from tydust_assetgen import Project, check, plan
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.codec import decode

FIXTURE = Path(__file__).parent / "fixtures/last_release"
EXPECTED: dict[str, Any] = json.loads((FIXTURE / "expected.json").read_text(encoding="utf-8"))
NOTHING = {"generated": 0, "finished": 0, "encoded": 0, "restored": 0, "failed": 0, "blocked": 0, "pruned": 0}
EXACT_DB, ENCODED_DB = -60.0, -20.0
"""What may be left of a sound when the same one, made on another kind of machine, is taken away. Without
AVX-512 -77 dB are, the last bit of 16. Encoders make more of it, Opus up to -25 dB,
for they decide otherwise what can't be heard."""


@pytest.fixture(autouse=True)
def _no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(FIXTURE / name, folder / name))


def keys(root: Path) -> dict[str, object]:
    return {step.recipe.slot: json.loads(msgspec.json.encode(step.keys)) for step in plan(Project.at(root)).steps}


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_build_finds_nothing_to_do_and_changes_nothing(tmp_path: Path) -> None:
    game = Game(copied("game", tmp_path))
    before = files(game.root)
    for _ in range(2):  # with a closer look, then at a glance
        done = game.run("build", "--json")
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout.splitlines()[-1])
        assert {name: summary[name] for name in NOTHING} == NOTHING
        assert summary["fresh"] == len(EXPECTED["game"]["keys"])
    after = files(game.root)
    assert {path: data for path, data in after.items() if not path.startswith(".assetgen/")} == before


def test_check_finds_all_fresh(tmp_path: Path) -> None:
    game = Game(copied("game", tmp_path))
    done = game.run("check")
    assert (done.returncode, done.stderr) == (0, f"all is fresh: {len(EXPECTED['game']['keys'])} slots\n")
    assert check(Project.at(game.root)) == ()


def test_the_hook_lets_it_be_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    game = Game(copied("game", tmp_path))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for words in (("init", "--quiet"), ("add", "--all", "--force")):
        git(game.root, *words)
    done = game.run("check", "--staged")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    git(game.root, "rm", "--quiet", "--cached", "assets.lock")
    assert game.run("check", "--staged").returncode == 1, "it was judged"


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, env=environment(), check=True, capture_output=True)


@pytest.mark.parametrize("name", ["game", "musicgen"])
def test_keys_are_the_same(name: str) -> None:
    assert keys(FIXTURE / name) == EXPECTED[name]["keys"]


def test_what_was_built_with_weights_is_fresh_where_there_are_none() -> None:
    stale = {step.recipe.slot for step in check(Project.at(FIXTURE / "musicgen"))}
    assert stale == EXPECTED["musicgen"]["keys"].keys() - {"music/made.ogg"}


def test_made_again_from_nothing_it_sounds_the_same(tmp_path: Path, pool: Pool) -> None:
    """To the bit where the libraries and the CPU's instructions are those that it was made with."""
    game = Game(copied("game", tmp_path), pool)
    for path in (game.root / "assets").rglob("*"):
        if path.is_file() and path.relative_to(game.root / "assets").as_posix() != BY_HAND:
            path.unlink()
    assert game.counts() == {"generated": 11, "finished": 11, "encoded": 11, "fresh": 1}
    assert keys(game.root) == EXPECTED["game"]["keys"]
    if machine() == EXPECTED["machine"]:
        for kind in ("takes", "masters"):
            made = audio_digests(game.root, kind)
            assert made == {key: EXPECTED["game"][kind][key] for key in made}
        assert files(game.root / "assets") == files(FIXTURE / "game/assets")
    for output in game.locked():
        furthest_db = EXACT_DB if Path(output).suffix in (".flac", ".wav") else ENCODED_DB
        assert difference_db(output, game.root / "assets", FIXTURE / "game/assets") < furthest_db, output


def difference_db(output: str, *trees: Path) -> float:
    """How loud the difference between two versions of a file is, against the first of them."""
    here, there = (decode((tree / output).read_bytes(), Path(output).suffix[1:]).audio for tree in trees)
    assert (here.rate_hz, here.samples.shape) == (there.rate_hz, there.samples.shape)
    rest = float(np.square(here.samples - there.samples, dtype=np.float64).mean())
    return 10 * float(np.log10(max(rest, 1e-12) / np.square(here.samples, dtype=np.float64).mean()))
