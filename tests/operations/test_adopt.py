"""Files that a person changed, and files that were damaged: the first are left alone, the second are healed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Game

from tydust_assetgen import events
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.operations.adopt import adopt


def own_music(path: Path, pitch: float = 330.0) -> bytes:
    """A sound that assetgen did not make; returns its bytes."""
    time_s = np.arange(44_100) / 44_100
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * pitch * time_s), 44_100)
    return path.read_bytes()


@pytest.fixture
def built(game: Game) -> Game:
    game.slots({"a.ogg": "first", "b.ogg": "second"}, more='also = ["flac", "wav"]')
    game.build()
    return game


def test_a_modified_output_is_reported_and_left_alone(built: Game) -> None:
    mine = own_music(built.path("a.ogg"))
    assert built.counts() == {"fresh": 1, "blocked": 1}
    (blocked,) = [event for event in built.told if isinstance(event, events.Blocked)]
    assert blocked.reasons == ("`a.ogg` was modified by hand",)
    assert "assetgen adopt a.ogg" in blocked.hint
    assert built.path("a.ogg").read_bytes() == mine


def test_a_modified_output_is_left_alone_also_when_its_recipe_changes(built: Game) -> None:
    mine = own_music(built.path("a.ogg"))
    old_flac = built.path("a.flac").read_bytes()
    built.slots({"a.ogg": "changed", "b.ogg": "second"}, more='also = ["flac", "wav"]')
    assert built.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1, "blocked": 1}
    assert built.path("a.ogg").read_bytes() == mine
    assert built.path("a.flac").read_bytes() != old_flac


def test_force_makes_a_modified_output_again(built: Game) -> None:
    original = built.digests()
    own_music(built.path("a.ogg"))
    assert built.counts("a.ogg", force=True) == {"generated": 1, "finished": 1, "encoded": 1}
    assert built.digests() == original


def test_adopted_files_are_fresh_until_their_recipe_changes(built: Game) -> None:
    mine = own_music(built.path("a.ogg"))
    assert adopt(built.project, "a.ogg") == ("a.ogg", "a.flac", "a.wav")
    entry = built.lock.entry("a.ogg")
    assert entry is not None
    assert entry.hand_made
    assert built.counts() == {"fresh": 2}
    built.slots({"a.ogg": "changed", "b.ogg": "second"}, more='also = ["flac", "wav"]')
    assert built.counts() == {"fresh": 1, "blocked": 1}
    assert built.path("a.ogg").read_bytes() == mine
    assert built.counts("a.ogg", force=True) == {"generated": 1, "finished": 1, "encoded": 1}
    assert built.path("a.ogg").read_bytes() != mine


def test_an_adopted_file_that_is_damaged_comes_back_as_it_was(built: Game) -> None:
    mine = own_music(built.path("a.ogg"))
    adopt(built.project, "a.ogg")
    built.path("a.ogg").write_bytes(mine[:-100])
    assert built.counts() == {"restored": 1, "fresh": 1}
    assert built.path("a.ogg").read_bytes() == mine


def test_only_whole_files_are_adopted(built: Game) -> None:
    data = built.path("a.ogg").read_bytes()
    built.path("a.ogg").write_bytes(data[: len(data) // 2])
    with pytest.raises(AssetgenError, match="damaged"):
        adopt(built.project, "a.ogg")
    built.path("a.ogg").unlink()
    with pytest.raises(AssetgenError, match="can't be read"):
        adopt(built.project, "a.ogg")


def test_a_file_of_another_kind_is_not_adopted(built: Game) -> None:
    built.path("a.ogg").write_bytes(built.path("a.flac").read_bytes())
    with pytest.raises(AssetgenError, match=r"is no ogg"):
        adopt(built.project, "a.ogg")


def test_a_file_in_the_way_is_left_alone(game: Game) -> None:
    game.path("").mkdir()
    mine = own_music(game.path("a.ogg"))
    game.slots({"a.ogg": "first"})
    assert game.counts() == {"blocked": 1}
    assert game.path("a.ogg").read_bytes() == mine


@pytest.mark.parametrize("output", ["a.ogg", "a.flac", "a.wav"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_output_is_healed_from_the_store(built: Game, output: str, keep: float) -> None:
    whole = built.path(output).read_bytes()
    built.path(output).write_bytes(whole[: int(keep * len(whole))])
    assert built.counts() == {"restored": 1, "fresh": 1}
    assert built.path(output).read_bytes() == whole


@pytest.mark.parametrize("output", ["a.ogg", "a.flac"])
def test_a_flipped_bit_with_a_new_mtime_is_healed_from_the_store(built: Game, output: str) -> None:
    whole = built.path(output).read_bytes()
    built.path(output).write_bytes(flipped(whole))
    assert built.counts() == {"restored": 1, "fresh": 1}
    assert built.path(output).read_bytes() == whole


def test_a_flipped_bit_in_a_format_without_checksums_is_noticed(built: Game) -> None:
    built.path("a.wav").write_bytes(flipped(built.path("a.wav").read_bytes()))
    assert built.counts() == {"fresh": 1, "blocked": 1}


def test_damage_without_a_store_is_made_again(built: Game) -> None:
    import shutil

    whole = built.path("a.ogg").read_bytes()
    built.path("a.ogg").write_bytes(whole[:5000])
    shutil.rmtree(built.root / ".assetgen")
    assert built.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    assert built.path("a.ogg").read_bytes() == whole


def test_bit_rot_with_the_same_size_and_mtime_is_found_by_verify(built: Game) -> None:
    path = built.path("a.wav")
    stat = path.stat()
    path.write_bytes(flipped(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = built.run("verify", "--json")
    assert done.returncode == 1
    assert '"name": "digest"' in done.stdout
    assert "modified by hand" in done.stdout


def test_a_file_changed_while_its_track_is_made_is_left_alone(game: Game) -> None:
    game.slots({"a.ogg": "first"})
    game.build()
    game.slots({"a.ogg": "changed"})
    mine = b""

    def meddle(event: events.Event) -> None:
        nonlocal mine
        if isinstance(event, events.Progressed) and event.stage == "finish":
            mine = own_music(game.path("a.ogg"))

    from tydust_assetgen.building.build import build

    report = build(game.project, emit=meddle, pool=game.pool)
    assert report.summary.failed == 1
    assert "modified while its track was made" in report.results[0].message
    assert game.path("a.ogg").read_bytes() == mine


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]
