"""Watching: real files, real signs of the system, real workers. What counts is what stands in the tree in the end."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Game

from tydust_assetgen import events
from tydust_assetgen.building.report import Options
from tydust_assetgen.watching import watch

LONG_S = 60.0


@dataclass
class Watcher:
    """A watch in a thread, and what it told."""

    game: Game
    poll: bool = False
    command: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    jobs: int = 2
    told: list[events.Event] = field(default_factory=list)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.ended = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        options = Options(slots=self.slots, jobs=self.jobs)
        try:
            watch(self.game.project, options, self._hear, until=self.ended, poll=self.poll, command=self.command)
        except BaseException as error:
            self.error = error

    def _hear(self, event: events.Event) -> None:
        with self._news:
            self.told.append(event)
            self._news.notify_all()

    def until(self, holds: Callable[[events.Event], bool], after: int = 0) -> int:
        """Wait for an event; how many were told up to it."""
        limit = time.monotonic() + LONG_S
        at = after
        with self._news:
            while True:
                while at < len(self.told):
                    at += 1
                    if holds(self.told[at - 1]):
                        return at
                assert self._news.wait(limit - time.monotonic()), self.told[after:]

    def idle(self, after: int = 0) -> int:
        return self.until(lambda event: isinstance(event, events.Idle), after)

    def of(self, kind: type[events.Event], after: int = 0) -> list[events.Event]:
        return [event for event in self.told[after:] if isinstance(event, kind)]

    def done(self, after: int = 0) -> list[tuple[str, str]]:
        return [(event.slot, event.action) for event in self.told[after:] if isinstance(event, events.Done)]

    def end(self) -> None:
        self.ended.set()
        self._thread.join(LONG_S)
        assert not self._thread.is_alive()


@pytest.fixture
def watchers() -> Iterator[list[Watcher]]:
    started: list[Watcher] = []
    yield started
    for one in started:
        one.end()


@pytest.fixture
def follow(game: Game, watchers: list[Watcher]) -> Callable[..., Watcher]:
    def start(**how: object) -> Watcher:
        watchers.append(Watcher(game, **how))  # type: ignore[arg-type]
        return watchers[-1]

    return start


def test_an_edit_makes_what_it_made_stale_and_an_own_write_starts_nothing(
    game: Game, follow: Callable[..., Watcher]
) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor", "two.ogg": "calm synthwave in C minor"})
    watcher = follow()
    at = watcher.idle()
    assert sorted(watcher.done()) == [("one.ogg", "generate"), ("two.ogg", "generate")]
    first = game.digests()
    game.slots({"one.ogg": "fast synthwave in D minor", "two.ogg": "calm synthwave in C minor"})
    end = watcher.idle(at)
    assert watcher.done(at) == [("one.ogg", "generate")]
    second = game.digests()
    assert second["one.ogg"] != first["one.ogg"]
    assert second["two.ogg"] == first["two.ogg"]
    time.sleep(0.6)
    assert watcher.told[end:] == []


def test_an_output_that_is_deleted_comes_back_and_one_that_is_changed_is_left_alone(
    game: Game, follow: Callable[..., Watcher]
) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor", "two.ogg": "calm synthwave in C minor"})
    watcher = follow()
    at = watcher.idle()
    before = game.digests()
    game.path("one.ogg").unlink()
    at = watcher.idle(at)
    assert watcher.done()[-1] == ("one.ogg", "restore")
    assert game.digests() == before
    mine = io.BytesIO()
    soundfile.write(mine, np.zeros(44_100) + 0.01, 44_100, format="OGG")
    game.path("two.ogg").write_bytes(mine.getvalue())
    end = watcher.idle(at)
    assert [event.slot for event in watcher.told[at:] if isinstance(event, events.Blocked)] == ["two.ogg"]
    assert game.path("two.ogg").read_bytes() == mine.getvalue()
    assert watcher.told[end - 1] == events.Idle(slots={"one.ogg": "fresh", "two.ogg": "blocked"})


def test_a_broken_manifest_is_said_once_and_mended(game: Game, follow: Callable[..., Watcher]) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"})
    watcher = follow()
    at = watcher.idle()
    before, whole = game.digests(), game.project.manifest.read_text()
    game.project.manifest.write_text(whole + "\nbroken\n")
    at = watcher.until(lambda event: isinstance(event, events.Broken), at)
    broken = watcher.told[at - 1]
    assert isinstance(broken, events.Broken)
    assert broken.place.startswith("assets.toml:")
    assert broken.hint
    game.project.manifest.unlink()
    at = watcher.until(lambda event: isinstance(event, events.Broken), at)
    assert game.digests() == before
    game.project.manifest.write_text(whole.replace("slow", "fast"))
    watcher.idle(at)
    assert watcher.done(at) == [("one.ogg", "generate")]


@pytest.mark.parametrize("save", ["truncate", "rename", "backup"])
def test_however_an_editor_saves_there_is_one_build(save: str, game: Game, follow: Callable[..., Watcher]) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"})
    watcher = follow()
    at = watcher.idle()
    manifest = game.project.manifest
    text = manifest.read_text().replace("slow", "fast")
    if save == "truncate":
        with manifest.open("w") as file:
            time.sleep(0.25)
            file.write(text[:30])
            file.flush()
            time.sleep(0.05)
            file.write(text[30:])
    else:
        if save == "backup":
            manifest.rename(game.root / "assets.toml~")
            time.sleep(0.15)
        (game.root / ".assets.toml.swp").write_text(text)
        (game.root / ".assets.toml.swp").replace(manifest)
    watcher.idle(at)
    assert watcher.of(events.Broken) == []
    assert len(watcher.of(events.Changed)) == 1
    assert watcher.done(at) == [("one.ogg", "generate")]


@pytest.mark.parametrize("poll", [False, True])
def test_folders_that_go_and_come_again_are_found(poll: bool, game: Game, follow: Callable[..., Watcher]) -> None:
    game.slots({"music/one.ogg": "slow synthwave in D minor"})
    watcher = follow(poll=poll)
    at = watcher.idle()
    text, before = game.project.manifest.read_text(), game.digests()
    shutil.rmtree(game.root / "assets")
    at = watcher.idle(at)
    assert game.digests() == before
    shutil.rmtree(game.root)
    at = watcher.until(lambda event: isinstance(event, events.Broken), at)
    game.root.mkdir()
    game.project.manifest.write_text(text)
    at = watcher.idle(at)
    assert watcher.done(at - 4)[-1:] == [("music/one.ogg", "generate")]
    assert game.digests() == before
    game.path("music/one.ogg").unlink()
    watcher.idle(at)
    assert game.digests() == before


def test_a_file_that_the_manifest_names_is_followed_also_before_it_is_there(
    game: Game, follow: Callable[..., Watcher]
) -> None:
    game.slots({"theme.wav": "slow synthwave in D minor"})
    game.build()
    theme = game.path("theme.wav").read_bytes()
    game.slots({"one.ogg": "calm synthwave in D minor"}, follow="references/theme.wav")
    watcher = follow()
    at = watcher.until(lambda event: isinstance(event, events.Broken))
    (game.root / "references").mkdir()
    (game.root / "references/theme.wav").write_bytes(theme)
    at = watcher.idle(at)
    assert ("one.ogg", "generate") in watcher.done()
    (game.root / "references/theme.wav").write_bytes(theme[:-400])
    watcher.until(lambda event: isinstance(event, events.Started) and event.slot == "one.ogg", at)


def test_pointless_work_stops_at_once_and_the_rest_goes_on(game: Game, follow: Callable[..., Watcher]) -> None:
    log = str(game.root / "log")
    game.slots({"one.ogg": "slow synthwave in D minor", "two.ogg": "calm synthwave in C minor"}, slow_s=4.0, log=log)
    watcher = follow()
    at = max(watcher.until(_under_way("one.ogg")), watcher.until(_under_way("two.ogg")))
    workers = game.workers()
    game.slots({"one.ogg": "fast synthwave in D minor", "two.ogg": "calm synthwave in C minor"}, slow_s=4.0, log=log)
    at = watcher.until(lambda event: isinstance(event, events.Stopped), at)
    watcher.idle(at)
    assert [event.slot for event in watcher.told if isinstance(event, events.Stopped)] == ["one.ogg"]
    assert sorted(watcher.done()) == [("one.ogg", "generate"), ("two.ogg", "generate")]
    prompts = [line.split(".")[0] for line in Path(log).read_text().splitlines()]
    assert sorted(prompts) == ["calm synthwave in C minor", "fast synthwave in D minor", "slow synthwave in D minor"]
    assert len(workers) == 2
    assert game.counts() == {"fresh": 2}


def test_a_take_that_is_still_wanted_is_played_to_its_end(game: Game, follow: Callable[..., Watcher]) -> None:
    log = str(game.root / "log")
    game.slots({"one.ogg": "slow synthwave in D minor"}, slow_s=3.0, log=log)
    watcher = follow()
    at = watcher.until(_under_way("one.ogg"))
    game.slots({"one.ogg": "slow synthwave in D minor"}, "loudness = -20", slow_s=3.0, log=log)
    watcher.idle(at)
    assert len(Path(log).read_text().splitlines()) == 1
    entry = game.lock.entry("one.ogg")
    assert entry is not None
    assert entry.finish.target_lufs == -20
    assert game.counts() == {"fresh": 1}


def test_a_batch_goes_on_for_those_who_still_want_it(game: Game, follow: Callable[..., Watcher]) -> None:
    log = str(game.root / "log")

    def write(first: str) -> None:
        prompts = {"one.ogg": first, "two.ogg": "calm synthwave in C minor", "three.ogg": "dark synthwave in E minor"}
        lines = [
            f'[music."{slot}"]\ngenerator = "choir"\nprompt = "{prompt}"\nchoir = {{ slow_s = 1.5, log = "{log}" }}\n'
            for slot, prompt in prompts.items()
        ]
        game.write("\n".join(lines))

    write("slow synthwave in D minor")
    watcher = follow()
    at = watcher.until(
        lambda event: isinstance(event, events.Progressed) and event.slot == "two.ogg" and event.share > 0
    )
    write("fast synthwave in D minor")
    watcher.idle(at)
    assert sorted(slot for slot, _ in watcher.done()) in (
        ["one.ogg", "one.ogg", "three.ogg", "two.ogg"],
        ["one.ogg", "three.ogg", "two.ogg"],
    )
    played = [line.split(".")[0] for line in Path(log).read_text().splitlines() if not line.startswith("batch")]
    assert sorted(played) == [
        "calm synthwave in C minor",
        "dark synthwave in E minor",
        "fast synthwave in D minor",
        "slow synthwave in D minor",
    ]
    assert game.counts() == {"fresh": 3}


def test_a_manifest_broken_while_a_track_is_made_disturbs_nobody(game: Game, follow: Callable[..., Watcher]) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"}, slow_s=2.0)
    whole = game.project.manifest.read_text()
    watcher = follow()
    at = watcher.until(_under_way("one.ogg"))
    game.project.manifest.write_text(whole + "\nbroken\n")
    at = watcher.until(lambda event: isinstance(event, events.Broken), at)
    assert game.digests() == {}
    at = watcher.idle(at)
    assert watcher.done() == [("one.ogg", "generate")]
    game.project.manifest.write_text(whole)
    watcher.idle(at)
    assert len(watcher.of(events.Broken)) == 1
    assert watcher.of(events.Stopped) == []


def test_the_command_runs_for_each_file_without_a_shell(game: Game, follow: Callable[..., Watcher]) -> None:
    game.slots({"one two.ogg": "slow synthwave in D minor"})
    follow(command=("sh", "-c", 'printf "%s|%s|" "$1" "$2" > ran; exit $3', "sh", "{slot}; touch x", "{path}", "0"))
    log = game.root / "ran"
    _wait_for(lambda: log.exists() and log.read_text().count("|") == 2)
    assert log.read_text() == f"one two.ogg; touch x|{game.path('one two.ogg')}|"
    assert not (game.root / "x").exists()


def test_a_command_that_fails_is_a_warning(game: Game, follow: Callable[..., Watcher]) -> None:
    game.slots({"one.ogg": "slow synthwave in D minor"})
    watcher = follow(command=("sh", "-c", "echo no game is running; exit 3"))
    at = watcher.until(lambda event: isinstance(event, events.Warned) and "exit code 3: no game" in event.message)
    assert at
    assert watcher.of(events.Ran) == []


def _wait_for(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def _under_way(slot: str) -> Callable[[events.Event], bool]:
    return lambda event: isinstance(event, events.Progressed) and event.slot == slot and event.share > 0.05
