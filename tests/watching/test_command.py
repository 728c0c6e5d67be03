"""`assetgen watch`, the command: real processes, that end when they are told, and leave nothing behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Game, command, environment

from tydust_assetgen import events
from tydust_assetgen.building.report import Options
from tydust_assetgen.errors import UsageError
from tydust_assetgen.watching import changes, watch
from tydust_assetgen.watching.exec_hook import command_of
from tydust_assetgen.watching.fs_events import _file_system

LONG_S = 60


@pytest.fixture
def watching(game: Game) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes to be ended, whatever happens."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(game: Game, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("watch", "--jobs", "2", *words),
        cwd=game.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def told_until(process: subprocess.Popen[str], name: str) -> list[dict[str, object]]:
    assert process.stdout is not None
    found: list[dict[str, object]] = []
    for line in process.stdout:
        found.append(json.loads(line))
        if found[-1]["event"] == name:
            return found
    raise AssertionError(found)


def test_json_lines_and_the_command_that_tells_the_game(game: Game, watching: list[subprocess.Popen[str]]) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"})
    process = start(game, "--json", "--exec", "cp {path} 'the last {slot}'")
    watching.append(process)
    first = told_until(process, "ran")
    assert [event["event"] for event in first if event["event"] != "progress"][:4] == [
        *("watching", "planned", "started", "done")
    ]
    assert first[0] == {"event": "watching", "manifest": str(game.project.manifest), "polling": ""}
    assert (game.root / "the last one.ogg").read_bytes() == game.path("one.ogg").read_bytes()
    if "idle" not in [event["event"] for event in first]:
        told_until(process, "idle")
    game.slots({"one.ogg": "fast synthwave in D minor"})
    second = told_until(process, "ran")
    assert second[0] == {"event": "changed", "paths": ["assets.toml"]}
    assert (game.root / "the last one.ogg").read_bytes() == game.path("one.ogg").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what a process has loaded is read from /proc")
def test_a_worker_is_ready_before_there_is_work(game: Game, watching: list[subprocess.Popen[str]]) -> None:
    """Where all is fresh nobody has worked yet; what verifies a file is loaded all the same, and the edit finds it."""
    game.slots({"one.ogg": "slow synthwave in D minor"})
    game.build()
    process = start(game, "--json")
    watching.append(process)
    told_until(process, "idle")
    _wait_for(lambda: len(game.workers()) == 1)
    (worker,) = game.workers()
    _wait_for(lambda: "/scipy/" in Path(f"/proc/{worker}/maps").read_text())
    game.slots({"one.ogg": "fast synthwave in D minor"})
    told_until(process, "done")
    assert game.workers() == [worker]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_in_the_middle_of_a_track_and_of_a_command(
    number: signal.Signals, game: Game, watching: list[subprocess.Popen[str]]
) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"})
    game.build()
    game.path("one.ogg").unlink()
    body = game.project.manifest.read_text()
    game.project.manifest.write_text(
        body + '\n[music."two.ogg"]\nprompt = "calm synthwave in C minor"\ntone = { slow_s = 50 }\n'
    )
    process = start(game, "--json", "--exec", f"sh -c 'echo $$ > {game.root}/pid; sleep 50'")
    watching.append(process)
    while told_until(process, "progress")[-1]["slot"] != "two.ogg":
        pass
    pid = game.root / "pid"
    _wait_for(lambda: pid.exists() and pid.read_text().strip() != "")
    assert game.workers()
    begun = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=LONG_S)
    assert time.monotonic() - begun < 40  # a second on a quiet machine; left alone it would be 50
    assert process.returncode == 0
    assert errors == ""
    _wait_for(lambda: not game.workers() and not Path("/proc", pid.read_text().strip()).exists())


def test_a_terminal_is_left_as_it_was(game: Game) -> None:
    game.slots(
        {f"{number:02}.ogg": f"slow synthwave in D minor, number {number}" for number in range(30)}, "loop = false"
    )
    game.build()
    above, below = pty.openpty()
    env = {**environment(), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(command("watch"), cwd=game.root, env=env, stdout=below, stderr=below)
    os.close(below)
    seen = bytearray()
    while b"Ctrl-C ends it" not in seen:
        seen += os.read(above, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(LONG_S) == 0
    try:
        while more := os.read(above, 65536):
            seen += more
    except OSError:  # the other end is closed
        pass
    os.close(above)
    assert "… and 11 more".encode() in seen
    assert b"11 fresh" in seen
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")  # the cursor is shown again
    assert b"Traceback" not in seen


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("thee.ogg",), "the manifest has no slot `thee.ogg`"),
        (("--exec", ""), "`--exec` is empty"),
        (("--exec", "say 'one"), "`--exec` can't be read"),
    ],
)
def test_wrong_usage_ends_it_at_once(words: tuple[str, ...], message: str, game: Game) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"})
    done = game.run("watch", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "hint:" in done.stderr


def test_a_command_line_is_split_once() -> None:
    assert command_of("game 'two words' {slot} \"{path}\"") == ("game", "two words", "{slot}", "{path}")
    with pytest.raises(UsageError):
        watch(None, Options(force=True, slots=("one.ogg",)))  # type: ignore[arg-type]


def test_a_change_without_a_sign_leads_to_looking(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes through another name of the same file, in a folder that nobody listens to, makes no sign here."""
    monkeypatch.setattr(changes, "SAFETY_POLL_S", 0.5)
    home, elsewhere = game.root / "home", game.root / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    at_home = Game(home)
    at_home.slots({"one.ogg": "slow synthwave in D minor"})
    os.link(at_home.project.manifest, elsewhere / "assets.toml")
    told: list[events.Event] = []
    ended = threading.Event()

    def hear(event: events.Event) -> None:
        told.append(event)
        idle = sum(isinstance(one, events.Idle) for one in told)
        if isinstance(event, events.Idle) and idle == 1:
            text = at_home.project.manifest.read_text().replace("slow", "fast")
            threading.Timer(1.2, (elsewhere / "assets.toml").write_text, (text,)).start()
        if idle == 2:
            ended.set()

    watch(at_home.project, Options(jobs=1), hear, until=ended)
    modes = [event.polling for event in told if isinstance(event, events.Watching)]
    assert modes == ["", "`assets.toml` changed, and the system gave no sign"]
    assert [type(event) for event in told].count(events.Done) == 2


def test_what_the_listener_raises_ends_the_watch(game: Game) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"})

    def hear(event: events.Event) -> None:
        if isinstance(event, events.Started):
            raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError):
        watch(game.project, Options(jobs=1), hear)
    assert game.workers() == []


def test_the_kind_of_a_file_system_is_known() -> None:
    assert _file_system("/proc/self") == "proc"


def _wait_for(holds: object) -> None:
    limit = time.monotonic() + LONG_S
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < limit
        time.sleep(0.02)
