"""Generators that like batches: performed together, finished apart."""

from __future__ import annotations

import re

from conftest import HEAD, Game

CHOIR = HEAD.replace('"tone"', '"choir"')


def slots(game: Game, count: int, trouble: dict[int, str] | None = None) -> None:
    parts = [
        f'[music."{number}.wav"]\nprompt = "voice {number}"\n'
        f'choir = {{ log = "{game.root}/log", trouble = "{(trouble or {}).get(number, "")}" }}\n'
        for number in range(count)
    ]
    game.write("".join(parts), CHOIR)


def test_batches_are_performed_together_on_one_worker(game: Game) -> None:
    slots(game, 5)
    assert game.counts() == {"generated": 5, "finished": 5, "encoded": 5}
    batches = re.findall(r"batch of (\d), process (\d+)", (game.root / "log").read_text())
    assert [size for size, _ in batches] == ["3", "2"]
    assert len({process for _, process in batches}) == 1
    assert len(game.digests()) == 5
    assert game.counts() == {"fresh": 5}


def test_a_batch_sounds_like_its_tracks_alone(game: Game) -> None:
    slots(game, 3)
    game.build()
    together = game.digests()
    game.path("1.wav").unlink()
    game.project.store.gc(max_bytes=0)
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 2}
    assert game.digests() == together


def test_a_failing_batch_fails_its_own_slots_only(game: Game) -> None:
    slots(game, 5, {1: "fail"})  # batches of three, those with other parameters last
    assert game.counts() == {"generated": 3, "finished": 3, "encoded": 3, "failed": 2}
    assert sorted(game.digests()) == ["0.wav", "2.wav", "3.wav"]


def test_a_batch_whose_process_dies_fails_its_own_slots_only(game: Game) -> None:
    slots(game, 5, {4: "kill"})
    assert game.counts() == {"generated": 3, "finished": 3, "encoded": 3, "failed": 2}


def test_only_stale_slots_are_in_a_batch(game: Game) -> None:
    slots(game, 4)
    game.build()
    (game.root / "log").unlink()
    slots(game, 5)
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 4}
    assert "batch of 1" in (game.root / "log").read_text()


def test_another_loudness_performs_nothing(game: Game) -> None:
    slots(game, 2)
    game.build()
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text(text.replace("duration = 2", "duration = 2\nloudness = -20"))
    assert game.counts() == {"finished": 2, "encoded": 2}
