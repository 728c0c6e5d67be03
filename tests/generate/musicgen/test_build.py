"""A whole build with MusicGen: real workers, a tiny checkpoint in a folder, verified files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from conftest import Game

from tydust_assetgen.events import Done, Progressed
from tydust_assetgen.operations.takes import export, takes_of
from tydust_assetgen.project.lockfile import LockEntry

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

pytest.importorskip("audiocraft")
linux = pytest.mark.skipif(sys.platform != "linux", reason="workers are found through /proc")


def head(checkpoint: Checkpoint, **settings: object) -> str:
    lines = {"duration": 2, "loop": "false", **settings}
    return (
        '[game]\nname = "Test"\n[defaults]\ngenerator = "musicgen"\n'
        + "".join(f"{name} = {value}\n" for name, value in lines.items())
        + f'[defaults.musicgen]\nmodel = "{checkpoint.folder}"\nextend_stride = 2.5\nlicence = "MIT"\n'
    )


def slot(name: str, prompt: str = "calm synthwave", more: str = "") -> str:
    return f'[music."{name}"]\nprompt = "{prompt}"\n{more}\n'


def entry(game: Game, name: str) -> LockEntry:
    found = game.lock.entry(name)
    assert found is not None
    return found


def frames_of(game: Game, name: str) -> int:
    return int(soundfile.info(game.path(name)).frames)


def test_a_build_and_what_each_edit_costs(game: Game, tiny_t5: Checkpoint) -> None:
    def write(boss: str = "", **settings: object) -> None:
        game.write(slot("calm.ogg") + slot("boss.ogg", "dark industrial", boss), head(tiny_t5, **settings))

    write()
    assert game.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    assert sorted(game.digests()) == ["boss.ogg", "calm.ogg"]
    assert game.locked() == game.digests()
    assert game.counts() == {"fresh": 2}

    first = game.digests()
    write("musicgen = { temperature = 0.9 }")
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    assert {name for name, digest in game.digests().items() if digest != first[name]} == {"boss.ogg"}

    write("musicgen = { temperature = 0.9 }", ogg="{ quality = 3 }")
    assert game.counts() == {"encoded": 2}
    write("musicgen = { temperature = 0.9 }", ogg="{ quality = 3 }", loudness=-20)
    assert game.counts() == {"finished": 2, "encoded": 2}


def test_tracks_are_played_together_and_each_is_the_same_alone(game: Game, tiny_t5: Checkpoint) -> None:
    """Of several lengths, texts, seeds and parameters, with windows in between."""
    wants = {"calm": 2, "boss": 9, "menu": 3, "void": 5}
    slots = [slot(f"{name}.ogg", f"{name}, {n} drums", f"duration = {n}\nseed = {n}") for name, n in wants.items()]
    game.write("".join(slots), head(tiny_t5))
    assert game.counts()["generated"] == 4
    told = [(type(event).__name__, event.slot) for event in game.told if isinstance(event, Progressed | Done)]
    assert told.index(("Done", "calm.ogg")) > told.index(("Progressed", "void.ogg")), "at the same time"
    together = game.digests()
    game.path("boss.ogg").unlink()
    game.path("calm.ogg").unlink()
    game.project.store.gc(max_bytes=0)
    assert game.counts("calm.ogg")["generated"] == 1
    assert game.counts("boss.ogg")["generated"] == 1
    assert game.digests() == together


def test_what_the_lock_file_says_of_a_track(game: Game, tiny_t5: Checkpoint) -> None:
    game.write(slot("calm.flac"), head(tiny_t5))
    game.build()
    found = entry(game, "calm.flac")
    made = found.provenance
    assert (made.generator, made.licence, made.model) == ("musicgen", "MIT", tiny_t5.folder.name)
    assert made.libraries["device"] == "cpu"
    assert str(found.key_parameters["weights"]).startswith(made.revision)
    assert soundfile.info(game.path("calm.flac")).frames == 2 * 44_100


def test_a_loop_from_a_models_output_is_found_and_verified(game: Game, tiny_t5: Checkpoint) -> None:
    """Near the asked length, with a seam that passes the same check as the composer's."""
    game.write(slot("calm.ogg"), head(tiny_t5, duration=5, loop="true"))
    report = game.build()
    assert (report.summary.generated, report.summary.failed) == (1, 0)
    found = entry(game, "calm.ogg")
    assert found.facts.near_frames == 5 * 32_000
    assert soundfile.info(game.path("calm.ogg")).duration == pytest.approx(5.0, abs=1.3)


def test_a_guided_track_is_built(game: Game, tiny_melody: Checkpoint) -> None:
    game.write(
        slot("calm.ogg", "calm synthwave in D minor, 120 BPM", 'musicgen = { guide = "composer" }'),
        head(tiny_melody, duration=4, loop="true"),
    )
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}
    found = entry(game, "calm.ogg")
    assert (found.facts.key, found.facts.bpm, found.key_parameters["composer"]) == ("D minor", 120.0, "1")


def test_a_slots_sound_leads_another_and_a_new_one_makes_it_stale(game: Game, tiny_melody: Checkpoint) -> None:
    def write(title: str) -> None:
        tune = slot("title.ogg", title, 'generator = "composer"\nduration = 4')
        game.write(tune + slot("calm.ogg", more='musicgen = { melody = "slot:title.ogg" }'), head(tiny_melody))

    write("chiptune in C major, 120 BPM")
    assert game.counts()["generated"] == 2
    first = game.digests()
    write("chiptune in A minor, 120 BPM")
    assert game.counts()["generated"] == 2
    assert not set(first.values()) & set(game.digests().values())


def test_the_better_of_two_takes_is_published_and_a_pick_generates_nothing(game: Game, tiny_t5: Checkpoint) -> None:
    """Both are performed one after the other by one worker, each with a seed of its own, and both stay in the store."""
    game.write(slot("calm.ogg", "calm synthwave in D minor, 120 BPM"), head(tiny_t5, duration=3, takes=2))
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}
    known = takes_of(game.project, "calm.ogg")
    assert known.published == entry(game, "calm.ogg").provenance.chosen
    totals = [take.scores.total for take in known.takes if take.scores]
    assert len(totals) == 2
    assert totals[known.published - 1] == max(totals)
    wanted = frames_of(game, "calm.ogg")
    one, other = (soundfile.read(place)[0] for place in export(game.project, "calm.ogg", game.root / "out"))
    assert len(one) == len(other) == wanted
    assert np.std(one - other) > 0.05 * np.std(one), "two seeds, two takes"

    best = game.digests()
    done = game.run("pick", "calm.ogg", str(3 - known.published), "--json")
    assert json.loads(done.stdout.splitlines()[-1])["generated"] == 0, done.stderr
    assert game.digests() != best
    assert game.counts() == {"fresh": 1}


def test_explain_names_the_model_its_revision_and_its_licence(game: Game, tiny_t5: Checkpoint) -> None:
    game.write(slot("calm.ogg"), head(tiny_t5))
    game.build()
    said = game.run("explain", "calm.ogg").stdout
    made = entry(game, "calm.ogg").provenance
    assert f"built with   {tiny_t5.folder.name}, revision {made.revision[:12]}, " in said
    assert "device cpu" in said
    assert "licence      MIT\n" in said


def test_what_cannot_work_is_refused_before_anything_is_made(game: Game, tiny_t5: Checkpoint) -> None:
    game.write(slot("calm.ogg") + slot("boss.ogg", more='musicgen = { guide = "composer" }'), head(tiny_t5))
    done = game.run("build")
    assert done.returncode == 2
    assert "`guide` is set, but" in done.stderr
    assert "assets.toml:" in done.stderr
    assert not game.digests()


# Interrupted


def start(game: Game) -> subprocess.Popen[str]:
    """A build, with its first track well under way."""
    build = game.start("--jobs", "1", "--json")
    assert build.stdout is not None
    for line in build.stdout:
        told = json.loads(line)
        if told.get("event") == "progress" and told.get("share", 0) > 0.1:
            return build
    raise AssertionError(build.communicate()[1])


def nobody_is_left(game: Game) -> bool:
    deadline = time.monotonic() + 5
    while game.workers() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not game.workers()


@pytest.fixture
def long_and_short(game: Game, tiny_t5: Checkpoint) -> Game:
    """Two tracks of one batch, of which the first takes a while."""
    long = slot("a.ogg", more="duration = 60")
    game.write(long + slot("b.ogg", more="musicgen = { temperature = 1.2 }"), head(tiny_t5))
    return game


@linux
def test_after_a_worker_has_died_each_track_of_its_batch_is_tried_alone(long_and_short: Game) -> None:
    build = start(long_and_short)
    (worker,) = long_and_short.workers()
    os.kill(worker, signal.SIGKILL)
    stdout, stderr = build.communicate(timeout=120)
    assert build.returncode == 0, stderr
    summary = json.loads(stdout.splitlines()[-1])
    assert (summary["generated"], summary["failed"]) == (2, 0)
    assert sorted(long_and_short.digests()) == ["a.ogg", "b.ogg"]
    assert nobody_is_left(long_and_short)


@linux
def test_an_interrupt_ends_a_track_at_once_and_leaves_no_process(long_and_short: Game) -> None:
    build = start(long_and_short)
    began = time.monotonic()
    os.kill(build.pid, signal.SIGINT)
    _, stderr = build.communicate(timeout=30)
    assert time.monotonic() - began < 25
    assert build.returncode == 130
    assert "Traceback" not in stderr
    assert nobody_is_left(long_and_short)
    assert not long_and_short.digests()
