"""The lock file: what is written is read, sorted, stable, and merges by block."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from conftest import Game
from hypothesis import given
from hypothesis import strategies as st

from tests.planning.test_plan import RECIPE, entry
from tydust_assetgen.project.lockfile import LockEntry, LockFile, read_lock

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
floats = st.floats(-1e6, 1e6)


@st.composite
def entries(draw: st.DrawFn) -> LockEntry:
    brief = msgspec.structs.replace(
        RECIPE.brief,
        prompt=draw(names),
        bpm=draw(floats),
        parameters={draw(names): draw(floats | names | st.booleans())},
    )
    return msgspec.structs.replace(entry(), slot=draw(names), title=draw(names), brief=brief)


@given(st.lists(entries(), max_size=5, unique_by=lambda found: found.slot))
def test_what_is_written_is_read(written: list[LockEntry]) -> None:
    lock = LockFile(LockFile().with_entries(written).data)
    assert lock.problems == ()
    assert {slot: lock.entry(slot) for slot in lock.blocks} == {found.slot: found for found in written}
    assert list(lock.blocks) == sorted(lock.blocks)


@given(st.permutations([msgspec.structs.replace(entry(), slot=f"{letter}.ogg") for letter in "abcd"]))
def test_the_order_of_work_leaves_no_trace(shuffled: list[LockEntry]) -> None:
    one = LockFile().with_entries(shuffled).data
    other = LockFile()
    for found in sorted(shuffled, key=lambda found: found.slot):
        other = other.with_entries([found])
    assert one == other.data


def test_windows_line_ends_make_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "assets.lock"
    path.write_bytes(LockFile().with_entries([entry()]).data.replace(b"\n", b"\r\n"))
    assert read_lock(path).entry("a.ogg") == entry()


@given(st.lists(entries(), min_size=1, max_size=5, unique_by=lambda found: found.slot), entries())
def test_one_entry_is_replaced_in_place_as_if_all_were_written_anew(written: list[LockEntry], new: LockEntry) -> None:
    lock = LockFile().with_entries(written)
    new = msgspec.structs.replace(new, slot=written[0].slot)
    spliced = lock.with_entries([new])
    assert spliced.data == LockFile().with_entries([new, *written[1:]]).data
    assert all(LockFile(spliced.data).entry(found.slot) == spliced.entry(found.slot) for found in written)


def test_nothing_of_this_machine_or_moment_is_in_it(game: Game) -> None:
    game.slots({"a.ogg": "first"})
    game.build()
    first = game.project.lock_file.read_bytes()
    assert str(game.root).encode() not in first
    shutil.rmtree(game.root / ".assetgen")
    shutil.rmtree(game.root / "assets")
    game.build()
    assert game.project.lock_file.read_bytes() == first


def git(game: Game, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words],
        cwd=game.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_git_merges_two_new_slots_of_two_people(game: Game) -> None:
    base = {"b.wav": "one", "m.wav": "two", "y.wav": "three"}
    game.slots(base)
    game.build()
    git(game, "init", "-q", "-b", "main")
    git(game, "add", "assets.lock")
    git(game, "commit", "-qm", "base")
    ours, theirs = {"f.wav": "ours", **base}, {"t.wav": "theirs", **base}
    git(game, "checkout", "-q", "-b", "theirs")
    game.slots(theirs)
    game.build()
    git(game, "commit", "-qam", "theirs")
    git(game, "checkout", "-q", "main")
    game.slots(ours)
    game.build()
    git(game, "checkout", "-q", "--", "assets.lock")
    game.path("t.wav").unlink()
    game.build()
    git(game, "commit", "-qam", "ours")
    git(game, "merge", "-q", "theirs", "-m", "merge")
    game.slots(ours | theirs)
    assert game.lock.problems == ()
    assert sorted(game.lock.blocks) == sorted(ours | theirs)
    assert game.counts() == {"restored": 1, "fresh": 4}
    assert git(game, "status", "--porcelain", "assets.lock") == ""
