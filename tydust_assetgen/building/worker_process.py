"""A worker process as its build sees it: what it is at, and the pipes to it. `worker.py` is what runs inside.

A worker is always in one state:

    state             what happens                          next state
    IDLE              a job is given                        PERFORMING
    PERFORMING        it comes to finishing                 FINISHING
    PERFORMING        the build is paused                   LEFT_PERFORMING
    FINISHING         the build is paused                   LEFT_FINISHING
    LEFT_PERFORMING   the next build wants the same work    PERFORMING
    LEFT_PERFORMING   it comes to finishing                 LEFT_FINISHING
    LEFT_FINISHING    the next build wants the same work    FINISHING
    LEFT_...          nobody wants the work any more        STOPPING
    any but IDLE      the job ends                          IDLE

A worker whose process dies, or that is STOPPING for too long, is taken out of the pool.
"""

from __future__ import annotations

import contextlib
import enum
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

from tydust_assetgen.building.messages import (
    LOG_VARIABLE,
    Answer,
    Job,
    PerformJob,
    Stop,
    TrackJob,
    read_frame,
    write_frame,
)
from tydust_assetgen.errors import StoreError
from tydust_assetgen.system.safe_folder import SafeFolder

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from tydust_assetgen.building.worker import main; main()"
"""The worker sees the modules that its builder sees, and not whatever lies in the current folder."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Workers share the cores among themselves; and one thread adds up in one order."""
_answer_decoder = msgspec.msgpack.Decoder(Answer)
_READ_BYTES = 65_536
_GRACE_S = 0.3
"""How long a worker may take to stop before it is ended, with all it has loaded."""


class WorkerState(enum.Enum):
    """What a worker is at; the table at the head of this module says what leads where."""

    IDLE = "idle"
    PERFORMING = "performing"
    """Takes are being made, as far as is known."""
    FINISHING = "finishing"
    """All takes are there; they are finished, encoded, verified."""
    LEFT_PERFORMING = "left performing"
    """The job is of a build that was paused, and no build has asked for it since."""
    LEFT_FINISHING = "left finishing"
    STOPPING = "stopping"
    """It was told to stop, and has not said yet that it did."""


_LEFT_OF = {
    WorkerState.PERFORMING: WorkerState.LEFT_PERFORMING,
    WorkerState.FINISHING: WorkerState.LEFT_FINISHING,
}
_TAKEN_UP_OF = {left: state for state, left in _LEFT_OF.items()}
_FINISHING_OF = {
    WorkerState.PERFORMING: WorkerState.FINISHING,
    WorkerState.LEFT_PERFORMING: WorkerState.LEFT_FINISHING,
}


class WorkerProcess:
    """One process and the job it is at."""

    def __init__(self, log: Path, answers: queue.SimpleQueue[tuple[WorkerProcess | None, Answer | None]]) -> None:
        self.state = WorkerState.IDLE
        self.job: Job | None = None
        """`None` while it is idle."""
        self.log = log
        """What it writes on standard error. The file begins with the first job: a worker may be started before it is
        known that there is anything to do, and must leave no trace then."""
        self._early_log = _unnamed_file()
        self._log_begun, self._logged_bytes = False, 0
        self._end_at = float("inf")
        self._process = _start(log, self._early_log)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: BinaryIO = self._process.stdin  # type: ignore[assignment]
        self._output: BinaryIO = self._process.stdout  # type: ignore[assignment]
        self._reader = threading.Thread(target=self._read, args=(answers,), daemon=True)
        self._reader.start()

    # its state

    @property
    def left(self) -> bool:
        """Whether its job is of a paused build, and nobody has asked for it since."""
        return self.state in _TAKEN_UP_OF

    @property
    def stopping(self) -> bool:
        return self.state is WorkerState.STOPPING

    @property
    def takes(self) -> frozenset[str]:
        """Keys of the takes that it is making."""
        making = self.state not in (WorkerState.FINISHING, WorkerState.LEFT_FINISHING)
        return takes_of(self.job) if self.job and making else frozenset()

    def give(self, job: Job) -> None:
        """Let an idle worker begin with a job.

        Raises:
            StoreError: its log can't be written.
        """
        if not self._log_begun:
            self._write_log()
        self.job, self.state = job, WorkerState.PERFORMING
        self._write(job)

    def note_finishing(self) -> None:
        """All its takes are made."""
        self.state = _FINISHING_OF.get(self.state, self.state)

    def note_end(self) -> None:
        """Its job has ended, one way or another."""
        self.job, self.state = None, WorkerState.IDLE

    def leave(self) -> None:
        """Its build is paused; the work goes on for whoever wants it."""
        self.state = _LEFT_OF.get(self.state, self.state)

    def take_up(self, job: Job | None = None) -> None:
        """A build wants the work that was left, from now on as `job`."""
        self.job, self.state = job or self.job, _TAKEN_UP_OF[self.state]

    def stop(self) -> None:
        """Let go of the job, which nobody wants any more."""
        self._end_at, self.state = time.monotonic() + _GRACE_S, WorkerState.STOPPING
        self._write(Stop())

    @property
    def overdue(self) -> bool:
        """Whether it was told to stop and did not in time."""
        return self.stopping and self._end_at <= time.monotonic()

    # its process

    def _write(self, message: Job | Stop) -> None:
        with contextlib.suppress(OSError):  # a dead worker is noticed by its reader
            write_frame(self._input, message)

    def _read(self, answers: queue.SimpleQueue[tuple[WorkerProcess | None, Answer | None]]) -> None:
        while (data := read_frame(self._output)) is not None:
            answers.put((self, _answer_decoder.decode(data)))
        answers.put((self, None))

    def _write_log(self) -> None:
        """Write down what it said before it opened the log file itself, which it does before its first job."""
        os.lseek(self._early_log, self._logged_bytes, os.SEEK_SET)
        data = b"".join(iter(lambda: os.read(self._early_log, _READ_BYTES), b""))
        try:
            log = SafeFolder(self.log.parents[1]).open_to_append(f"logs/{self.log.name}", empty=not self._log_begun)
            with open(log, "ab") as file:
                file.write(data)
        except OSError as error:
            message = f"can't write `{self.log}`: {error.strerror or error}"
            raise StoreError(message, hint="is the disk full?") from error
        self._log_begun, self._logged_bytes = True, self._logged_bytes + len(data)

    def how_it_ended(self) -> str:
        """In words; its log is complete then."""
        code = self._process.wait()
        with contextlib.suppress(StoreError):
            self._write_log()
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"the worker process was {how}" if code < 0 else f"the worker process {how}"

    def close(self) -> None:
        """End the process, whatever it is at."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        with contextlib.suppress(OSError):
            self._input.close()
        self._output.close()
        os.close(self._early_log)


def _start(log: Path, errors: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _BOOT, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, **_ONE_THREAD, LOG_VARIABLE: str(log)},
        start_new_session=True,  # Ctrl-C is for the build, which then ends its workers
    )


def takes_of(job: Job) -> frozenset[str]:
    """Keys of the takes that a job makes, where the store does not have them."""
    if isinstance(job, PerformJob):
        return frozenset(job.take_keys)
    if isinstance(job, TrackJob):
        return frozenset(job.keys.candidates[number - 1] for number in job.contenders)
    return frozenset()


def _unnamed_file() -> int:
    """A file that nobody sees, and that goes when it is closed. A bare descriptor: Ctrl-C may come at any moment, and
    what it takes away half-made must not be complained about."""
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        import tempfile

        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    return os.memfd_create("worker.log")  # without `tempfile`, which takes 10 ms to import
