"""Time limits that hold whatever the other side does. In walks work, out walks its value, or nobody waits any longer.

A folder on a network drive, a server that sends a byte a minute, a library that tries again and again: none can be
told to hurry, but one can stop listening. Threads here are daemons, so none of them keeps the process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tydust_assetgen.remote.errors import RemoteError

_T = TypeVar("_T")
_R = TypeVar("_R")


def within(seconds: float, work: Callable[[], _T]) -> _T:
    """The value of `work`.

    Raises:
        RemoteError: it takes longer than `seconds`. It is left to itself.
        Exception: what `work` raised.
    """
    box: queue.SimpleQueue[tuple[_T, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            box.put((work(), None))
        except BaseException as error:  # noqa: BLE001  it is raised again where somebody waits
            box.put((None, error))

    threading.Thread(target=run, name="assetgen-remote", daemon=True).start()
    try:
        value, error = box.get(timeout=seconds)
    except queue.Empty:
        raise RemoteError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # without an error there is a value


def side_by_side(work: Callable[[_T], _R], items: Iterable[_T], threads: int) -> Iterator[_R]:
    """The values of `work` for each item, as they come, a few at once. `work` must not raise."""
    waiting = list(items)
    todo: queue.SimpleQueue[_T] = queue.SimpleQueue()
    done: queue.SimpleQueue[_R] = queue.SimpleQueue()
    for item in waiting:
        todo.put(item)

    def run() -> None:
        while True:
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            done.put(work(item))

    for _ in range(min(threads, len(waiting))):
        threading.Thread(target=run, name="assetgen-fetch", daemon=True).start()
    for _ in waiting:
        yield _next(done)


def _next(done: queue.SimpleQueue[_R]) -> _R:
    while True:
        try:
            return done.get(timeout=0.5)  # bounded, which keeps Ctrl-C alive on Windows
        except queue.Empty:
            continue
