"""Estimates come from what was measured on this machine before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Game

from tests.planning.test_plan import changed, entry, step
from tydust_assetgen.generate.musicgen import MusicGen
from tydust_assetgen.planning.estimate import FINISHING, Rates

START_S = MusicGen.resources.start_s


def test_what_was_learned_is_kept_and_used(tmp_path: Path) -> None:
    rates = Rates(tmp_path / "rates.json")
    rates.learn("composer", 60, 6)
    rates.learn(FINISHING, 60, 3)
    rates.save()
    again = Rates(tmp_path / "rates.json")
    stale = step(changed(seed=5), entry())
    assert stale.action == "generate"
    assert again.step_s(stale) == pytest.approx(6 + 2 * 3)
    assert again.total_s([stale] * 4, 2) == pytest.approx(1.5 + 2 * 12)
    assert again.total_s([stale], 8) == pytest.approx(1.5 + 12)
    assert again.total_s([step(locked=entry())], 2) == 0


def test_what_one_worker_performs_alone_takes_one_after_the_other(tmp_path: Path) -> None:
    """The same work by a generator that likes batches is not shared among the cores, and its start counts once."""
    rates = Rates(tmp_path / "rates.json")
    slow = step(changed(seed=5, generator="musicgen", parameters={"model": "x"}), entry())
    rates.learn("musicgen x", 60, 60 + START_S)
    rates.learn("musicgen x", 60, 60)
    finishing_s = 2 * 60 * 0.06
    assert rates.step_s(slow) == pytest.approx(60 + finishing_s)
    assert rates.total_s([slow] * 4, 8) == pytest.approx(1.5 + START_S + 4 * 60 + finishing_s)


def test_a_first_performance_that_only_loads_teaches_nothing(tmp_path: Path) -> None:
    rates = Rates(tmp_path / "rates.json")
    rates.learn("musicgen x", 3, START_S)
    rates.save()
    assert not (tmp_path / "rates.json").exists()


def test_rates_move_slowly(tmp_path: Path) -> None:
    rates = Rates(tmp_path / "rates.json")
    for seconds in (6, 12):
        rates.learn("composer", 60, seconds)
    assert rates.step_s(step(changed(seed=5), entry())) == pytest.approx(0.7 * 6 + 0.3 * 12 + 2 * 60 * 0.06)


@pytest.mark.parametrize("content", [b"", b"{", b'{"composer": "fast"}', b"[1]", b"\xff"])
def test_a_damaged_file_means_nothing_is_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rates.json").write_bytes(content)
    assert Rates(tmp_path / "rates.json").step_s(step(changed(seed=5), entry())) > 0


def test_a_build_learns(game: Game) -> None:
    game.slots({"a.wav": "first"}, slow_s=0.5)
    game.build()
    game.slots({"a.wav": "second"}, slow_s=0.5)
    rates = json.loads((game.root / ".assetgen/rates.json").read_bytes())
    assert rates["tone"] >= 0.25  # it slept for half a second over two seconds of audio
    assert json.loads(game.run("build", "--dry-run", "--json").stdout)["estimate_s"] >= 2.0
