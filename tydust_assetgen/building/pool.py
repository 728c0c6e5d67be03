"""The pool of worker processes: jobs are submitted, answers come as the workers give them.

Workers are processes of their own (no fork of a process with threads, no pickle, no `__main__` to import again). A
worker that crashes fails the job it was at, and a new one takes its place. Leaving the pool ends them all at once.

`watch` builds again while work is under way: `pause` ends a build and keeps its work going, the next build submits what
it wants, and takes up what is the same. What nobody wants is stopped; its worker and its model stay.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from tydust_assetgen.building.messages import Answer, Failure, Job, PerformJob, Progressed, TakeReady, TrackJob
from tydust_assetgen.building.worker_process import WorkerProcess, takes_of


class Pool:
    """At most `jobs` workers, started when there is work for them. A context manager: leaving it ends them all.

    Between builds the workers stay, with all they have loaded: whoever builds often hands one pool to every build.
    """

    def __init__(self, jobs: int, logs: Path, on_stop: Callable[[Job], None] = lambda _: None) -> None:
        self.resting: dict[str, float] = {}  # shared caches that failed, and until when they are left alone
        self._limit = jobs
        self._logs = logs
        self._on_stop = on_stop
        self._workers: list[WorkerProcess] = []
        self._answers: queue.SimpleQueue[tuple[WorkerProcess | None, Answer | None]] = queue.SimpleQueue()
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
        self._workers.clear()

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
                self._stop_unwanted()
                for worker, job in self._hand_out():
                    worker.give(job)
                    yield job, Progressed(slot="", stage="generate", share=0.0)
                yield from self._next()
        finally:
            self._leave_work() if self._paused else self._abandon()

    def _next(self) -> Iterator[tuple[Job, Answer]]:
        stopping = any(worker.stopping for worker in self._workers)
        try:  # bounded, which keeps Ctrl-C alive on Windows
            worker, answer = self._answers.get(timeout=0.05 if stopping else 0.5)
        except queue.Empty:
            return
        if worker is None or worker not in self._workers:
            return  # only woken, or an answer of a worker that was ended long ago
        job, unasked = worker.job, worker.left or worker.stopping
        if answer is None:
            answer = self._remove_dead(worker)
        if isinstance(answer, Progressed):
            if answer.stage != "generate":
                worker.note_finishing()
        elif not isinstance(answer, TakeReady):
            worker.note_end()
        if job is None:
            return
        if unasked:
            yield from self._for_those_who_wait(job, answer)
        else:
            yield job, answer

    def _abandon(self) -> None:
        """Whoever stops listening wants no more work done: what is waiting is dropped, who is at work is ended."""
        self._waiting.clear()
        for worker in [worker for worker in self._workers if worker.job is not None]:
            self._end(worker)

    def _end(self, worker: WorkerProcess) -> None:
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
            if worker.left and isinstance(worker.job, PerformJob) and (same := takes_of(worker.job) & set(take_keys)):
                worker.take_up()
                found |= same
        return frozenset(found)

    def _leave_work(self) -> None:
        self._waiting.clear()
        for worker in self._workers:
            worker.leave()

    def _taken_up(self, job: Job) -> bool:
        """Whether the very same work is already under way; if so, it is this job's from now on."""
        for worker in self._workers:
            if worker.left and worker.job and _work_of(worker.job) == _work_of(job):
                worker.take_up(job)
                return True
        return False

    def _stop_unwanted(self) -> None:
        """Stop what was left and is not wanted, neither itself nor its take; end those who don't listen."""
        wanted = frozenset[str]().union(*map(takes_of, self._waiting))
        for worker in list(self._workers):
            if worker.left and worker.job and not worker.takes & wanted:
                self._on_stop(worker.job)
                worker.stop()
            if worker.overdue:
                self._end(worker)

    def _for_those_who_wait(self, job: Job, answer: Answer) -> Iterator[tuple[Job, Answer]]:
        """How far a take is that was begun for an earlier build, told to the job that waits for it."""
        if isinstance(answer, Progressed) and answer.stage == "generate":
            for waiting in self._waiting:
                if isinstance(waiting, TrackJob) and takes_of(waiting) & takes_of(job):
                    yield waiting, msgspec.structs.replace(answer, slot=waiting.recipe.slot)

    def _hand_out(self) -> Iterator[tuple[WorkerProcess, Job]]:
        """Idle workers with jobs for them, started while there is room. Batches go to the first worker alone: it
        keeps its model loaded, and a GPU serves one process at a time. As long as any wait, it is left to them: the
        others finish meanwhile what it has performed."""
        apart = self._limit > 1 and any(isinstance(job, PerformJob) for job in self._waiting)
        coming = frozenset[str]().union(*(one.takes for one in self._workers if one.left or one.stopping))
        for job in sorted(self._waiting, key=lambda job: apart and not isinstance(job, PerformJob)):
            if coming & takes_of(job):
                continue  # its take is being made, begun for an earlier build
            batch = isinstance(job, PerformJob)
            places = self._workers[:1] if batch else self._workers[apart:]
            idle = next((worker for worker in places if worker.job is None), None)
            if idle is None and ((batch and self._workers) or len(self._workers) >= self._limit):
                continue
            self._waiting.remove(job)
            yield idle or self._start(), job

    def _start(self) -> WorkerProcess:
        self._count += 1
        self._workers.append(WorkerProcess(self._logs / f"worker-{self._count}.log", self._answers))
        return self._workers[-1]

    def _remove_dead(self, worker: WorkerProcess) -> Answer:
        """A worker died at its work: take it away, and say what is known."""
        self._workers.remove(worker)
        words = worker.how_it_ended()
        worker.close()
        return Failure(message=words, hint=f"its last words are in `{worker.log}`; less `--jobs` need less memory")


def _work_of(job: Job) -> Job:
    """A job without what may differ where the work is the same: the line that asks for it."""
    if not isinstance(job, TrackJob):
        return job
    return msgspec.structs.replace(job, recipe=msgspec.structs.replace(job.recipe, place=""))
