"""Slots that follow another one, when something is odd about that one: it is stale, a person's, failed, or not asked
for. No slot may ever be made from a sound that is not the one that its key speaks of.
"""

from __future__ import annotations

import os
import shutil

import pytest
from conftest import Game

from tests.planning.test_references import slots, strongest_hz, write_tone
from tydust_assetgen import events
from tydust_assetgen.building.build import build
from tydust_assetgen.building.report import Options
from tydust_assetgen.cli.fast_path import try_fast_path
from tydust_assetgen.errors import ManifestError
from tydust_assetgen.operations.adopt import adopt
from tydust_assetgen.operations.query import plan
from tydust_assetgen.operations.takes import pick


def edit(game: Game, old: str, new: str) -> None:
    manifest = game.root / "assets.toml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))


def raise_b(game: Game) -> None:
    """`b` plays 300 Hz from now on, and no longer 200."""
    edit(game, 'prompt = "b"\ntone = { follow = "", pitch = 200', 'prompt = "b"\ntone = { follow = "", pitch = 300')


def by_hand(game: Game, name: str, hz: float) -> None:
    write_tone(game, f"assets/{name}", hz)


def failures(game: Game) -> dict[str, str]:
    return {event.slot: event.message for event in game.told if isinstance(event, events.Failed)}


def glanced(game: Game) -> bool:
    return try_fast_path(["-C", str(game.root), "-q", "build"]) == 0


def settled(game: Game) -> None:
    """A second build of everything does nothing."""
    assert set(game.counts()) <= {"fresh", "blocked"}


# only the follower is asked for


def test_what_a_slot_follows_is_made_first_though_only_the_follower_was_asked_for(game: Game) -> None:
    slots(game, a="slot:b.wav", b="slot:c.wav", c="", d="")
    report = game.build("a.wav")
    assert [(result.slot, result.status) for result in report.results] == [
        ("a.wav", "made"),
        ("b.wav", "made"),
        ("c.wav", "made"),
    ]
    assert not glanced(game)
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 3}


def test_a_stale_one_is_never_heard_for_a_new_key(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    shutil.rmtree(game.project.store.root)
    raise_b(game)
    assert game.counts("a.wav") == {"generated": 2, "finished": 2, "encoded": 2}
    assert strongest_hz(game, "a.wav") > 1.4 * 300
    settled(game)


def test_a_fresh_follower_asks_for_nothing_else(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    shutil.rmtree(game.project.store.root)
    game.path("b.wav").unlink()
    assert game.counts("a.wav") == {"fresh": 1}
    assert not game.path("b.wav").exists()


def test_a_take_that_is_in_the_store_is_enough(game: Game) -> None:
    slots(game, b="")
    game.build()
    slots(game, a="slot:b.wav", b="")
    game.path("b.wav").unlink()
    assert game.counts("a.wav") == {"generated": 1, "finished": 1, "encoded": 1}


def test_force_makes_only_what_was_named(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    assert game.counts("a.wav", force=True) == {"generated": 1, "finished": 1, "encoded": 1}
    assert game.counts("b.wav", force=True) == {"generated": 1, "finished": 1, "encoded": 1}
    settled(game)


# it is in a person's hands


def test_one_that_is_blocked_and_stale_is_not_heard_as_it_was(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    before = game.digests()["a.wav"]
    shutil.rmtree(game.project.store.root)
    raise_b(game)
    by_hand(game, "b.wav", 900)
    assert game.counts() == {"blocked": 1, "failed": 1}
    assert failures(game) == {"a.wav": "`b.wav`, which it follows, is not there as the manifest asks for it"}
    assert game.digests()["a.wav"] == before


def test_an_adopted_one_is_heard_also_where_its_file_is_gone(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build("b.wav")
    by_hand(game, "b.wav", 900)
    adopt(game.project, "b.wav")
    game.path("b.wav").unlink()
    assert game.counts("a.wav") == {"generated": 1, "finished": 1, "encoded": 1}
    assert strongest_hz(game, "a.wav") > 1.4 * 900
    game.build()
    settled(game)


@pytest.mark.parametrize("forced", [("a.wav", "b.wav"), ("b.wav",)])
def test_force_gives_an_adopted_one_back_to_its_recipe_and_the_follower_goes_along(
    game: Game, forced: tuple[str, ...]
) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    by_hand(game, "b.wav", 900)
    adopt(game.project, "b.wav")
    game.build()
    assert strongest_hz(game, "a.wav") > 1.4 * 900
    assert glanced(game)
    game.build(*forced, force=True)
    assert glanced(game) == (len(forced) == 2)
    game.build()
    assert strongest_hz(game, "a.wav") < 2 * 300
    settled(game)


def test_an_adopted_one_that_is_deleted_and_asked_anew_is_followed_as_it_is_made(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    by_hand(game, "b.wav", 900)
    adopt(game.project, "b.wav")
    game.build()
    raise_b(game)
    game.path("b.wav").unlink()
    assert game.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    assert 1.4 * 300 < strongest_hz(game, "a.wav") < 900
    settled(game)


# picks, and what is noticed at a glance


def test_a_pick_makes_the_followers_stale_and_a_glance_sees_it(game: Game) -> None:
    game.write(
        '[music."a.wav"]\nprompt = "a"\ntone = { follow = "slot:b.wav" }\n'
        '[music."b.wav"]\nprompt = "b"\ntakes = 3\ntone = { rough = true }\n'
    )
    game.build()
    assert glanced(game)
    before = game.lock.entry("b.wav")
    assert before
    other = next(number for number in (1, 2, 3) if number != before.provenance.chosen)
    assert pick(game.project, "b.wav", other, None, game.pool).exit_code == 0
    assert not glanced(game)
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    entry, followed = game.lock.entry("a.wav"), game.lock.entry("b.wav")
    assert entry
    assert followed
    assert entry.brief.references[0].digest == followed.take_key != before.take_key
    settled(game)


def test_a_reference_that_changes_while_it_is_built_is_noticed_by_the_next_build(game: Game) -> None:
    write_tone(game, "theme.wav", 300)
    slots(game, a="theme.wav", b="")

    def meddle(event: events.Event) -> None:
        if isinstance(event, events.Progressed) and event.slot == "a.wav" and event.stage == "finish":
            write_tone(game, "theme.wav", 500)

    assert build(game.project, Options(jobs=1), meddle, game.pool).exit_code == 0
    assert not glanced(game)
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    assert strongest_hz(game, "a.wav") > 1.4 * 500


@pytest.mark.parametrize("table", ["[defaults.tone]", '[genre.synthwave]\ngenerator = "tone"\n[genre.synthwave.tone]'])
def test_a_reference_of_many_slots_is_watched(game: Game, table: str) -> None:
    write_tone(game, "theme.wav", 300)
    game.write(f'{table}\nfollow = "theme.wav"\n[music]\n"a.wav" = "calm synthwave"\n"b.wav" = "dark synthwave"\n')
    assert game.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    assert glanced(game)
    write_tone(game, "theme.wav", 500)
    assert not glanced(game)
    assert game.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    (game.root / "theme.wav").unlink()
    assert not glanced(game)
    with pytest.raises(ManifestError, match="can't be read"):
        game.build()


# it fails


def test_those_that_follow_one_that_can_not_even_begin_fail_with_it(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    game.write(
        '[music."a.wav"]\nprompt = "a"\ntone = { follow = "slot:b.wav" }\n'
        '[music."b.wav"]\nprompt = "b"\nalso = ["m4a"]\n'
    )
    monkeypatch.setenv("PATH", str(game.root))
    assert game.counts() == {"failed": 2}
    assert failures(game)["a.wav"] == "`b.wav`, which it follows, could not be made"


# references that are no plain files


def test_a_folder_is_no_reference(game: Game) -> None:
    (game.root / "theme.wav").mkdir()
    slots(game, a="theme.wav")
    with pytest.raises(ManifestError, match=r"`theme\.wav` is a folder, not a sound file"):
        game.build()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_reference_and_nobody_waits_for_it(game: Game) -> None:
    os.mkfifo(game.root / "theme.wav")
    slots(game, a="theme.wav")
    with pytest.raises(ManifestError, match="it is a pipe or a device, not a file"):
        game.build()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_an_output_is_in_a_persons_hands(game: Game) -> None:
    slots(game, b="")
    game.path("").mkdir()
    os.mkfifo(game.path("b.wav"))
    assert game.counts() == {"blocked": 1}


def test_a_file_of_many_gigabytes_is_not_read(game: Game) -> None:
    with (game.root / "theme.wav").open("wb") as file:
        file.truncate(10 << 30)  # takes no room
    slots(game, a="theme.wav")
    with pytest.raises(ManifestError, match="larger than 512 MB"):
        game.build()


def test_a_slots_own_file_is_followed_by_its_slot(game: Game) -> None:
    slots(game, b="")
    game.build()
    slots(game, a="assets/b.wav", b="")
    with pytest.raises(ManifestError, match=r"`assets/b\.wav` is what the slot `b\.wav` becomes") as caught:
        game.build()
    assert caught.value.problems[0].hint == 'write "slot:b.wav": then that one is made first'


def test_a_row_without_an_end_is_refused_in_words(game: Game) -> None:
    game.write(
        "".join(
            f'[music."{number}.wav"]\nprompt = "x"\ntone = {{ follow = "slot:{number + 1}.wav" }}\n'
            for number in range(400)
        )
        + '[music]\n"400.wav" = "x"\n'
    )
    with pytest.raises(ManifestError, match="more than 100 slots follow each other in a row"):
        plan(game.project)


def test_a_long_row_is_made_one_after_the_other(game: Game) -> None:
    slots(game, **{f"s{number}": f"slot:s{number + 1}.wav" for number in range(5)}, s5="")
    assert game.counts("s0.wav") == {"generated": 6, "finished": 6, "encoded": 6}
    settled(game)


def test_another_name_of_what_is_heard_makes_nothing_again_and_keeps_a_pick(game: Game) -> None:
    write_tone(game, "theme.wav", 300)
    game.write('[music."a.wav"]\nprompt = "a"\ntakes = 2\ntone = { follow = "theme.wav", rough = true }\n')
    game.build()
    assert pick(game.project, "a.wav", 2, None, game.pool).exit_code == 0
    (game.root / "refs").mkdir()
    (game.root / "theme.wav").rename(game.root / "refs" / "melody.wav")
    edit(game, "theme.wav", "refs/melody.wav")
    assert game.counts() == {"fresh": 1}
    entry = game.lock.entry("a.wav")
    assert entry
    assert entry.brief.pick == 2


def test_another_name_of_the_slot_that_is_followed_makes_nothing_again(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    edit(game, '"b.wav"', '"c.wav"')
    edit(game, "slot:b.wav", "slot:c.wav")
    edit(game, 'wav"]\nprompt = "b"', 'wav"]\nprompt = "b"\ntitle = "B"')
    assert game.counts() == {"restored": 1, "fresh": 1}
