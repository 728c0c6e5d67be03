"""Looks closely at single slots: what the lock file says of each, what stands on the disk, and what the store has.

Nothing is written, and what was looked at is remembered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tydust_assetgen.codec import damage
from tydust_assetgen.flow import Output
from tydust_assetgen.manifest import Manifest
from tydust_assetgen.planning.plan import FileState, SlotState, Step, StoreState
from tydust_assetgen.planning.resolve_keys import ResolvedSlot
from tydust_assetgen.project.keys import Keys
from tydust_assetgen.project.lockfile import LockedOutput, LockFile
from tydust_assetgen.project.state import NOTHING, Stat, stat_of
from tydust_assetgen.store import Store
from tydust_assetgen.system import digest_file, read_bounded

_UNREADABLE = "unreadable"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How it begins (Git LFS specification, docs/spec.md)."""


@dataclass
class Observer:
    """Looks at the slots of one project, with what is known of its files beforehand."""

    manifest: Manifest
    lock: LockFile
    known: Mapping[str, tuple[Stat, str]]
    """Stat and digest of each output as the last build left it, by path (relative to the project)."""
    store: Store
    forced: frozenset[str]
    """Slots to be made again, whatever is there."""
    stats: dict[str, tuple[Stat, str]] = field(default_factory=dict)
    """The same of every output that was looked at."""

    def observe(self, slot: ResolvedSlot) -> SlotState:
        """All that is known of a slot."""
        recipe, keys = slot.recipe, slot.keys
        entry = self.lock.entry(recipe.slot)
        digests = [self._digest(output) for output in recipe.outputs]
        locked = [entry.output_at(output.path) if entry else None for output in recipe.outputs]
        files, store = self._closer(recipe.outputs, keys, digests, locked)
        return SlotState(
            recipe=recipe,
            keys=keys,
            versions=slot.versions,
            key_parameters=slot.key_parameters,
            entry=entry,
            files=files,
            store=store,
            forced=recipe.slot in self.forced,
        )

    def _closer(
        self, outputs: tuple[Output, ...], keys: Keys, digests: list[str], locked: list[LockedOutput | None]
    ) -> tuple[tuple[FileState, ...], StoreState]:
        """The files, and what the store has of them, which is not asked where all is as the lock file says."""
        fresh = [
            bool(lock and lock.key == key and lock.digest == digest)
            for lock, key, digest in zip(locked, keys.outputs, digests, strict=True)
        ]
        if all(fresh):
            return tuple(map(self._plainly, outputs, digests)), StoreState(outputs=("",) * len(outputs))
        store = self._in_store(keys, locked)
        rows = zip(outputs, digests, locked, store.outputs, strict=True)
        return tuple(self._file(*row) for row in rows), store

    def has_own_file(self, slot: str) -> bool:
        """Whether a person's own file is locked for a slot."""
        entry = self.lock.entry(slot)
        locked = entry.output_at(slot) if entry else None
        return locked is not None and locked.hand_made

    def audible(self, slot: str, digest: str) -> bool:
        """Whether a slot's sound is here as one that follows it wants it."""
        entry = self.lock.entry(slot)
        published = entry.sound_of(digest) if entry else ""
        return self.store.has("takes", digest) or (bool(published) and self._there(slot, published))

    def _there(self, path: str, digest: str) -> bool:
        if self.store.has_object(digest) or self.store.has_adopted(digest):
            return True
        with contextlib.suppress(OSError):
            return digest_file(self.manifest.assets / path) == digest
        return False

    def _digest(self, output: Output) -> str:
        """SHA-256 of what stands there; the file is read only when its stat is not the one known."""
        path = self.manifest.tree_prefix + output.path
        absolute = os.path.join(self.manifest.root, path)
        found = stat_of(absolute)
        before = self.known.get(path)
        try:
            digest = before[1] if before and before[0] == found else digest_file(Path(absolute))
        except OSError:
            digest = _UNREADABLE
        self.stats[path] = (found if digest else NOTHING, digest)
        return digest

    def _in_store(self, keys: Keys, locked: list[LockedOutput | None]) -> StoreState:
        take = self.store.has("takes", keys.take)
        there = {key: take if key == keys.take else self.store.has("takes", key) for key in keys.candidates}
        return StoreState(
            outputs=tuple(self._stored(key, lock) for key, lock in zip(keys.outputs, locked, strict=True)),
            master=self.store.has("masters", keys.master),
            take=take,
            candidates=tuple(number for number, key in enumerate(keys.candidates, 1) if there[key]),
        )

    def _stored(self, key: str, lock: LockedOutput | None) -> str:
        """Digest of the bytes that the store has for a key, by its own record or by the lock's word."""
        if lock and lock.key == key and (self.store.has_adopted(lock.digest) or self.store.has_object(lock.digest)):
            return lock.digest
        record = self.store.output(key)
        return record.verified.digest if record else ""

    def _made_for_another_slot(self, path: str, digest: str, lock: LockedOutput | None) -> bool:
        """The file was built here under a slot that no longer has this path."""
        other = None if lock else self.lock.owner_of(path)
        return other is not None and other.digest == digest and not other.hand_made

    def _plainly(self, output: Output, digest: str) -> FileState:
        found, _ = self.stats[self.manifest.tree_prefix + output.path]
        return FileState(digest=digest, size=max(found[0], 0))

    def _file(self, output: Output, digest: str, lock: LockedOutput | None, stored: str) -> FileState:
        """A closer look, only at files that are neither the lock's nor the store's for this key."""
        if not digest or digest == stored or (lock and digest == lock.digest):
            return self._plainly(output, digest)
        if digest == _UNREADABLE:
            return FileState(digest=digest, unreadable=True)
        if self.store.has_object(digest) or self._made_for_another_slot(output.path, digest, lock):
            return FileState(digest=digest, ours=True)
        data = read_bounded(self.manifest.assets / output.path)
        if data.startswith(_LFS_POINTER):
            return FileState(digest=digest, pointer=True)
        return FileState(digest=digest, damage=damage(data, output.codec))


def stays_by_hand(step: Step) -> bool:
    """Whether a person's own file will still stand for this slot when its step is done."""
    own = step.outputs[0]
    locked = step.entry.output_at(own.output.path) if step.entry else None
    kept = locked is not None and own.digest == locked.digest
    return own.action == "blocked" or (own.action != "make" and kept)
