"""Workers: the table of their states, when the first one starts, and what is in their logs."""

from __future__ import annotations

import io
import queue
from pathlib import Path

import msgspec
import pytest
from conftest import Game

from tydust_assetgen.building import worker_process
from tydust_assetgen.building.build import build
from tydust_assetgen.building.messages import Job, PerformJob, ShelfContents, Stop
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.worker_process import WorkerProcess, WorkerState
from tydust_assetgen.errors import ManifestError

BATCH = PerformJob(
    store="", shelf=ShelfContents(""), slots=("a.ogg",), numbers=(1,), briefs=(), take_keys=("key of the take",)
)


def bare_worker(state: WorkerState, job: Job | None = BATCH) -> WorkerProcess:
    """A worker without a process: what is written to it stays in a buffer."""
    worker = object.__new__(WorkerProcess)
    worker.state, worker.job = state, None if state is WorkerState.IDLE else job
    worker._input, worker._log_begun = io.BytesIO(), True
    return worker


@pytest.mark.parametrize(
    ("before", "call", "after"),
    [
        ("idle", lambda worker: worker.give(BATCH), "performing"),
        ("performing", WorkerProcess.note_finishing, "finishing"),
        ("left performing", WorkerProcess.note_finishing, "left finishing"),
        ("finishing", WorkerProcess.note_finishing, "finishing"),
        ("stopping", WorkerProcess.note_finishing, "stopping"),
        ("performing", WorkerProcess.leave, "left performing"),
        ("finishing", WorkerProcess.leave, "left finishing"),
        ("idle", WorkerProcess.leave, "idle"),
        ("stopping", WorkerProcess.leave, "stopping"),
        ("left performing", WorkerProcess.take_up, "performing"),
        ("left finishing", WorkerProcess.take_up, "finishing"),
        ("left performing", WorkerProcess.stop, "stopping"),
        *((state.value, WorkerProcess.note_end, "idle") for state in WorkerState),
    ],
)
def test_a_worker_goes_from_state_to_state(before: str, call: object, after: str) -> None:
    worker = bare_worker(WorkerState(before))
    call(worker)  # type: ignore[operator]
    assert worker.state is WorkerState(after)
    assert (worker.job is None) == (worker.state is WorkerState.IDLE)


def test_only_work_that_was_left_can_be_taken_up() -> None:
    for state in set(WorkerState) - {WorkerState.LEFT_PERFORMING, WorkerState.LEFT_FINISHING}:
        with pytest.raises(KeyError):
            bare_worker(state).take_up()


def test_a_worker_that_is_told_to_stop_is_overdue_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = bare_worker(WorkerState.LEFT_PERFORMING)
    monkeypatch.setattr(worker_process, "_GRACE_S", 0.0)
    assert not worker.overdue
    worker.stop()
    assert worker.overdue
    written = worker._input.getvalue()  # type: ignore[attr-defined]
    assert msgspec.msgpack.decode(written[4:], type=Stop) == Stop()


def test_a_batch_that_is_stopping_is_not_taken_up(tmp_path: Path) -> None:
    """Its takes would never come: it is submitted anew, and begins when the worker has stopped."""
    pool = Pool(1, tmp_path)
    for state, found in {WorkerState.STOPPING: frozenset(), WorkerState.LEFT_PERFORMING: {BATCH.take_keys[0]}}.items():
        pool._workers = [bare_worker(state)]
        assert pool.take_up(BATCH.take_keys) == found


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what happens in a build: a worker starts, the project was looked at."""
    happened = list[str]()

    class Noted(WorkerProcess):
        def __init__(self, log: Path, answers: queue.SimpleQueue[object]) -> None:
            happened.append("worker")
            super().__init__(log, answers)  # type: ignore[arg-type]

    monkeypatch.setattr("tydust_assetgen.building.pool.WorkerProcess", Noted)
    return happened


def test_after_an_edit_the_worker_starts_before_the_project_is_looked_at(game: Game, order: list[str]) -> None:
    def look() -> list[str]:
        order.clear()
        build(game.project, on_survey=lambda _: order.append("looked"))
        return order

    game.slots({"a.ogg": "slow tune"})
    assert look() == ["looked", "worker"]
    assert look() == ["looked"]
    game.slots({"a.ogg": "fast tune"})
    assert look() == ["worker", "looked"]
    assert game.counts() == {"fresh": 1}


def test_a_worker_that_had_nothing_to_do_leaves_no_trace(game: Game, order: list[str]) -> None:
    game.pool = None
    game.slots({"a.ogg": "slow tune"})
    game.build()
    log = game.root / ".assetgen/logs/worker-1.log"
    log.write_text("of the build before")
    game.write('[music."a.ogg"]\nprompt = 5\n')
    order.clear()
    with pytest.raises(ManifestError):
        game.build()
    assert order == ["worker"]
    assert log.read_text() == "of the build before"
    assert not game.workers()


def test_what_a_worker_says_stands_in_its_log(game: Game) -> None:
    game.pool = None
    game.slots({"a.ogg": "tune"}, trouble="say")
    game.build()
    assert "a word from the tone generator" in (game.root / ".assetgen/logs/worker-1.log").read_text()


def test_a_worker_that_can_not_even_start_says_so_in_its_log(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "_BOOT", "import sys; sys.exit('no such module')")
    game.pool = None
    game.slots({"a.ogg": "tune"})
    (result,) = game.build().results
    log = game.root / ".assetgen/logs/worker-1.log"
    assert (result.status, result.message) == ("failed", "the worker process ended with code 1")
    assert str(log) in result.hint
    assert log.read_text() == "no such module\n"
