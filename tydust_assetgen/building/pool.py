"""The pool of worker processes. In walk jobs, out walk answers, as they come.

Workers are processes of their own (no fork of a process with threads, no pickle, no `__main__` to import again). A
worker that crashes fails the job it was at, and a new one takes its place. `close` ends them all within moments.

Whoever watches builds again while work is under way: `pause` ends a build and keeps its work going, the next one
submits what it wants, and takes up what is the same. What nobody wants is stopped; its worker and its model stay.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from tydust_assetgen.building.messages import (
    Answer,
    Failure,
    Job,
    PerformJob,
    Progressed,
    Stop,
    TakeReady,
    TrackJob,
    read_frame,
    write_frame,
)
from tydust_assetgen.errors import StoreError

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from tydust_assetgen.building.worker import main; main()"
"""The worker sees the modules that its builder sees, and not whatever lies in the current folder."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Workers share the cores among themselves; and one thread adds up in one task."""
_answer_decoder = msgspec.msgpack.Decoder(Answer)
_GRACE_S = 0.3
"""How long a worker may take to stop before it is ended, with all it has loaded."""


class Worker:
    """One process and the job it is at."""

    def __init__(self, log: Path, answers: queue.SimpleQueue[tuple[Worker | None, Answer | None]]) -> None:
        self.job: Job | None = None
        self.kept = False
        """Its job is of a build that was paused, and nobody has taken it up since."""
        self.performing = True
        """As far as is known: it has not come to finishing."""
        self.end_at = float("inf")
        """When it is ended, having been told to stop."""
        self.log = log
        with _open_log(log) as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **_ONE_THREAD},
                start_new_session=True,  # Ctrl-C is for the build, which then ends its workers
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: BinaryIO = self._process.stdin  # type: ignore[assignment]
        self._output: BinaryIO = self._process.stdout  # type: ignore[assignment]
        self._reader = threading.Thread(target=self._read, args=(answers,), daemon=True)
        self._reader.start()

    def give(self, job: Job) -> None:
        self.job, self.kept, self.performing, self.end_at = job, False, True, float("inf")
        self._write(job)

    def stop(self) -> None:
        """Let go of the job, which nobody wants any more."""
        self.end_at = time.monotonic() + _GRACE_S
        self._write(Stop())

    def _write(self, message: Job | Stop) -> None:
        with contextlib.suppress(OSError):  # a dead worker is noticed by its reader
            write_frame(self._input, message)

    def _read(self, answers: queue.SimpleQueue[tuple[Worker | None, Answer | None]]) -> None:
        while (data := read_frame(self._output)) is not None:
            answers.put((self, _answer_decoder.decode(data)))
        answers.put((self, None))

    def last_words(self) -> str:
        """How it ended, in words."""
        code = self._process.wait()
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"the worker process was {how}" if code < 0 else f"the worker process {how}"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        with contextlib.suppress(OSError):
            self._input.close()
        self._output.close()


def _open_log(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb")
    except OSError as error:
        raise StoreError(f"can't write `{path}`: {error.strerror or error}", hint="is the disk full?") from error


class Pool:
    """At most `jobs` workers, started when there is work for them. A context manager: leaving it ends them all.

    Between builds the workers stay, with all they have loaded: whoever builds often hands one pool to every build.
    """

    def __init__(self, jobs: int, logs: Path, on_stop: Callable[[Job], None] = lambda _: None) -> None:
        self.resting: dict[str, float] = {}  # shared caches that failed, and until when they are left alone
        self._limit = jobs
        self._logs = logs
        self._on_stop = on_stop
        self._workers: list[Worker] = []
        self._answers: queue.SimpleQueue[tuple[Worker | None, Answer | None]] = queue.SimpleQueue()
        self._count = 0
        self._paused = False
        self._waiting: deque[Job] = deque()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.close()

    def warm(self) -> None:
        """Have a worker that loads what tracks need before there is work: the first one then begins at once."""
        if not self._workers:
            self._start()

    def submit(self, job: Job, *, first: bool = False) -> None:
        """Put a job in the queue, at its end or its beginning. Also while the answers are being read."""
        if self._taken_up(job):
            return
        if first:
            self._waiting.appendleft(job)
        else:
            self._waiting.append(job)

    def answers(self) -> Generator[tuple[Job, Answer]]:
        """Answers as they come, until every job has ended: with one `Made`, `Performed` or `Failure`, after any
        number of `Progressed` and `TakeReady`, the first of which says that a worker took it up."""
        try:
            while not self._paused and (self._waiting or self.busy):
                self._let_go()
                for worker, job in self._hand_out():
                    worker.give(job)
                    yield job, Progressed(slot="", stage="generate", share=0.0)
                yield from self._next()
        finally:
            self._keep() if self._paused else self._abandon()

    def _next(self) -> Iterator[tuple[Job, Answer]]:
        stopping = any(worker.end_at < float("inf") for worker in self._workers)
        try:  # bounded, which keeps Ctrl-C alive on Windows
            worker, answer = self._answers.get(timeout=0.05 if stopping else 0.5)
        except queue.Empty:
            return
        if worker is None or worker not in self._workers:
            return  # woken, or the last words of one that was ended long ago
        job, kept = worker.job, worker.kept
        if answer is None:
            answer = self._bury(worker)
        if isinstance(answer, Progressed):
            worker.performing = answer.stage == "generate"
        elif not isinstance(answer, TakeReady):
            worker.job, worker.kept, worker.end_at = None, False, float("inf")
        if kept:
            yield from self._overheard(job, answer)
        elif job is not None:
            yield job, answer

    def _abandon(self) -> None:
        """Whoever stops listening wants no more work done: what is waiting is dropped, who is at work is ended."""
        self._waiting.clear()
        for worker in [worker for worker in self._workers if worker.job is not None]:
            self._end(worker)

    def _end(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.close()

    # building again while work is under way

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return any(worker.job for worker in self._workers)

    @property
    def paused(self) -> bool:
        return self._paused

    def pause(self) -> None:
        """From any thread: end `answers` now. What is waiting is dropped, what is under way goes on."""
        self._paused = True
        self._answers.put((None, None))

    def resume(self) -> None:
        """From now on `answers` yields again."""
        self._paused = False

    def take_up(self, take_keys: Collection[str]) -> frozenset[str]:
        """Of these takes, those that batches of a paused build are still making. Such a batch counts as submitted."""
        found = set[str]()
        for worker in self._workers:
            if worker.kept and isinstance(worker.job, PerformJob) and (same := _takes(worker.job) & set(take_keys)):
                worker.kept = False
                found |= same
        return frozenset(found)

    def _keep(self) -> None:
        self._waiting.clear()
        for worker in self._workers:
            worker.kept = worker.job is not None

    def _taken_up(self, job: Job) -> bool:
        """Whether the very same work is already under way; if so, it is this job's from now on."""
        for worker in self._workers:
            if worker.kept and worker.end_at == float("inf") and worker.job and _core(worker.job) == _core(job):
                worker.job, worker.kept = job, False
                return True
        return False

    def _let_go(self) -> None:
        """Stop what is under way and not wanted, neither itself nor its take; end those who don't listen."""
        wanted = frozenset[str]().union(*map(_takes, self._waiting))
        for worker in list(self._workers):
            if worker.kept and worker.job and worker.end_at == float("inf") and not _under_way(worker) & wanted:
                self._on_stop(worker.job)
                worker.stop()
            if worker.end_at <= time.monotonic():
                self._end(worker)

    def _overheard(self, job: Job | None, answer: Answer) -> Iterator[tuple[Job, Answer]]:
        """How far a take is that was begun for an earlier build, told to the job that waits for it."""
        if isinstance(answer, Progressed) and answer.stage == "generate" and job is not None:
            for waiting in self._waiting:
                if isinstance(waiting, TrackJob) and _takes(waiting) & _takes(job):
                    yield waiting, msgspec.structs.replace(answer, slot=waiting.recipe.slot)

    def _hand_out(self) -> Iterator[tuple[Worker, Job]]:
        """Idle workers with jobs for them, started while there is room. Batches go to the first worker alone: it
        keeps its model loaded, and a GPU serves one process at a time. As long as any wait, it is left to them: the
        others finish meanwhile what it has performed."""
        apart = self._limit > 1 and any(isinstance(job, PerformJob) for job in self._waiting)
        coming = frozenset[str]().union(*(_under_way(worker) for worker in self._workers if worker.kept))
        for job in sorted(self._waiting, key=lambda job: apart and not isinstance(job, PerformJob)):
            if coming & _takes(job):
                continue  # its take is being made, begun for an earlier build
            batch = isinstance(job, PerformJob)
            places = self._workers[:1] if batch else self._workers[apart:]
            idle = next((worker for worker in places if worker.job is None), None)
            if idle is None and ((batch and self._workers) or len(self._workers) >= self._limit):
                continue
            self._waiting.remove(job)
            yield idle or self._start(), job

    def _start(self) -> Worker:
        self._count += 1
        self._workers.append(Worker(self._logs / f"worker-{self._count}.log", self._answers))
        return self._workers[-1]

    def _bury(self, worker: Worker) -> Answer:
        """A worker died at its work: take it away, and say what is known."""
        self._workers.remove(worker)
        words = worker.last_words()
        worker.close()
        return Failure(message=words, hint=f"its last words are in `{worker.log}`; less `--jobs` need less memory")


def _takes(job: Job) -> frozenset[str]:
    """Keys of the takes that a job makes, where the store does not have them."""
    if isinstance(job, PerformJob):
        return frozenset(job.take_keys)
    if isinstance(job, TrackJob):
        return frozenset(job.keys.candidates[number - 1] for number in job.contenders)
    return frozenset()


def _under_way(worker: Worker) -> frozenset[str]:
    return _takes(worker.job) if worker.job and worker.performing else frozenset()


def _core(job: Job) -> Job:
    """A job without what may differ where the work is the same: the line that asks for it."""
    if not isinstance(job, TrackJob):
        return job
    return msgspec.structs.replace(job, recipe=msgspec.structs.replace(job.recipe, place=""))
