"""Uploads: what is made goes from the local store to the remotes while the build goes on.

A few threads upload; nobody waits for them before the end. Content goes before the record that names it, so that a
record never leads nowhere, and what is there is not sent again.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

from tydust_assetgen.cache.records import CacheRecord, Kind, content_name, record_name, write_record
from tydust_assetgen.project.keys import Keys
from tydust_assetgen.remote.remote import Remote
from tydust_assetgen.store import OutputRecord, Store, TakeRecord, digest_in

AT_ONCE = 4
LONGEST_WAIT_S = 300.0
"""So long a build waits at its end for what is still to be sent."""


class _Upload(NamedTuple):
    remote: Remote
    kind: Kind
    key: str


class Sent(NamedTuple):
    """How sending went, in records."""

    sent: int = 0
    there: int = 0
    """They were there before."""
    left: int = 0
    """Not sent: no time was left, or the remote was off."""


@dataclass
class Uploader:
    """Threads that send, started with the first upload. They end with the process, and leave nothing half behind."""

    store: Store
    remotes: tuple[Remote, ...]
    secret: bytes

    def __post_init__(self) -> None:
        self._uploads: queue.SimpleQueue[_Upload] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._threads = 0
        self._open = 0
        self._sent = Sent()

    def send(self, keys: Keys) -> None:
        """Send what the store has of a slot: its files, its takes."""
        wanted = dict.fromkeys((("outputs", key) for key in keys.outputs), None)
        named: list[tuple[Kind, str]] = [("outputs", key) for _, key in wanted]
        named += [("takes", key) for key in dict.fromkeys((keys.take, *keys.candidates))]
        for kind, key in named:
            if self.store.has(kind, key):
                for remote in self.remotes:
                    self._post(_Upload(remote, kind, key))

    def finish(self, limit_s: float = LONGEST_WAIT_S) -> Sent:
        """Wait until all is sent, at most so long."""
        end = time.monotonic() + limit_s
        with self._changed:
            while self._open and (left_s := end - time.monotonic()) > 0:
                self._changed.wait(min(left_s, 0.5))  # bounded, which keeps Ctrl-C alive on Windows
            return self._sent._replace(left=self._sent.left + self._open)

    @property
    def open(self) -> int:
        """How many records are still to be sent."""
        return self._open

    def _post(self, upload: _Upload) -> None:
        with self._changed:
            self._open += 1
            self._uploads.put(upload)
            if self._threads < AT_ONCE:
                self._threads += 1
                threading.Thread(target=self._run, name="assetgen-send", daemon=True).start()

    def _run(self) -> None:
        while True:
            upload = self._uploads.get()
            try:
                done = self._deliver(upload)
            except Exception:  # noqa: BLE001  a cache never fails a build
                done = Sent(left=1)
            with self._changed:
                self._open -= 1
                self._sent = Sent(*(a + b for a, b in zip(self._sent, done, strict=True)))
                self._changed.notify_all()

    def _deliver(self, upload: _Upload) -> Sent:
        remote, kind, key = upload
        record = self.store.record(kind, key)
        if not isinstance(record, TakeRecord | OutputRecord):
            return Sent(left=1)
        if not self._deliver_content(remote, digest_in(record)):  # caches forget: it may be gone from under its record
            return Sent(left=1)
        if remote.has(record_name(key)):
            return Sent(there=1)
        contest = self.store.selection(key) if kind == "takes" else None
        data = write_record(kind, key, CacheRecord(record=record, contest=contest), self.secret)
        return Sent(sent=1) if remote.put(record_name(key), data) else Sent(left=1)

    def _deliver_content(self, remote: Remote, digest: str) -> bool:
        there = remote.has(content_name(digest))
        if there is None or there:
            return bool(there)
        data = self.store.read_object(digest)
        return data is not None and remote.put(content_name(digest), data)
