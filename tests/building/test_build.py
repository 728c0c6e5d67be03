"""Whole builds: what is made after each kind of edit, counted exactly."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import HEAD, PLUGINS, REPOSITORY, Game, command, environment

from tydust_assetgen import events
from tydust_assetgen.errors import ManifestError, UsageError

TWO = {"music/one.ogg": "first", "music/two.ogg": "second"}


def test_first_build_makes_all_and_second_nothing(game: Game) -> None:
    game.slots(TWO, more='also = ["flac"]')
    assert game.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    assert sorted(game.digests()) == ["music/one.flac", "music/one.ogg", "music/two.flac", "music/two.ogg"]
    assert game.digests() == game.locked()
    assert game.counts() == {"fresh": 2}


def test_editing_one_prompt_makes_that_track_again(game: Game) -> None:
    game.slots(TWO)
    game.build()
    before = game.digests()
    game.slots({**TWO, "music/two.ogg": "another second"})
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    after = game.digests()
    assert after["music/one.ogg"] == before["music/one.ogg"]
    assert after["music/two.ogg"] != before["music/two.ogg"]
    started = [event for event in game.told if isinstance(event, events.Started)]
    assert started[0].reasons == ('prompt: "second" -> "another second"',)


def test_another_quality_only_encodes_again(game: Game) -> None:
    game.slots(TWO)
    game.build()
    sizes = {path: game.path(path).stat().st_size for path in TWO}
    game.slots(TWO, more="ogg = { quality = 1 }")
    assert game.counts() == {"encoded": 2}
    assert all(game.path(path).stat().st_size < sizes[path] for path in TWO)


def test_another_loudness_finishes_again_without_generating(game: Game) -> None:
    game.slots(TWO)
    game.build()
    game.slots(TWO, more="loudness = -20")
    assert game.counts() == {"finished": 2, "encoded": 2}


def test_another_title_only_encodes_again(game: Game) -> None:
    game.slots(TWO)
    game.build()
    game.slots(TWO, more='title = "Named"')
    assert game.counts() == {"encoded": 2}


def test_a_default_makes_only_the_slots_that_use_it(game: Game) -> None:
    body = '[music]\n"a.wav" = "first"\n[music."b.wav"]\nprompt = "second"\nloudness = -18\n'
    game.write(body)
    game.build()
    game.write(body, HEAD + "loudness = -20\n")
    assert game.counts() == {"finished": 1, "encoded": 1, "fresh": 1}


def test_a_to_b_to_a_makes_nothing(game: Game) -> None:
    game.slots(TWO)
    game.build()
    first = game.digests()
    game.slots({**TWO, "music/one.ogg": "changed"})
    game.build()
    assert game.digests() != first
    game.slots(TWO)
    assert game.counts() == {"restored": 1, "fresh": 1}
    assert game.digests() == first


def test_renaming_a_slot_generates_nothing(game: Game) -> None:
    game.slots({"a.ogg": "tune"}, more='title = "Tune"')
    game.build()
    game.slots({"b.ogg": "tune"}, more='title = "Tune"')
    assert game.counts() == {"restored": 1}
    assert game.digests()["b.ogg"] == game.digests()["a.ogg"]


@pytest.mark.parametrize("way", ["touch", "copy", "clone", "reorder", "comment"])
def test_what_changes_no_recipe_makes_nothing(game: Game, tmp_path_factory: pytest.TempPathFactory, way: str) -> None:
    game.slots(TWO)
    game.build()
    match way:
        case "touch":
            for path in [*game.root.rglob("*.ogg"), game.root / "assets.toml", game.root / "assets.lock"]:
                os.utime(path)
        case "copy":
            game = Game(Path(shutil.copytree(game.root, tmp_path_factory.mktemp("copy") / "game")), game.pool)
        case "clone":
            shutil.rmtree(game.root / ".assetgen")
            game = Game(Path(shutil.copytree(game.root, tmp_path_factory.mktemp("clone") / "game")), game.pool)
        case "reorder":
            game.slots(dict(reversed(TWO.items())))
        case "comment":
            game.write("# a comment\n" + (game.root / "assets.toml").read_text().removeprefix(HEAD))
    before = game.digests()
    assert game.counts() == {"fresh": 2}
    assert game.digests() == before


def test_a_lost_lock_file_heals_from_the_store(game: Game) -> None:
    game.slots(TWO)
    game.build()
    lock = game.project.lock_file.read_bytes()
    game.project.lock_file.unlink()
    assert game.counts() == {"fresh": 2}
    assert game.project.lock_file.read_bytes() == lock


def test_a_lost_store_heals_from_the_lock_file(game: Game) -> None:
    game.slots(TWO)
    game.build()
    shutil.rmtree(game.root / ".assetgen")
    assert game.counts() == {"fresh": 2}


def test_lost_outputs_come_back_from_the_store(game: Game) -> None:
    game.slots(TWO)
    game.build()
    before = game.digests()
    shutil.rmtree(game.root / "assets")
    assert game.counts() == {"restored": 2}
    assert game.digests() == before


def test_lost_lock_file_and_outputs_come_back_from_the_store(game: Game) -> None:
    game.slots(TWO)
    game.build()
    before, lock = game.digests(), game.project.lock_file.read_bytes()
    shutil.rmtree(game.root / "assets")
    game.project.lock_file.unlink()
    assert game.counts() == {"restored": 2}
    assert (game.digests(), game.project.lock_file.read_bytes()) == (before, lock)


def test_a_removed_slot_is_an_orphan_until_it_is_pruned(game: Game) -> None:
    game.slots(TWO)
    game.build()
    game.slots({"music/one.ogg": "first"})
    assert game.counts() == {"fresh": 1}
    assert events.Orphaned(slot="music/two.ogg", path="music/two.ogg", removed=False) in game.told
    assert game.path("music/two.ogg").exists()
    assert game.counts(prune=True) == {"fresh": 1, "pruned": 1}
    assert not game.path("music/two.ogg").exists()
    assert list(game.lock.blocks) == ["music/one.ogg"]


def test_an_orphan_that_a_person_changed_is_not_pruned(game: Game) -> None:
    game.slots(TWO)
    game.build()
    game.slots({"music/one.ogg": "first"})
    game.path("music/two.ogg").write_bytes(b"my own")
    assert game.counts(prune=True) == {"fresh": 1}
    assert game.path("music/two.ogg").read_bytes() == b"my own"


def test_a_format_no_longer_wanted_is_an_orphan(game: Game) -> None:
    game.slots(TWO, more='also = ["flac"]')
    game.build()
    game.slots(TWO)
    assert game.counts(prune=True) == {"fresh": 2, "pruned": 2}
    assert sorted(game.digests()) == ["music/one.ogg", "music/two.ogg"]


def test_slots_can_be_chosen(game: Game) -> None:
    game.slots(TWO)
    assert game.counts("music/two.ogg") == {"generated": 1, "finished": 1, "encoded": 1}
    assert list(game.digests()) == ["music/two.ogg"]
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    with pytest.raises(UsageError, match=r"did you mean `music/two\.ogg`"):
        game.build("music/too.ogg")


def test_force_makes_again_what_is_fresh(game: Game) -> None:
    game.slots(TWO)
    game.build()
    before = game.digests()
    assert game.counts("music/one.ogg", force=True) == {"generated": 1, "finished": 1, "encoded": 1}
    assert game.digests() == before


def test_one_failure_does_not_stop_the_others(game: Game) -> None:
    for trouble, words in {
        "fail": "the string broke",
        "memory": "not enough memory",
        "die": "ended with code 7",
        "kill": "killed by signal 9",
    }.items():
        game.write(f"""
        [music."bad.ogg"]
        prompt = "{trouble}"
        tone = {{ trouble = "{trouble}" }}
        [music."good.ogg"]
        prompt = "good {trouble}"
        """)
        report = game.build()
        (failed,) = (result for result in report.results if result.status == "failed")
        assert failed.slot == "bad.ogg"
        assert words in failed.message
        assert report.exit_code == 1
        assert list(game.digests()) == ["good.ogg"]
        assert report.summary.generated == 1


def test_a_bug_is_reported_as_ours_with_its_log(game: Game) -> None:
    game.slots({"a.ogg": "tune"}, trouble="crash")
    report = game.build()
    assert report.exit_code == 3
    assert "a bug in the tone generator" in report.results[0].message
    assert "ZeroDivisionError" in (game.root / ".assetgen/logs/bug.log").read_text()


def test_a_missing_encoder_fails_its_slot_before_anything_is_generated(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = game.root / "log"
    game.slots({"a.m4a": "tune"}, log=str(log))
    monkeypatch.setenv("PATH", str(game.root))
    report = game.build()
    assert report.summary.failed == 1
    assert "m4a needs ffmpeg" in report.results[0].message
    assert not log.exists()


def test_what_a_generator_refuses_is_said_at_planning(game: Game) -> None:
    game.slots({"a.ogg": "tune"}, trouble="refuse")
    with pytest.raises(ManifestError, match="this can't be played"):
        game.build()
    assert not (game.root / ".assetgen").exists()


def test_a_wrong_manifest_changes_nothing(game: Game) -> None:
    game.slots(TWO)
    game.build()
    before = {path: path.stat().st_mtime_ns for path in game.root.rglob("*")}
    game.slots(TWO, more="bmp = 90")
    del before[game.root / "assets.toml"]
    with pytest.raises(ManifestError, match="bpm"):
        game.build()
    after = {path: path.stat().st_mtime_ns for path in game.root.rglob("*") if path.name != "assets.toml"}
    assert after == before


def test_the_same_recipe_gives_the_same_bytes_whatever_else_is_built(game: Game, tmp_path: Path) -> None:
    game.slots(TWO)
    game.build()
    alone = Game(tmp_path / "alone", game.pool)
    alone.root.mkdir()
    alone.slots({"music/two.ogg": "second"})
    alone.build()
    assert alone.digests()["music/two.ogg"] == game.digests()["music/two.ogg"]


def test_every_slot_has_a_result(game: Game) -> None:
    game.slots({"b.wav": "tune", "a.wav": "song"}, more='also = ["flac"]')
    assert [(found.slot, found.status) for found in game.build().results] == [("b.wav", "made"), ("a.wav", "made")]
    game.path("a.flac").unlink()
    results = game.build().results
    assert [(found.slot, found.status) for found in results] == [("b.wav", "fresh"), ("a.wav", "restored")]
    assert results[0].paths == ("b.wav", "b.flac")
    assert [found.slot for found in game.build("a.wav").results] == ["a.wav"]


def test_events_tell_the_whole_story(game: Game) -> None:
    game.slots({"a.ogg": "tune"})
    game.build()
    kinds = [type(event).__name__ for event in game.told]
    assert kinds[0] == "Planned"
    assert kinds[1] == "Started"
    assert kinds[-2:] == ["Done", "Summary"]
    shares = [event.share for event in game.told if isinstance(event, events.Progressed)]
    assert shares == sorted(shares)
    stages = [event.stage for event in game.told if isinstance(event, events.Progressed)]
    assert list(dict.fromkeys(stages)) == ["generate", "finish", "encode", "verify"]


def test_an_upgraded_generator_is_noticed_and_named(game: Game, tmp_path: Path) -> None:
    """Also when only a line of its source changed, as with an editable installation."""
    plugin = Path(shutil.copytree(PLUGINS, tmp_path / "plugins"))
    game.slots({"a.wav": "tune"})
    paths = {"PYTHONPATH": os.pathsep.join([str(plugin), str(REPOSITORY)])}

    def run(*words: str) -> str:
        env = environment() | paths
        return subprocess.run(
            command(*words), cwd=game.root, env=env, capture_output=True, text=True, check=True
        ).stderr

    assert "1 generated" in run("build")
    assert run("build") == "nothing to do: 1 slot fresh\n"
    source = plugin / "assetgen_tone.py"
    source.write_text(source.read_text().replace('version = "1"', 'version = "2"'))
    assert "generator upgraded: 1 -> 2" in run("build", "-v")
    assert run("build") == "nothing to do: 1 slot fresh\n"
