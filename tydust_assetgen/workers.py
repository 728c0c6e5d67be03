"""The pool of worker processes. In walk jobs, out walk answers, as they come.

Workers are processes of their own (no fork of a process with threads, no pickle, no `__main__` to import again). A
worker that crashes fails the job it was at, and a new one takes its place. `close` ends them all within moments.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from tydust_assetgen.errors import StoreError
from tydust_assetgen.jobs import Answer, Job, PerformJob, Progressed, TakeReady, Trouble, read_frame, write_frame

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from tydust_assetgen.worker import main; main()"
"""The worker sees the modules that its builder sees, and not whatever lies in the current folder."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Workers share the cores among themselves; and one thread adds up in one order."""
_answer_decoder = msgspec.msgpack.Decoder(Answer)


class Worker:
    """One process and the job it is at."""

    def __init__(self, log: Path, answers: queue.SimpleQueue[tuple[Worker, Answer | None]]) -> None:
        self.job: Job | None = None
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
        self.job = job
        with contextlib.suppress(OSError):  # a dead worker is noticed by its reader
            write_frame(self._input, job)

    def _read(self, answers: queue.SimpleQueue[tuple[Worker, Answer | None]]) -> None:
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

    def __init__(self, jobs: int, logs: Path) -> None:
        self._limit = jobs
        self._logs = logs
        self._workers: list[Worker] = []
        self._answers: queue.SimpleQueue[tuple[Worker, Answer | None]] = queue.SimpleQueue()
        self._count = 0
        self._waiting: deque[Job] = deque()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.close()

    def submit(self, job: Job, *, first: bool = False) -> None:
        """Put a job in the queue, at its end or its beginning. Also while the answers are being read."""
        if first:
            self._waiting.appendleft(job)
        else:
            self._waiting.append(job)

    def answers(self) -> Generator[tuple[Job, Answer]]:
        """Answers as they come, until every job has ended: with one `Made`, `Performed` or `Trouble`, after any
        number of `Progressed` and `TakeReady`, the first of which says that a worker took it up."""
        try:
            while self._waiting or any(worker.job for worker in self._workers):
                for worker, job in self._hand_out():
                    worker.give(job)
                    yield job, Progressed(slot="", stage="generate", share=0.0)
                yield from self._next()
        finally:
            self._abandon()

    def _next(self) -> Iterator[tuple[Job, Answer]]:
        try:
            worker, answer = self._answers.get(timeout=0.5)  # bounded, which keeps Ctrl-C alive on Windows
        except queue.Empty:
            return
        if worker not in self._workers:
            return  # the last words of one that was ended long ago
        job = worker.job
        if answer is None:
            answer = self._bury(worker)
        if job is not None:
            if not isinstance(answer, Progressed | TakeReady):
                worker.job = None
            yield job, answer

    def _abandon(self) -> None:
        """Whoever stops listening wants no more work done: what is waiting is dropped, who is at work is ended."""
        self._waiting.clear()
        for worker in [worker for worker in self._workers if worker.job is not None]:
            self._workers.remove(worker)
            worker.close()

    def _hand_out(self) -> Iterator[tuple[Worker, Job]]:
        """Idle workers with jobs for them, started while there is room. Batches go to the first worker alone: it
        keeps its model loaded, and a GPU serves one process at a time. As long as any wait, it is left to them: the
        others finish meanwhile what it has performed."""
        apart = self._limit > 1 and any(isinstance(job, PerformJob) for job in self._waiting)
        for job in sorted(self._waiting, key=lambda job: apart and not isinstance(job, PerformJob)):
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
        return Trouble(message=words, hint=f"its last words are in `{worker.log}`; less `--jobs` need less memory")
