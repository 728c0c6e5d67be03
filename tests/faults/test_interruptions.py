"""Builds that are killed, interrupted, or meet another build."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Game

from tydust_assetgen.system import TEMPORARY_PREFIX

EIGHT = {f"music/track{number}.ogg": f"tune {number}" for number in range(1, 9)}


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def leftovers(game: Game) -> list[Path]:
    return [path for path in game.root.rglob("*") if path.name.startswith(TEMPORARY_PREFIX)]


def performed(game: Game) -> list[str]:
    return sorted((game.root / "log").read_text().split("\n"))[1:]


@pytest.fixture
def slow(game: Game) -> Game:
    game.slots(EIGHT, slow_s=0.3, log=str(game.root / "log"))
    return game


def test_kill_during_the_fifth_of_eight_keeps_the_first_four(slow: Game) -> None:
    build = slow.start("--jobs", "1")
    wait_until(lambda: (slow.root / "log").exists() and len(performed(slow)) == 5)
    os.kill(build.pid, signal.SIGKILL)
    build.communicate()
    kept = slow.digests()
    assert sorted(kept) == sorted(EIGHT)[:4]
    assert slow.locked() == kept
    wait_until(lambda: not slow.workers(), 5)
    assert slow.counts() == {"generated": 4, "finished": 4, "encoded": 4, "fresh": 4}
    assert {path: digest for path, digest in slow.digests().items() if path in kept} == kept
    assert slow.locked() == slow.digests()
    assert len(slow.digests()) == 8


def test_a_killed_build_leaves_no_half_file(slow: Game) -> None:
    """Killed at many moments; whatever stands under a final name is whole, and the rest is made later."""
    for delay_s in (0.9, 1.6, 2.3):
        build = slow.start()
        time.sleep(delay_s)
        os.kill(build.pid, signal.SIGKILL)
        build.communicate()
    slow.build()
    assert slow.locked() == slow.digests()
    assert len(slow.digests()) == 8
    assert not leftovers(slow)
    assert slow.counts() == {"fresh": 8}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_it_at_once_and_keeps_what_is_done(game: Game, sent: signal.Signals) -> None:
    """The third track would take a minute; the build ends long before."""
    log = game.root / "log"
    game.write("".join(
        f'[music."{slot}"]\nprompt = "{prompt}"\ntone = {{ log = "{log}", slow_s = {60 if number == 2 else 0} }}\n'
        for number, (slot, prompt) in enumerate(EIGHT.items())
    ))  # fmt: skip
    build = game.start("--jobs", "1", "--json")
    wait_until(lambda: log.exists() and len(performed(game)) == 3)
    os.kill(build.pid, sent)
    _, said = build.communicate(timeout=50)
    assert build.returncode == 130
    assert "Traceback" not in said
    assert "interrupted" in said
    wait_until(lambda: not game.workers())
    assert not leftovers(game)
    assert game.locked() == game.digests()
    assert len(game.digests()) == 2


def test_two_builds_at_once_make_each_track_once(slow: Game) -> None:
    first = slow.start("--json")
    wait_until(lambda: (slow.root / "log").exists())
    second = slow.start("--json")
    outputs = [build.communicate(timeout=60) for build in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert performed(slow) == sorted(EIGHT.values())
    told = [[json.loads(line) for line in stdout.splitlines()] for stdout, _ in outputs]
    assert told[0][-1]["generated"] == 8
    assert told[1][-1] | {"seconds": 0} == {**told[1][-1], "generated": 0, "fresh": 8, "seconds": 0}
    assert told[1][0]["event"] == "waiting"


def test_no_wait_fails_instead_of_waiting(slow: Game) -> None:
    first = slow.start()
    wait_until(lambda: (slow.root / "log").exists())
    second = slow.run("build", "--no-wait")
    assert second.returncode == 1
    assert "another build is at work here" in second.stderr
    assert first.wait(60) == 0
    first.communicate()
