"""Slots that follow a sound: a file, or another slot. And what only the machine knows: weights, licences, cautions."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
import soundfile
from conftest import Game

from tydust_assetgen import events
from tydust_assetgen.errors import ManifestError
from tydust_assetgen.operations.query import plan
from tydust_assetgen.system import digest_file

RATE_HZ = 22_050


def strongest_hz(game: Game, output: str) -> float:
    samples, rate_hz = soundfile.read(game.path(output), always_2d=True)
    return float(np.argmax(np.abs(np.fft.rfft(samples.mean(axis=1)))) * rate_hz / len(samples))


def write_tone(game: Game, name: str, hz: float) -> None:
    path = game.root / name
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hz * np.arange(2 * RATE_HZ) / RATE_HZ), RATE_HZ)


def slots(game: Game, **follows: str) -> None:
    body = "".join(
        f'[music."{name}.wav"]\nprompt = "{name}"\ntone = {{ follow = "{path}", pitch = 200 }}\n'
        for name, path in follows.items()
    )
    game.write(body)


def test_a_file_is_heard(game: Game) -> None:
    write_tone(game, "refs/theme.wav", 300)
    slots(game, a="refs/theme.wav")
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}
    assert strongest_hz(game, "a.wav") > 1.4 * 300, "not 200 Hz, which it plays alone"
    assert game.counts() == {"fresh": 1}


def test_a_file_that_only_ffmpeg_reads_is_heard(game: Game) -> None:
    write_tone(game, "theme.wav", 300)
    files = [str(game.root / name) for name in ("theme.wav", "theme.aac")]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", *files], check=True)
    slots(game, a="theme.aac")
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}
    assert strongest_hz(game, "a.wav") > 1.4 * 300, "not 200 Hz, which it plays alone"
    assert game.counts() == {"fresh": 1}


def test_another_file_makes_it_stale_and_the_same_one_fresh_again(game: Game) -> None:
    write_tone(game, "theme.wav", 300)
    slots(game, a="theme.wav", b="")
    game.build()
    before, old = game.digests(), digest_file(game.root / "theme.wav")[:12]
    write_tone(game, "theme.wav", 400)
    new = digest_file(game.root / "theme.wav")[:12]
    (step,) = plan(game.project).work
    assert [str(reason) for reason in step.reasons] == [f'references.theme.wav: "{old}" -> "{new}"']
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    assert game.digests()["a.wav"] != before["a.wav"]
    write_tone(game, "theme.wav", 300)
    assert game.counts() == {"restored": 1, "fresh": 1}
    assert game.digests() == before


@pytest.mark.parametrize(
    ("follow", "message"),
    [
        ("nowhere.wav", "`nowhere.wav` can't be read"),
        ("slot:nowhere.wav", "there is no slot `nowhere.wav`"),
        ("slot:b.waw", "there is no slot `b.waw`"),
    ],
)
def test_what_is_not_there_is_said_at_planning(game: Game, follow: str, message: str) -> None:
    slots(game, a=follow, b="")
    with pytest.raises(ManifestError) as caught:
        game.build()
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.slot == "a.wav"
    assert problem.place == "assets.toml:7"


def test_a_link_that_leads_out_is_refused(game: Game, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.wav"
    outside.write_bytes(b"RIFF")
    (game.root / "theme.wav").symlink_to(outside)
    slots(game, a="theme.wav")
    with pytest.raises(ManifestError, match="a link that leads out"):
        game.build()


def test_a_file_that_is_no_sound_fails_its_slot_only(game: Game) -> None:
    (game.root / "theme.wav").write_bytes(b"this is no sound")
    slots(game, a="theme.wav", b="")
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "failed": 1}
    assert sorted(game.digests()) == ["b.wav"]


def test_a_slot_follows_another_whatever_their_order(game: Game) -> None:
    slots(game, a="slot:b.wav", b="slot:c.wav", c="")
    assert game.counts() == {"generated": 3, "finished": 3, "encoded": 3}
    assert game.counts() == {"fresh": 3}
    entry = game.lock.entry("a.wav")
    followed = game.lock.entry("b.wav")
    assert entry
    assert followed
    assert [reference.digest for reference in entry.brief.references] == [followed.take_key]


def test_a_change_goes_down_the_line(game: Game) -> None:
    slots(game, a="slot:b.wav", b="slot:c.wav", c="", d="")
    game.build()
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text(text.replace('prompt = "c"', 'prompt = "c, louder"'))
    assert game.counts() == {"generated": 3, "finished": 3, "encoded": 3, "fresh": 1}


def test_another_format_of_the_first_makes_none_of_its_followers_again(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    game.build()
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text(text.replace('prompt = "b"', 'prompt = "b"\nwav = { bits = 16 }'))
    assert game.counts() == {"encoded": 1, "fresh": 1}


def test_one_that_fails_takes_its_followers_along(game: Game) -> None:
    slots(game, a="slot:b.wav", b="slot:c.wav", c="", d="")
    text = (game.root / "assets.toml").read_text()
    broken = text.replace('prompt = "c"\ntone = {', 'prompt = "c"\ntone = { trouble = "fail",')
    (game.root / "assets.toml").write_text(broken)
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "failed": 3}
    said = {event.slot: event.message for event in game.told if isinstance(event, events.Failed)}
    assert said["b.wav"] == "`c.wav`, which it follows, could not be made"
    assert said["a.wav"] == "`c.wav`, which it follows, could not be made"  # the one to mend


def test_a_circle_is_refused(game: Game) -> None:
    slots(game, a="slot:b.wav", b="slot:c.wav", c="slot:a.wav")
    with pytest.raises(ManifestError, match=r"in a circle: `a.wav` -> `b.wav` -> `c.wav` -> `a.wav`"):
        game.build()


def test_every_circle_is_reported_with_all_else_that_is_wrong(game: Game) -> None:
    slots(game, a="slot:b.wav", b="slot:a.wav", c="slot:d.wav", d="slot:b.wav", e="nowhere.wav", f="slot:e.wav", g="")
    with pytest.raises(ManifestError) as caught:
        game.build()
    assert [(problem.slot, problem.message.partition(": ")[2]) for problem in caught.value.problems] == [
        ("b.wav", "`a.wav` -> `b.wav` -> `a.wav`"),
        ("a.wav", "`b.wav` -> `a.wav` -> `b.wav`"),
        ("e.wav", "No such file or directory"),
    ]


def test_where_the_store_is_lost_the_published_file_is_heard(game: Game) -> None:
    slots(game, b="")
    game.build()
    for path in (game.root / ".assetgen" / "store" / "records" / "takes").rglob("*.json"):
        path.unlink()
    slots(game, a="slot:b.wav", b="")
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 1}
    assert strongest_hz(game, "a.wav") > 1.4 * 200


def test_weights_that_are_not_here_are_taken_as_the_lock_file_has_them(game: Game) -> None:
    weights = game.root / "model" / "weights.txt"
    weights.parent.mkdir()
    weights.write_text("v1")
    game.slots({"a.wav": "a", "b.wav": "b"}, weights="model")
    game.build()
    weights.unlink()  # as in CI, where nobody downloads a model to check a tree
    assert not plan(game.project).work
    weights.write_text("v2")
    (step, _) = plan(game.project).work
    assert [str(reason) for reason in step.reasons] == ['weights: "v1" -> "v2"']


def test_other_weights_are_noticed_at_a_glance(game: Game) -> None:
    weights = game.root / "model" / "weights.txt"
    weights.parent.mkdir()
    weights.write_text("v1")
    game.slots({"a.wav": "a"}, weights="model")
    game.build()
    assert game.run("check").stderr == "all is fresh: 1 slot\n"
    weights.write_text("version two")
    assert 'weights: "v1" -> "version two"' in game.run("check").stderr
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}
    assert game.counts() == {"fresh": 1}


def test_a_game_that_is_sold_refuses_what_may_not_be(game: Game) -> None:
    game.slots({"a.wav": "a"}, licence="CC-BY-NC-4.0")
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text("[policy]\ncommercial = true\n" + text)
    with pytest.raises(ManifestError, match=r"its licence is CC-BY-NC-4.0, not for commercial use") as caught:
        game.build()
    assert "composer" in caught.value.problems[0].hint


def test_explain_and_a_dry_run_say_what_a_slot_hears_and_what_comes_along(game: Game) -> None:
    slots(game, a="slot:b.wav", b="")
    done = game.run("build", "a.wav", "--dry-run", "--json")
    assert [step["slot"] for step in json.loads(done.stdout)["steps"]] == ["a.wav", "b.wav"], done.stderr
    game.build()
    entry = game.lock.entry("b.wav")
    assert entry
    said = game.run("explain", "a.wav").stdout
    assert f"hears        slot:b.wav ({entry.take_key[:12]})" in said
    assert f"licence      {entry.provenance.licence}" in said
    assert 'parameters   pitch = 200.0, follow = "slot:b.wav"' in said


def test_a_dry_run_says_the_cautions_too(game: Game) -> None:
    game.slots({"a.wav": "a", "b.wav": "b"}, trouble="caution")
    assert game.run("build", "--dry-run").stderr == "warning: mind the step\n"
    assert json.loads(game.run("build", "--dry-run", "--json").stdout)["cautions"] == ["mind the step"]


def test_a_game_that_is_sold_refuses_what_nobody_knows(game: Game) -> None:
    game.slots({"a.wav": "a"}, licence="unknown")
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text("[policy]\ncommercial = true\n" + text)
    with pytest.raises(ManifestError, match="its licence is not known"):
        game.build()


def test_a_caution_is_said_once_and_only_before_work(game: Game) -> None:
    game.slots({"a.wav": "a", "b.wav": "b"}, trouble="caution")
    game.build()
    said = [event.message for event in game.told if isinstance(event, events.Warned)]
    assert said == ["mind the step"]
    game.build()
    assert not [event for event in game.told if isinstance(event, events.Warned)]
