"""Downloads: fills the local store from the remotes before anything is made.

For each slot first its files; what has none of them gets its takes, of which the files are made here, without a GPU.
Where the lock file knows a file's digest for this very key, only those bytes are taken: no record is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from tydust_assetgen.cache.records import (
    MAX_CONTENT_BYTES,
    MAX_RECORD_BYTES,
    CacheRecord,
    Kind,
    RefusedError,
    content_name,
    read_record,
    record_name,
    size_of,
)
from tydust_assetgen.codec import damage
from tydust_assetgen.errors import StoreError
from tydust_assetgen.flow import Output
from tydust_assetgen.planning.plan import OutputStep, Step
from tydust_assetgen.remote.remote import Remote, side_by_side
from tydust_assetgen.store import OutputRecord, Store, TakeRecord, digest_in
from tydust_assetgen.system import digest_bytes

AT_ONCE = 8


@dataclass
class Downloader:
    """Fetches what a plan lacks, from each remote in turn. Used from several threads at once."""

    store: Store
    remotes: tuple[Remote, ...]
    secret: bytes

    def __post_init__(self) -> None:
        self._writing = threading.Lock()
        self._full = False

    def download(self, steps: tuple[Step, ...]) -> Iterator[tuple[Step, bool]]:
        """Each step as it is done with, and whether something was found for it."""
        return side_by_side(self._for_step, steps, AT_ONCE)

    def _for_step(self, step: Step) -> tuple[Step, bool]:
        try:
            return step, self._fill(step)
        except Exception:  # noqa: BLE001  what came from elsewhere must never fail a build
            return step, False

    def _fill(self, step: Step) -> bool:
        missing = [output for output in step.outputs if output.action == "make"]
        found = [self._file(step, output) for output in missing]
        if all(found) or step.action != "generate":
            return any(found)
        return self._takes(step) or any(found)

    def _takes(self, step: Step) -> bool:
        """The slot's take, or else the candidates that are still to be made, or else what they follow."""
        if self._record("takes", step.keys.take):
            return True
        numbers = step.perform if step.keys.candidates[0] != step.keys.take else ()
        found = [self._record("takes", step.keys.candidates[number - 1]) for number in numbers]
        if not found or not all(found):
            for digest in step.follows.values():
                if not self.store.has("takes", digest):
                    self._record("takes", digest)
        return any(found)

    def _file(self, step: Step, output: OutputStep) -> bool:
        locked = step.entry.output_at(output.output.path) if step.entry else None
        if locked and locked.key == output.key:
            return not locked.hand_made and any(
                self._pinned(remote, locked.digest, locked.size, output.output) for remote in self.remotes
            )
        return self._record("outputs", output.key, output.output)

    def _pinned(self, remote: Remote, digest: str, size: int, output: Output) -> bool:
        """Content that the lock file vouches for."""
        data = self._content(remote, digest, min(size, MAX_CONTENT_BYTES), output)
        return data is not None and self._keep(lambda: self.store.put_object(data))

    def _record(self, kind: Kind, key: str, output: Output | None = None) -> bool:
        return any(self._from(remote, kind, key, output) for remote in self.remotes)

    def _from(self, remote: Remote, kind: Kind, key: str, output: Output | None) -> bool:
        found = self.trusted_record(remote, kind, key, output)
        if found is None:
            return False
        record = _renamed(found.record, output)
        digest = digest_in(record)
        data = self.store.read_object(digest) or self._content(remote, digest, size_of(record), output)
        if data is None:
            return False

        def write() -> None:
            self.store.keep(kind, key, record, data)
            if kind == "takes" and found.contest is not None:
                self.store.put_selection(key, found.contest)

        return self._keep(write)

    def trusted_record(self, remote: Remote, kind: Kind, key: str, output: Output | None = None) -> CacheRecord | None:
        """What a remote says of a key, if it may be trusted."""
        data = remote.get(record_name(key), MAX_RECORD_BYTES)
        if data is None:
            return None
        try:
            found = read_record(kind, key, data, self.secret)
        except RefusedError as error:
            remote.distrust(record_name(key), str(error))
            return None
        if output is not None and isinstance(found.record, OutputRecord) and not _same(found.record, output):
            remote.distrust(record_name(key), "a record is of another format")
            return None
        return found

    def _content(self, remote: Remote, digest: str, size: int, output: Output | None) -> bytes | None:
        """Content, held against its digest; a file must also be whole."""
        name = content_name(digest)
        data = remote.get(name, size)
        if data is None:
            return None
        if len(data) != size or digest_bytes(data) != digest:
            remote.distrust(name, "content does not have its digest")
            return None
        if output is not None and damage(data, output.codec):
            remote.distrust(name, f"a file is no whole {output.codec}")
            return None
        with self._writing:
            remote.hits += 1
        return data

    def _keep(self, write: Callable[[], object]) -> bool:
        """Write into the store; whether that could be done."""
        with self._writing:  # two threads may download the same content
            if self._full:
                return False
            try:
                write()
            except StoreError:
                self._full = True  # what is made will say so
                return False
        return True


def _same(record: OutputRecord, output: Output) -> bool:
    """Whether a record is of this format, wherever its file lies."""
    return _bare(record.verified.output) == _bare(output)


def _bare(output: Output) -> Output:
    return msgspec.structs.replace(output, path="")


def _renamed(record: TakeRecord | OutputRecord, output: Output | None) -> TakeRecord | OutputRecord:
    """The record of a file as it is called here."""
    if output is None or isinstance(record, TakeRecord):
        return record
    return msgspec.structs.replace(record, verified=msgspec.structs.replace(record.verified, output=output))
