"""Several takes: what is performed after each kind of edit, counted exactly; which is published; what a pick does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from conftest import HEAD, Game
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen import events
from tydust_assetgen.cli.fast_path import try_fast_path
from tydust_assetgen.codec import decode
from tydust_assetgen.errors import AssetgenError, UsageError
from tydust_assetgen.flow import Brief
from tydust_assetgen.operations.adopt import adopt
from tydust_assetgen.operations.takes import KnownTakes, export, takes_of
from tydust_assetgen.operations.takes import pick as pick_take
from tydust_assetgen.project.seeds import candidate, candidates, published, seed_of
from tydust_assetgen.scoring import ranked

SLOT = "a.ogg"


def four(
    game: Game, takes: int = 4, prompt: str = "first", more: str = "", generator: str = "tone", **own: object
) -> None:
    """One slot with takes of which some are cut flat; each performance is written down."""
    table = {"rough": True, "log": str(game.root / "log"), **own}
    words = ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
    body = f'[music."{SLOT}"]\nprompt = "{prompt}"\ntakes = {takes}\n{more}\n{generator} = {{ {words} }}\n'
    game.write(body, HEAD.replace('"tone"', f'"{generator}"'))


def performances(game: Game) -> int:
    """How many were written down since this was last asked."""
    log = game.root / "log"
    lines = [line for line in log.read_text().splitlines() if not line.startswith("batch")] if log.exists() else []
    log.unlink(missing_ok=True)
    return len(lines)


def built(game: Game, **options: bool) -> tuple[dict[str, int], int]:
    """The counts of a build, and how many takes it performed."""
    return game.counts(**options), performances(game)


def forced(game: Game) -> tuple[dict[str, int], int]:
    return game.counts(SLOT, force=True), performances(game)


def pick(game: Game, number: int) -> int:
    """Picks, and returns how many takes that performed."""
    game.told = []
    assert pick_take(game.project, SLOT, number, game.told.append, game.pool).exit_code == 0
    return performances(game)


def known(game: Game) -> KnownTakes:
    return takes_of(game.project, SLOT)


def chosen(game: Game) -> int:
    entry = game.lock.entry(SLOT)
    assert entry is not None
    return entry.provenance.chosen


def alone(game: Game, number: int, folder: Path) -> str:
    """The bytes of a slot that has only the seed of take `number`."""
    other = Game(folder, game.pool)
    four(other, 1, more=f"seed = {seed_of(0, number)}", log="")
    other.build()
    return other.digests()[SLOT]


MADE = {"generated": 1, "finished": 1, "encoded": 1}
AGAIN = {"finished": 1, "encoded": 1}
FRESH = {"fresh": 1}


# what is performed


def test_four_takes_are_made_and_the_best_is_published(game: Game, tmp_path: Path) -> None:
    four(game)
    assert built(game) == (MADE, 4)
    found = known(game)
    scores = [take.scores for take in found.takes]
    best = ranked([score for score in scores if score])[0] + 1
    assert found.published == chosen(game) == best
    assert len({score.total for score in scores if score}) > 1, "they must differ for this test to say anything"
    (tmp_path / "alone").mkdir()
    assert game.digests()[SLOT] == alone(game, best, tmp_path / "alone")
    assert built(game) == (FRESH, 0)
    assert try_fast_path(["-C", str(game.root), "-q", "build"]) == 0


def test_each_edit_performs_only_what_is_missing(game: Game) -> None:
    four(game, 1)
    assert built(game) == (MADE, 1)
    one = game.digests()
    four(game, 4)
    assert built(game) == (MADE, 3)
    best = game.digests()
    four(game, 2)
    assert built(game) == (AGAIN, 0)
    four(game, 4, more="ogg = { quality = 2 }")
    assert built(game) == ({"encoded": 1}, 0)
    four(game, 4, more="loudness = -20")
    assert built(game) == (AGAIN, 0)
    four(game, 4)
    assert built(game) == ({"restored": 1}, 0)
    assert game.digests() == best
    four(game, 6)
    assert built(game) == (MADE, 2)
    four(game, 1)
    assert built(game) == ({"restored": 1}, 0)
    assert game.digests() == one
    four(game, 4, prompt="second")
    assert built(game) == (MADE, 4)


def test_force_makes_and_judges_all_again(game: Game) -> None:
    four(game)
    built(game)
    before = game.digests(), chosen(game)
    assert forced(game) == (MADE, 4)
    assert (game.digests(), chosen(game)) == before


def test_where_the_store_is_lost_only_the_chosen_take_is_made_again(game: Game) -> None:
    four(game)
    built(game)
    before = game.digests(), chosen(game)
    assert chosen(game) != 1
    shutil.rmtree(game.project.private)
    game.path(SLOT).unlink()
    assert built(game) == (MADE, 1)
    assert (game.digests(), chosen(game)) == before
    assert built(game) == (FRESH, 0)
    assert [take.here for take in known(game).takes].count(True) == 1
    four(game, 4, more="loudness = -20")  # the same take, though it is not judged again
    assert built(game) == (AGAIN, 0)
    assert chosen(game) == before[1]


def test_a_lost_lock_file_is_written_again_with_the_number(game: Game) -> None:
    four(game)
    built(game)
    before = chosen(game)
    game.project.lock_file.unlink()
    assert built(game) == ({"fresh": 1}, 0)
    assert chosen(game) == before


def test_two_machines_choose_the_same(game: Game, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Game(tmp_path / "other", game.pool)
    for one in (game, other):
        four(one, log=str(game.root / "log"))
        one.build()
    assert game.digests() == other.digests()
    assert [take.scores for take in known(game).takes] == [take.scores for take in known(other).takes]
    assert game.project.lock_file.read_bytes() == other.project.lock_file.read_bytes()


def test_a_slot_without_takes_has_the_keys_that_it_always_had(game: Game) -> None:
    four(game, 1)
    game.build()
    entry = game.lock.entry(SLOT)
    assert entry is not None
    assert entry.provenance.chosen == 0
    assert entry.versions.scoring == ""
    four(game, 4)
    game.build()
    assert known(game).takes[0].take_key == entry.take_key


# takes that go wrong


def test_a_take_that_fails_does_not_lose_the_others(game: Game) -> None:
    four(game, trouble="fail first")
    assert built(game)[0] == MADE
    (done,) = [event for event in game.told if isinstance(event, events.Done)]
    assert "take 1 could not be made: the string broke" in done.notes
    found = known(game)
    assert found.takes[0].trouble == "the string broke"
    assert found.published in (2, 3, 4)
    assert built(game) == (FRESH, 0)


def test_a_slot_fails_when_no_take_is_left(game: Game) -> None:
    four(game, trouble="fail")
    assert built(game) == ({"failed": 1}, 4)
    (failed,) = [event for event in game.told if isinstance(event, events.Failed)]
    assert failed.message == "none of 4 takes could be made: the string broke"
    assert failed.hint == "buy a new one"


def test_what_was_performed_before_a_crash_is_not_performed_again(game: Game) -> None:
    four(game, trouble="kill third")
    assert game.counts() == {"failed": 1}
    assert (game.root / "log").read_text().count("\n") == 3  # the third take killed its process
    assert game.counts() == MADE
    assert performances(game) == 3 + 2


# batches


def test_takes_are_performed_in_batches(game: Game) -> None:
    four(game, 5, generator="choir")
    game.build()
    sizes = [line[9] for line in (game.root / "log").read_text().splitlines() if line.startswith("batch")]
    assert sizes == ["3", "2"]
    assert performances(game) == 5
    batched = game.digests()
    shares = [event.share for event in game.told if isinstance(event, events.Progressed)]
    assert shares == sorted(shares)
    assert len(set(shares)) > 20
    four(game, 7, generator="choir")
    assert built(game)[1] == 2
    four(game, 5, generator="choir")
    assert built(game)[1] == 0
    assert game.digests() == batched
    assert forced(game) == (MADE, 5)
    assert game.digests() == batched


@pytest.mark.parametrize("trouble", ["fail first", "crash first"])
def test_a_take_that_spoils_its_batch_is_tried_alone_and_left_out(game: Game, trouble: str) -> None:
    four(game, 4, generator="choir", trouble=trouble)
    assert built(game)[0] == MADE
    found = known(game)
    assert [bool(take.scores) for take in found.takes] == [False, True, True, True]
    warned = [event for event in game.told if isinstance(event, events.Warned)]
    assert len(warned) == (trouble == "crash first")
    assert all("take 1 could not be made" in event.message and "bug.log" in event.hint for event in warned)


def test_a_batch_of_which_every_take_fails_fails_its_slot_once(game: Game) -> None:
    four(game, 4, generator="choir", trouble="fail")
    assert game.counts() == {"failed": 1}


# what counts


def test_the_text_counts_where_the_generator_can_tell(game: Game) -> None:
    four(game, generator="critic", rough=False)
    game.build()
    marks = [{mark.name: mark.score for mark in take.scores.marks} for take in known(game).takes if take.scores]
    nearest = max(range(4), key=lambda index: marks[index]["text"])
    assert len({mark["text"] for mark in marks}) == 4
    assert chosen(game) == nearest + 1
    four(game, generator="critic", rough=False, prompt="unheard")
    game.build()
    assert all(mark.name != "text" for take in known(game).takes if take.scores for mark in take.scores.marks)


# picking


def test_a_pick_is_published_without_performing_and_kept(game: Game, tmp_path: Path) -> None:
    four(game)
    built(game)
    best, number = game.digests(), next(n for n in (1, 2, 3, 4) if n != chosen(game))
    assert pick(game, number) == 0
    (tmp_path / "alone").mkdir()
    assert game.digests()[SLOT] == alone(game, number, tmp_path / "alone") != best[SLOT]
    assert (known(game).published, known(game).takes[number - 1].picked) == (number, True)
    assert try_fast_path(["-C", str(game.root), "-q", "build"]) == 0
    assert built(game) == (FRESH, 0)
    assert pick(game, number) == 0
    assert [type(event).__name__ for event in game.told] == ["Planned", "Summary"]
    game.project.state.unlink()
    assert built(game) == (FRESH, 0)
    assert pick(game, 0) == 0
    assert game.digests() == best
    assert known(game).published == chosen(game)


def test_a_pick_outlives_edits_of_the_finish_and_not_of_the_performance(game: Game) -> None:
    four(game)
    built(game)
    number = next(n for n in (1, 2, 3, 4) if n != chosen(game))
    pick(game, number)
    four(game, more="loudness = -20\nogg = { quality = 2 }")
    assert built(game) == (AGAIN, 0)
    assert known(game).published == number
    four(game, prompt="second")
    assert built(game) == (MADE, 4)
    started = [event for event in game.told if isinstance(event, events.Started)]
    assert f'pick: {number} -> "the best"' in started[0].reasons
    assert not any(take.picked for take in known(game).takes)


def test_a_pick_travels_with_the_lock_file(game: Game, tmp_path: Path) -> None:
    four(game)
    built(game)
    pick(game, 3)
    (tmp_path / "other").mkdir()
    other = Game(tmp_path / "other", game.pool)
    shutil.copy(game.root / "assets.toml", other.root)
    shutil.copy(game.project.lock_file, other.project.lock_file)
    assert other.counts() == MADE
    assert performances(game) == 1  # both write into the first game's log
    assert other.digests() == game.digests()
    assert known(other).published == 3


def test_a_pick_that_is_not_in_the_store_is_made_again_and_said(game: Game) -> None:
    four(game)
    built(game)
    game.project.store.gc(max_bytes=0)
    assert pick(game, 2) == 1
    (warned,) = [event for event in game.told if isinstance(event, events.Warned)]
    assert warned.message == "not in the store, and so generated again: take 2"
    assert known(game).published == 2


def test_force_keeps_a_pick(game: Game) -> None:
    four(game)
    built(game)
    pick(game, 2)
    picked = game.digests()
    assert forced(game) == (MADE, 1)
    assert (game.digests(), known(game).published) == (picked, 2)


def test_a_file_in_a_persons_hands_is_never_replaced_by_a_pick(game: Game) -> None:
    four(game)
    built(game)
    before = game.project.lock_file.read_bytes()
    time_s = np.arange(44_100) / 44_100
    soundfile.write(game.path(SLOT), 0.1 * np.sin(2 * np.pi * 330 * time_s), 44_100)
    mine = game.path(SLOT).read_bytes()
    with pytest.raises(AssetgenError, match="in a person's hands"):
        pick_take(game.project, SLOT, 2, None, game.pool)
    assert (game.path(SLOT).read_bytes(), game.project.lock_file.read_bytes()) == (mine, before)
    adopt(game.project, SLOT)
    with pytest.raises(AssetgenError, match="in a person's hands"):
        pick_take(game.project, SLOT, 2, None, game.pool)
    assert game.path(SLOT).read_bytes() == mine
    assert known(game).published == 0
    assert built(game) == (FRESH, 0)


@pytest.mark.parametrize(
    ("takes", "number", "words"), [(4, 5, "there is no take 5"), (1, 1, "one take only"), (4, -1, "no take -1")]
)
def test_a_take_that_there_is_not_is_refused(game: Game, takes: int, number: int, words: str) -> None:
    four(game, takes)
    with pytest.raises(UsageError, match=words):
        pick_take(game.project, SLOT, number, None, game.pool)
    assert not game.project.lock_file.exists()


def test_a_lock_file_with_nonsense_numbers_is_not_believed(game: Game) -> None:
    four(game)
    built(game)
    entry = game.lock.entry(SLOT)
    assert entry is not None
    wrong = msgspec.structs.replace(entry.provenance, chosen=99)
    bad = msgspec.structs.replace(entry, provenance=wrong, brief=msgspec.structs.replace(entry.brief, pick=-7))
    game.project.lock_file.write_bytes(game.lock.with_entries([bad]).data)
    game.path(SLOT).unlink()
    shutil.rmtree(game.project.private)
    assert built(game) == (MADE, 4)
    assert 1 <= chosen(game) <= 4


def test_exported_takes_are_finished_and_say_which_is_which(game: Game, tmp_path: Path) -> None:
    four(game, 3)
    built(game)
    places = export(game.project, SLOT, tmp_path / "listen")
    assert [place.name for place in places] == ["a-take-1.wav", "a-take-2.wav", "a-take-3.wav"]
    sounds = [decode(place.read_bytes(), "wav") for place in places]
    assert len({sound.audio.samples.tobytes() for sound in sounds}) == 3
    assert all(sound.loop and sound.rate_hz == 44_100 for sound in sounds)
    game.project.store.gc(max_bytes=0)
    with pytest.raises(AssetgenError, match="none of its takes"):
        export(game.project, SLOT, tmp_path / "listen")


def test_the_store_forgets_a_selection_with_its_take(game: Game) -> None:
    four(game)
    built(game)
    contests = list((game.project.private / "store/records/contests").rglob("*.json"))
    assert len(contests) == 1
    game.project.store.gc()
    assert contests[0].exists()
    contests[0].write_text("{")
    assert all(take.scores is None for take in known(game).takes)
    game.project.store.gc(max_bytes=0)
    assert not contests[0].exists()


# the command


def test_the_command_shows_and_picks(game: Game) -> None:
    four(game)
    shown = game.run("takes", SLOT)
    assert f"not judged here; `assetgen build {SLOT}`" in shown.stdout
    assert f"generate  {SLOT}  (4 takes)" in game.run("build", "--dry-run").stdout
    assert json.loads(game.run("build", "--dry-run", "--json").stdout)["steps"][0]["takes"] == [1, 2, 3, 4]
    assert game.run("build").returncode == 0
    shown = game.run("takes", SLOT)
    assert (shown.returncode, shown.stderr) == (0, "")
    best = chosen(game)
    (line,) = [line for line in shown.stdout.splitlines() if "best" in line]
    assert line.split()[:2] == [str(best), str(seed_of(0, best))]
    assert "clipped" in shown.stdout
    assert "silence" in shown.stdout
    assert "% of limit" in game.run("takes", SLOT, "-v").stdout
    number = next(n for n in (1, 2, 3, 4) if n != best)
    done = game.run("pick", SLOT, str(number))
    assert (done.returncode, done.stdout) == (0, "")
    assert f"made        {SLOT}" in done.stderr
    paper = json.loads(game.run("takes", SLOT, "--json").stdout)
    assert (paper["slot"], paper["published"], len(paper["takes"])) == (SLOT, number, 4)
    assert [take["number"] for take in paper["takes"] if take["picked"]] == [number]
    assert [take["number"] for take in paper["takes"] if take["best"]] == [best]
    assert f"(take {number} is picked)" in game.run("status").stdout
    assert f"4; take {number} is picked" in game.run("explain", SLOT).stdout
    assert game.run("check").returncode == 0
    assert game.run("build").stderr == "nothing to do: 1 slot fresh\n"
    assert game.run("verify").returncode == 0
    lines = game.run("pick", SLOT, "best", "--json").stdout.splitlines()
    assert json.loads(lines[-1])["finished"] + json.loads(lines[-1])["restored"] == 1
    assert f"4; take {best} is the best" in game.run("explain", SLOT).stdout
    wrote = game.run("takes", SLOT, "--export", "listen")
    assert wrote.stderr.count("wrote ") == 4


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pick", SLOT, "9"), 2, "there is no take 9"),
        (("pick", SLOT, "0"), 2, "neither the number of a take"),
        (("pick", SLOT, "worst"), 2, "neither the number of a take"),
        (("pick", "b.ogg", "1"), 2, "no slot `b.ogg`"),
        (("takes", "b.ogg"), 2, "no slot `b.ogg`"),
    ],
)
def test_mistakes_are_said_in_words(game: Game, words: tuple[str, ...], code: int, said: str) -> None:
    four(game)
    done = game.run(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_score_is_that_of_the_published_take(game: Game) -> None:
    game.write(
        f'[music."{SLOT}"]\nprompt = "calm synthwave in D minor"\ntakes = 2\nduration = 10\ngenerator = "composer"'
    )
    scores = []
    game.build()
    for number in (1, 2):
        pick_take(game.project, SLOT, number, None, game.pool)
        assert game.run("midi", SLOT, "-o", f"{number}.mid").returncode == 0
        scores.append((game.root / f"{number}.mid").read_bytes())
    assert scores[0] != scores[1]


# the numbers


@given(st.integers(0, 2**32 - 1), st.integers(1, 16))
def test_candidates_are_the_same_brief_with_seeds_of_their_own(seed: int, takes: int) -> None:
    brief = Brief(generator="tone", prompt="x", duration_s=1.0, seed=seed, takes=takes)
    found = candidates(brief)
    assert [one.seed for one in found] == [seed_of(seed, number) for number in range(1, takes + 1)]
    assert found[0] == msgspec.structs.replace(brief, takes=1)
    assert len({one.seed for one in found}) == takes
    assert all(0 <= one.seed < 2**32 for one in found)
    picked = msgspec.structs.replace(brief, pick=takes)
    assert published(picked, 1) == candidate(brief, takes) == found[-1]
