"""Keeps takes, masters and encoded files under their keys, so that they need not be made again.

What is read is checked against its digest first. Content lies under its own
SHA-256 (`objects/`), small records say which content answers to which key (`records/KIND/`). Everything is written
under a temporary name and renamed, so several processes can use one store. A damaged entry is set aside and counts
as absent. Records are touched when they are used: `gc` drops what was not used for longest.
"""

from __future__ import annotations

import contextlib
import os
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
)
from tydust_assetgen.system import digest_bytes, remove, write_atomic

_R = TypeVar("_R", TakeRecord, MasterRecord, OutputRecord)


class Store:
    """One store in one folder. Making it touches nothing; the folder comes with the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
        return is_digest(digest) and self._object_path(digest).is_file()

    def has_adopted(self, digest: str) -> bool:
        """Whether these bytes are a person's own, kept by `adopt`."""
        return is_digest(digest) and self._adopted_path(digest).is_file()

    def output(self, key: str) -> OutputRecord | None:
        """What is known of an encoded file, or `None`."""
        record = self._record("outputs", key, OutputRecord, use=False)
        return record if record is not None and self.has_object(record.verified.digest) else None

    def size(self) -> int:
        """Bytes of all content that can be made again."""
        return sum(path.stat().st_size for path in _files(self.root / "objects"))

    # reading

    def read_object(self, digest: str) -> bytes | None:
        """Content by its digest, verified; damaged content is set aside."""
        if not is_digest(digest):
            return None
        path = self._adopted_path(digest) if self.has_adopted(digest) else self._object_path(digest)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if digest_bytes(data) == digest:
            return data
        self._set_aside(path)
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
        try:
            return msgspec.json.decode(self._selection_path(key).read_bytes(), type=TakeSelection)
        except (OSError, msgspec.MsgspecError):
            return None

    # writing

    def put_selection(self, key: str, selection: TakeSelection) -> None:
        self._write(self._selection_path(key), msgspec.json.encode(selection, order="deterministic"))

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
            self._write(self._object_path(digest), data)
        return digest

    def adopt(self, data: bytes) -> str:
        """Keep a person's own bytes, apart from what can be made again; returns their digest."""
        digest = digest_bytes(data)
        self._write(self._adopted_path(digest), data)
        return digest

    def keep_aside(self, name: str, data: bytes) -> Path:
        """Keep bytes that are about to be written over and that nobody else has; returns where."""
        path = self.root.parent / "aside" / f"{digest_bytes(data)[:12]}-{name}"
        self._write(path, data)
        return path

    def sweep(self) -> None:
        """Delete what killed processes left half written. Only called by who holds the build lock."""
        for path in _files(self.root / "tmp"):
            remove(path)

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
        newest_first: list[tuple[float, Path, str]] = []
        total, seen = 0, set[str]()
        for found in reversed(kept):
            added = 0 if found[2] in seen else sizes[found[2]]
            if max_bytes is not None and total + added > max_bytes:
                break
            total += added
            seen.add(found[2])
            newest_first.append(found)
        keep_paths = {path for _, path, _ in newest_first}
        for _, path, _ in records:
            if path not in keep_paths:
                remove(path)
        own = [path.name for path in _files(self.root / "adopted")] if adopted is None else adopted
        freed = self._drop_unreferenced(seen | set(own))
        for path in _files(self.root / "records" / "contests"):
            if self._record("takes", path.stem, TakeRecord, use=False) is None:
                remove(path)  # its take is gone
        removed = len(records) - len(newest_first)
        return Collected(removed=removed, freed_bytes=freed, kept=len(newest_first), kept_bytes=total)

    def _drop_unreferenced(self, wanted: set[str]) -> int:
        kept = {self._object_path(digest) for digest in wanted} | {self._adopted_path(digest) for digest in wanted}
        freed = 0
        for folder in ("objects", "adopted", "damaged", "tmp"):
            for path in _files(self.root / folder):
                if path not in kept:
                    freed += path.stat().st_size
                    remove(path)
        return freed

    def _all_records(self) -> Iterator[tuple[float, Path, str]]:
        """Time of last use, place and content of every record that can be read."""
        for kind in KINDS:
            for path in _files(self.root / "records" / kind):
                record = self._any_record(kind, path.stem, use=False)
                if record is not None:
                    yield path.stat().st_mtime, path, digest_in(record)

    # how it lies on the disk

    def _size(self, digest: str) -> int:
        with contextlib.suppress(OSError):
            return self._object_path(digest).stat().st_size
        return 0

    def _object_path(self, digest: str) -> Path:
        return self.root / "objects" / digest[:2] / digest

    def _adopted_path(self, digest: str) -> Path:
        return self.root / "adopted" / digest

    def _record_path(self, kind: Kind, key: str) -> Path:
        return self.root / "records" / kind / key[:2] / f"{key}.json"

    def _selection_path(self, key: str) -> Path:
        return self.root / "records" / "contests" / key[:2] / f"{key}.json"

    def _record(self, kind: Kind, key: str, type_: type[_R], *, use: bool = True) -> _R | None:
        path = self._record_path(kind, key)
        try:
            record = msgspec.json.decode(path.read_bytes(), type=type_)
            if not is_digest(digest_in(record)):
                return None
            if use:
                os.utime(path)
        except (OSError, msgspec.MsgspecError):
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
        self._write(self._record_path(kind, key), msgspec.json.encode(record, order="deterministic"))

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomic(path, data, durable=False, by_way_of=self.root / "tmp")
        except OSError as error:
            hint = "free some disk space, or run `assetgen gc --max-size 1GB`"
            raise StoreError(f"can't write to the store: {error.strerror or error}", hint=hint) from error

    def _set_aside(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            aside = self.root / "damaged" / path.name
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.replace(aside)

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


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
