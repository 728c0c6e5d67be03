"""One remote in use: whatever goes wrong with it is a miss and one warning, never an error.

The first thing that fails, or takes too long, turns the remote off for this build. Content that is not what its name
says is a miss; after a few of them the remote is off as well.

Time limits (`within`) hold whatever the other side does: a folder on a network drive, a server that sends a byte a
minute, a library that tries again and again. None can be told to hurry, but one can stop waiting. Threads here are
daemons, so none of them keeps the process from ending.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from tydust_assetgen.remote import DistrustError, RemoteError, words_of
from tydust_assetgen.remote.address import Address

_T = TypeVar("_T")
_R = TypeVar("_R")
_LIES = 3
"""So many pieces of bad content are borne."""
REST_S = 60.0
"""So long one that failed is left alone by builds that share what they know."""


class Remote:
    """Used from several threads at once.

    `warn` is called at most once, with a message and a hint, from any thread. `resting` is what earlier builds of this
    process know: which remotes failed, and until when (monotonic seconds) they are not asked again.
    """

    def __init__(
        self,
        address: Address,
        root: Path,
        timeout_s: float,
        warn: Callable[[str, str], None],
        resting: dict[str, float] | None = None,
    ) -> None:
        self.name = address.shown
        self._resting = {} if resting is None else resting
        self.off = time.monotonic() < self._resting.get(self.name, 0.0)
        self.hits, self.received, self.sent = 0, 0, 0
        self._address, self._root, self._timeout_s, self._warn = address, root, timeout_s, warn
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._transport: Transport | None = None
        self._bad = set[str]()
        self._warned = False

    def get(self, name: str, max_bytes: int) -> bytes | None:
        """The content, not yet checked; `None` when there is none, or the remote is off."""
        data = self._ask(lambda way: way.get(name, max_bytes), name)
        with self._lock:
            self.received += len(data or b"")
        return data

    def has(self, name: str) -> bool | None:
        """Whether it has this name, and nothing bad is known of it; `None` when the remote is off."""
        return False if name in self._bad else self._ask(lambda way: way.has(name), name)

    def put(self, name: str, data: bytes) -> bool:
        """Whether it is there now."""

        def send(way: Transport) -> bool:
            way.put(name, data)
            return True

        done = bool(self._ask(send, name))
        with self._lock:
            self.sent += len(data) if done else 0
        return done

    def distrust(self, name: str, why: str) -> None:
        """What came under this name is not what it should be. The next upload writes over it."""
        with self._lock:
            self._bad.add(name)
            self.off = self.off or len(self._bad) > _LIES
        self._say(f"the cache `{self.name}` has a bad entry: {why}", "it counts as absent")

    def _ask(self, work: Callable[[Transport], _T], name: str) -> _T | None:
        if self.off:
            return None
        try:
            return within(self._timeout_s, lambda: work(self._opened()))
        except DistrustError as error:
            self.distrust(name, error.message)
        except Exception as error:  # noqa: BLE001  libraries raise what they like, and no build fails by a cache
            self.off = True
            self._resting[self.name] = time.monotonic() + REST_S
            hint = error.hint if isinstance(error, RemoteError) else ""
            self._say(f"the cache `{self.name}` is not used: {words_of(error)}", hint)
        return None

    def _opened(self) -> Transport:
        with self._opening:
            if self.off:  # somebody else has tried
                raise RemoteError("it is off")
            if self._transport is None:
                self._transport = open_transport(self._address, self._root, self._timeout_s)
            return self._transport

    def _say(self, message: str, hint: str) -> None:
        with self._lock:
            first, self._warned = not self._warned, True
        if first:
            self._warn(message, hint)


class Transport(Protocol):
    """Moves bytes by their names. Used from several threads at once.

    Everything may raise `RemoteError`, or whatever its library raises: the caller knows how to say it.
    """

    def get(self, name: str, max_bytes: int) -> bytes | None:
        """The content; `None` when there is no such name.

        Raises:
            DistrustError: there are more bytes.
        """
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a name."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Keep content under a name, whole or not at all."""
        ...


def open_transport(address: Address, root: Path, timeout_s: float) -> Transport:
    """The way to a remote.

    Args:
        address: where.
        root: what a relative path starts from.
        timeout_s: limit of one request, in seconds.

    Raises:
        RemoteError: what it needs is not installed, or it can't be reached.
    """
    match address.scheme:
        case "directory":
            from tydust_assetgen.remote.local import Directory

            return Directory(root / Path(address.path).expanduser())
        case "http" | "https":
            from tydust_assetgen.remote.http import Http

            return Http(address, timeout_s)
        case "sftp":
            from tydust_assetgen.remote.sftp import Sftp

            return Sftp(address, timeout_s)
        case "s3" | "gs" | "az":
            from tydust_assetgen.remote.fsspec_store import Bucket

            return Bucket(address, timeout_s)


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
