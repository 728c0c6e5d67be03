"""Keeps takes, masters and encoded files under their keys, so that they need not be made again.

What is read is checked against its digest first. Content lies under its own
SHA-256 (`objects/`), small records say which content answers to which key (`records/KIND/`). Everything is written
under a temporary name and renamed, so several processes can use one store. A damaged entry is set aside and counts
as absent. Records are touched when they are used: `gc` drops what was not used for longest. A store may have come with
a clone: no link in it is followed, and only files with names of our own form are ever deleted.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import StoreError
from tydust_assetgen.flow import Master, Take, TakeSelection
from tydust_assetgen.store.records import (
    KINDS,
    Collected,
    Kind,
    MasterRecord,
    OutputRecord,
    Record,
    StoredAudio,
    TakeRecord,
    digest_in,
    is_digest,
    with_digest,
    without_digest,
)
from tydust_assetgen.system import digest_bytes, is_temporary
from tydust_assetgen.system.safe_folder import SafeFile, SafeFolder

_R = TypeVar("_R", TakeRecord, MasterRecord, OutputRecord)
_MAX_OBJECT_BYTES = 4 << 30
_MAX_RECORD_BYTES = 4 << 20
_KEY_OR_DIGEST = re.compile(r"[0-9a-f]{64}(?:\.json)?")


class Store:
    """One store in one folder. Making it touches nothing; the folder comes with the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = SafeFolder(root.parent)

    # what is there

    def has(self, kind: Kind, key: str) -> bool:
        """Whether there is a record with its content; the content itself is verified when it is read."""
        record = self._any_record(kind, key, use=False)
        return record is not None and self.has_object(digest_in(record))

    def record(self, kind: Kind, key: str) -> Record | None:
        """What a key's record says, or `None`; whether its content is there, it does not say."""
        return self._any_record(kind, key, use=False)

    def has_object(self, digest: str) -> bool:
        """Whether these bytes were made here."""
        return is_digest(digest) and self._folder.has(self._object_name(digest))

    def has_adopted(self, digest: str) -> bool:
        """Whether these bytes are a person's own, kept by `adopt`."""
        return is_digest(digest) and self._folder.has(self._adopted_name(digest))

    def output(self, key: str) -> OutputRecord | None:
        """What is known of an encoded file, or `None`."""
        record = self._record("outputs", key, OutputRecord, use=False)
        return record if record is not None and self.has_object(record.verified.digest) else None

    def size(self) -> int:
        """Bytes of all content that can be made again."""
        return sum(file.size for file in self._files("objects"))

    # reading

    def read_object(self, digest: str) -> bytes | None:
        """Content by its digest, verified; damaged content is set aside."""
        if not is_digest(digest):
            return None
        name = self._adopted_name(digest) if self.has_adopted(digest) else self._object_name(digest)
        data = self._read(name, _MAX_OBJECT_BYTES)
        if data is None or digest_bytes(data) == digest:
            return data
        self._set_aside(name)
        return None

    def take(self, key: str) -> Take | None:
        record = self._record("takes", key, TakeRecord)
        audio = self._audio(record.audio) if record else None
        return Take(audio, record.facts, record.provenance, record.notes) if record and audio else None

    def master(self, key: str) -> Master | None:
        record = self._record("masters", key, MasterRecord)
        audio = self._audio(record.audio) if record else None
        if record is None or audio is None:
            return None
        return Master(audio, record.loop, record.facts, record.provenance, record.notes)

    def selection(self, key: str) -> TakeSelection | None:
        """How the take under a key was chosen from several, or `None`."""
        data = self._read_record(self._selection_name(key))
        try:
            return msgspec.json.decode(data, type=TakeSelection) if data else None
        except (RecursionError, msgspec.MsgspecError):
            return None

    # writing

    def put_selection(self, key: str, selection: TakeSelection) -> None:
        self._write(self._selection_name(key), with_digest(msgspec.json.encode(selection, order="deterministic")))

    def put_take(self, key: str, take: Take) -> None:
        audio = self._put_audio(take.audio)
        record = TakeRecord(audio=audio, facts=take.facts, provenance=take.provenance, notes=take.notes)
        self._put_record("takes", key, record)

    def put_master(self, key: str, master: Master) -> None:
        record = MasterRecord(
            audio=self._put_audio(master.audio),
            loop=master.loop,
            facts=master.facts,
            provenance=master.provenance,
            notes=master.notes,
        )
        self._put_record("masters", key, record)

    def put_output(self, key: str, data: bytes, record: OutputRecord) -> None:
        self.put_object(data)
        self._put_record("outputs", key, record)

    def keep(self, kind: Kind, key: str, record: Record, data: bytes) -> None:
        """Keep a record that came from elsewhere, with the content that it names.

        Raises:
            StoreError: the disk is full or read-only, or the record names other content.
        """
        if self.put_object(data) != digest_in(record):
            raise StoreError("this content is not what its record names")
        self._put_record(kind, key, record)

    def put_object(self, data: bytes) -> str:
        """Keep content under its digest, which is returned.

        Raises:
            StoreError: the disk is full or read-only.
        """
        digest = digest_bytes(data)
        if self.read_object(digest) is None:
            self._write(self._object_name(digest), data)
        return digest

    def adopt(self, data: bytes) -> str:
        """Keep a person's own bytes, apart from what can be made again; returns their digest."""
        digest = digest_bytes(data)
        self._write(self._adopted_name(digest), data)
        return digest

    def keep_aside(self, name: str, data: bytes) -> Path:
        """Keep bytes that are about to be written over and that nobody else has; returns where."""
        place = f"aside/{digest_bytes(data)[:12]}-{name}"
        self._write(place, data)
        return self._folder.root / place

    def sweep(self) -> None:
        """Delete what killed processes left half written. Only called by who holds the build lock."""
        self._folder.sweep(self._name("tmp"))

    # keeping it small

    def gc(
        self, *, max_bytes: int | None = None, max_age_s: float | None = None, adopted: Collection[str] | None = None
    ) -> Collected:
        """Drop records not used for `max_age_s`, then the longest unused until at most `max_bytes` of content is left.

        Content without a record, and what a killed process left behind, goes as well; of a person's own files all
        but those in `adopted`, or none when that is not known. They are not counted.
        """
        records = sorted(self._all_records(), key=lambda found: found[0])
        oldest_kept_s = time.time() - max_age_s if max_age_s is not None else 0.0
        kept = [found for found in records if found[0] >= oldest_kept_s]
        sizes = {digest: self._size(digest) for _, _, digest in kept}
        newest_first: list[tuple[float, str, str]] = []
        total, seen = 0, set[str]()
        for found in reversed(kept):
            added = 0 if found[2] in seen else sizes[found[2]]
            if max_bytes is not None and total + added > max_bytes:
                break
            total += added
            seen.add(found[2])
            newest_first.append(found)
        kept_names = {name for _, name, _ in newest_first}
        for _, name, _ in records:
            if name not in kept_names:
                self._folder.remove(name)
        own = [_stem(file.name) for file in self._files("adopted")] if adopted is None else adopted
        freed = self._drop_unreferenced(seen | set(own))
        for file in self._files("records/contests"):
            if self._record("takes", _stem(file.name), TakeRecord, use=False) is None:
                self._folder.remove(file.name)  # its take is gone
        removed = len(records) - len(newest_first)
        return Collected(removed=removed, freed_bytes=freed, kept=len(newest_first), kept_bytes=total)

    def _drop_unreferenced(self, wanted: set[str]) -> int:
        kept = {self._object_name(digest) for digest in wanted} | {self._adopted_name(digest) for digest in wanted}
        freed = 0
        for folder in ("objects", "adopted", "damaged", "tmp"):
            for file in self._files(folder):
                if file.name not in kept:
                    freed += file.size
                    self._folder.remove(file.name)
        return freed

    def _all_records(self) -> Iterator[tuple[float, str, str]]:
        """Time of last use, name and content of every record that can be read."""
        for kind in KINDS:
            for file in self._files(f"records/{kind}"):
                record = self._any_record(kind, _stem(file.name), use=False)
                if record is not None:
                    yield file.modified_s, file.name, digest_in(record)

    # how it lies on the disk

    def _size(self, digest: str) -> int:
        return self._folder.size(self._object_name(digest))

    def _object_name(self, digest: str) -> str:
        return self._name(f"objects/{digest[:2]}/{digest}")

    def _adopted_name(self, digest: str) -> str:
        return self._name(f"adopted/{digest}")

    def _record_name(self, kind: Kind, key: str) -> str:
        return self._name(f"records/{kind}/{key[:2]}/{key}.json")

    def _selection_name(self, key: str) -> str:
        return self._name(f"records/contests/{key[:2]}/{key}.json")

    def _name(self, name: str) -> str:
        """In the private folder."""
        return f"{self.root.name}/{name}"

    def _files(self, folder: str) -> list[SafeFile]:
        """The files below one of our folders that have names of our form."""
        return [file for file in self._folder.files(self._name(folder)) if _is_ours(file.name.rpartition("/")[2])]

    def _read(self, name: str, max_bytes: int) -> bytes | None:
        try:
            return self._folder.read(name, max_bytes)
        except OSError:
            return None

    def _read_record(self, name: str) -> bytes | None:
        """A record's JSON, where it is as it was written."""
        data = self._read(name, _MAX_RECORD_BYTES)
        return data and without_digest(data)

    def _record(self, kind: Kind, key: str, type_: type[_R], *, use: bool = True) -> _R | None:
        name = self._record_name(kind, key)
        data = self._read_record(name)
        try:
            record = msgspec.json.decode(data, type=type_) if data else None
            if record is None or not is_digest(digest_in(record)):
                return None
            if use:
                self._folder.touch(name)
        except (OSError, RecursionError, msgspec.MsgspecError):
            return None
        return record

    def _any_record(self, kind: Kind, key: str, *, use: bool = True) -> Record | None:
        match kind:
            case "takes":
                return self._record(kind, key, TakeRecord, use=use)
            case "masters":
                return self._record(kind, key, MasterRecord, use=use)
            case "outputs":
                return self._record(kind, key, OutputRecord, use=use)

    def _put_record(self, kind: Kind, key: str, record: Record) -> None:
        data = msgspec.json.encode(record, order="deterministic")
        self._write(self._record_name(kind, key), with_digest(data))

    def _write(self, name: str, data: bytes) -> None:
        try:
            self._folder.write(name, data, by_way_of=self._name("tmp"))
        except OSError as error:
            hint = "free some disk space, or run `assetgen gc --max-size 1GB`"
            raise StoreError(f"can't write to the store: {error.strerror or error}", hint=hint) from error

    def _set_aside(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._folder.move(name, self._name(f"damaged/{name.rpartition('/')[2]}"))

    def _put_audio(self, audio: Audio) -> StoredAudio:
        import numpy as np

        data = np.ascontiguousarray(audio.samples, dtype="<f4").tobytes()
        digest = self.put_object(data)
        return StoredAudio(digest=digest, channels=audio.channels, frames=audio.frames, rate_hz=audio.rate_hz)

    def _audio(self, stored: StoredAudio) -> Audio | None:
        import numpy as np

        data = self.read_object(stored.digest)
        likely = 1 <= stored.channels <= 8 and 1000 <= stored.rate_hz <= 768_000 and stored.frames > 0
        if data is None or not likely or len(data) != 4 * stored.channels * stored.frames:
            return None
        samples = np.frombuffer(data, dtype="<f4").reshape(stored.channels, stored.frames)
        return Audio(samples, stored.rate_hz)


def _is_ours(name: str) -> bool:
    """Only what is called like this is deleted."""
    return _KEY_OR_DIGEST.fullmatch(name) is not None or is_temporary(name)


def _stem(name: str) -> str:
    """A key or digest, out of the name of its file."""
    return name.rpartition("/")[2].removesuffix(".json")
