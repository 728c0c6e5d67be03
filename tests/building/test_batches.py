"""Generators that like batches: performed together, finished apart."""

from __future__ import annotations

import re

from conftest import HEAD, Game

from tydust_assetgen import events

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


def test_one_that_spoils_its_batch_fails_alone(game: Game) -> None:
    slots(game, 5, {1: "fail"})  # batches of three, those with other parameters last
    assert game.counts() == {"generated": 4, "finished": 4, "encoded": 4, "failed": 1}
    assert sorted(game.digests()) == ["0.wav", "2.wav", "3.wav", "4.wav"]
    log = (game.root / "log").read_text()
    assert re.findall(r"batch of (\d)", log) == ["3", "2", "1"]
    assert log.count("voice 4\n") == 1, "what was made before it is kept"


def test_one_whose_process_dies_fails_alone(game: Game) -> None:
    slots(game, 5, {4: "kill"})
    assert game.counts() == {"generated": 4, "finished": 4, "encoded": 4, "failed": 1}


def test_what_is_no_sound_does_not_spoil_the_batch_that_hears_it(game: Game) -> None:
    slots(game, 3)
    (game.root / "theme.wav").write_bytes(b"this is no sound")
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text(text.replace("choir = {", 'choir = { follow = "theme.wav",', 1))
    assert game.counts() == {"generated": 2, "finished": 2, "encoded": 2, "failed": 1}


def test_a_take_is_finished_while_its_batch_and_the_next_one_go_on(game: Game) -> None:
    slots(game, 6)
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text(text.replace('trouble = ""', "slow_s = 0.3"))
    game.build()
    told = [(type(e), e.slot) for e in game.told if isinstance(e, events.Done | events.Progressed)]
    last_of = {slot: len(told) - 1 - told[::-1].index((events.Progressed, slot)) for slot in ("2.wav", "5.wav")}
    assert told.index((events.Done, "0.wav")) < last_of["2.wav"]
    assert told.index((events.Done, "2.wav")) < last_of["5.wav"]


def test_a_batch_that_is_cut_short_has_lost_only_what_was_under_way(game: Game) -> None:
    slots(game, 3, {2: "kill"})
    assert game.counts() == {"generated": 2, "finished": 2, "encoded": 2, "failed": 1}
    assert (game.root / "log").read_text().count("voice 0\n") == 1


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
