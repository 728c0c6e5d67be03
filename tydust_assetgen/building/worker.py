"""What runs inside a worker process: it reads jobs from standard input and writes answers to standard output.

Frames are a 4-byte length and msgpack: typed messages, no pickle. When the input ends, because the build has ended or
was killed, the worker ends at once, whatever it is doing: no process is ever left behind.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from tydust_assetgen.building.messages import (
    LOG_VARIABLE,
    Answer,
    Failure,
    InspectJob,
    Job,
    Performed,
    Progressed,
    Stop,
    Stopped,
    TakeReady,
    TrackJob,
    read_frame,
    write_frame,
)
from tydust_assetgen.building.pipeline import inspect_files, make_track, perform
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.events import Stage
from tydust_assetgen.store import Store
from tydust_assetgen.system.safe_folder import SafeFolder

_AHEAD_S = 0.02
"""Work that a worker is started for is there by then. One that is started before the survey loads during it: with 0.1 s
here, one stale slot among 10,000 took 100 ms longer."""


class Unwanted(BaseException):
    """The job under way is no longer wanted. Not an `Exception`: no generator takes it for one of its troubles."""


def main() -> None:
    """Work until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the build decides when its workers stop
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the frames
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    unwanted = threading.Event()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, jobs, unwanted), daemon=True).start()
    job = _first(jobs)
    _log_to_file()
    while True:
        write_frame(answers, _answer(job, answers, unwanted))
        job = jobs.get()


def _first(jobs: queue.SimpleQueue[Job]) -> Job:
    """The first job. A worker that was started ahead of its work loads meanwhile what every track needs in the end."""
    try:
        return jobs.get(timeout=_AHEAD_S)
    except queue.Empty:
        from tydust_assetgen import verify  # noqa: F401
        from tydust_assetgen.codec import decoding, encoding  # noqa: F401

        return jobs.get()


def _log_to_file() -> None:
    """The build has made the log file by now."""
    with contextlib.suppress(OSError, KeyError):
        path = Path(os.environ[LOG_VARIABLE])
        log = SafeFolder(path.parents[1]).open_to_append(f"logs/{path.name}", empty=False)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)


def _listen(pipe: BinaryIO, jobs: queue.SimpleQueue[Job], unwanted: threading.Event) -> None:
    decoder = msgspec.msgpack.Decoder(Job | Stop)
    while (data := read_frame(pipe)) is not None:
        message = decoder.decode(data)
        if isinstance(message, Stop):
            unwanted.set()
        else:  # the builder gives the next job only when the one before has ended
            unwanted.clear()
            jobs.put(message)
    os._exit(0)


def _answer(job: Job, answers: BinaryIO, unwanted: threading.Event) -> Answer:
    def tell(slot: str, stage: Stage, share: float, note: str = "", number: int = 0) -> None:
        if unwanted.is_set():
            raise Unwanted
        write_frame(answers, Progressed(slot=slot, stage=stage, share=share, note=note, number=number))

    try:
        if isinstance(job, TrackJob):
            return make_track(job, Store(Path(job.store)), partial(tell, job.recipe.slot))
        if isinstance(job, InspectJob):
            return inspect_files(job)
        begun = time.perf_counter()

        def progress(index: int, share: float, note: str = "") -> None:
            tell(job.slots[index], "generate", share, note, job.numbers[index])

        for index in perform(job, Store(Path(job.store)), progress):
            write_frame(answers, TakeReady(index=index))
        return Performed(seconds=time.perf_counter() - begun)
    except Unwanted:
        return Stopped()
    except AssetgenError as error:
        first = error.problems[0]
        return Failure(message="; ".join(p.message for p in error.problems), hint=first.hint, place=first.place)
    except MemoryError:
        return Failure(message="not enough memory", hint="use fewer `--jobs`, or a shorter `duration`")
    except Exception as error:  # noqa: BLE001  every bug must reach the build, with its traceback
        return Failure(message=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())
