"""Looking closely at slots. In walks a slot with its keys, out walks its `Situation`.

That is what the lock file says of it, what stands on the disk, and what the store has. Nothing is written, and what was
looked at is remembered.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from tydust_assetgen.codec import damage
from tydust_assetgen.flow import Output
from tydust_assetgen.manifest import Manifest
from tydust_assetgen.planning.plan import Held, Seen, Situation, plan_slot
from tydust_assetgen.planning.resolve_keys import Keyed
from tydust_assetgen.project.keys import Keys
from tydust_assetgen.project.lockfile import LockedOutput, LockFile
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import NOTHING, Stat, stat_of
from tydust_assetgen.store import Store
from tydust_assetgen.system import digest_file

_UNREADABLE = "unreadable"


@dataclass
class Look:
    """One look at a project: what is known beforehand, and what is found on the way."""

    project: Project
    manifest: Manifest
    lock: LockFile
    known: dict[str, tuple[Stat, str]]
    store: Store
    forced: frozenset[str]
    prefix: str
    """What turns an output's path into a path of the project."""
    stats: dict[str, tuple[Stat, str]] = field(default_factory=dict)

    def situation(self, keyed: Keyed) -> Situation:
        recipe, keys = keyed.recipe, keyed.keys
        entry = self.lock.entry(recipe.slot)
        pairs = list(zip(recipe.outputs, keys.outputs, strict=True))
        digests = [self.digest(output) for output in recipe.outputs]
        locked = [entry.output_at(output.path) if entry else None for output in recipe.outputs]
        fresh = [
            bool(lock and lock.key == key and lock.digest == digest)
            for lock, (_, key), digest in zip(locked, pairs, digests, strict=True)
        ]
        if all(fresh):
            held = Held(outputs=("",) * len(pairs))
            seen = tuple(map(self.plainly, recipe.outputs, digests))
        else:
            held = self.held(keys, locked)
            seen = tuple(
                self.seen(output, digest, lock, stored)
                for output, digest, lock, stored in zip(recipe.outputs, digests, locked, held.outputs, strict=True)
            )
        return Situation(
            recipe=recipe,
            keys=keys,
            versions=keyed.versions,
            key_parameters=keyed.key_parameters,
            entry=entry,
            seen=seen,
            held=held,
            forced=recipe.slot in self.forced,
        )

    def stays_by_hand(self, keyed: Keyed) -> bool:
        """Whether a person's own file will still stand for this slot when the build has ended."""
        own = plan_slot(self.situation(keyed)).outputs[0]
        entry = self.lock.entry(keyed.recipe.slot)
        locked = entry.output_at(own.output.path) if entry else None
        kept = locked is not None and own.digest == locked.digest
        return own.action == "blocked" or (own.action != "make" and kept)

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

    def digest(self, output: Output) -> str:
        """SHA-256 of what stands there; the file is read only when its stat is not the one known."""
        path = self.prefix + output.path
        absolute = os.path.join(self.project.root, path)
        found = stat_of(absolute)
        before = self.known.get(path)
        try:
            digest = before[1] if before and before[0] == found else digest_file(Path(absolute))
        except OSError:
            digest = _UNREADABLE
        self.stats[path] = (found if digest else NOTHING, digest)
        return digest

    def held(self, keys: Keys, locked: list[LockedOutput | None]) -> Held:
        take = self.store.has("takes", keys.take)
        there = {key: take if key == keys.take else self.store.has("takes", key) for key in keys.candidates}
        return Held(
            outputs=tuple(self.stored(key, lock) for key, lock in zip(keys.outputs, locked, strict=True)),
            master=self.store.has("masters", keys.master),
            take=take,
            candidates=tuple(number for number, key in enumerate(keys.candidates, 1) if there[key]),
        )

    def stored(self, key: str, lock: LockedOutput | None) -> str:
        """Digest of the bytes that the store has for a key, by its own record or by the lock's word."""
        if lock and lock.key == key and (self.store.has_adopted(lock.digest) or self.store.has_object(lock.digest)):
            return lock.digest
        record = self.store.output(key)
        return record.verified.digest if record else ""

    def made_for_another_slot(self, path: str, digest: str, lock: LockedOutput | None) -> bool:
        """The file was built here under a slot that no longer has this path."""
        other = None if lock else self.lock.owner_of(path)
        return other is not None and other.digest == digest and not other.hand_made

    def plainly(self, output: Output, digest: str) -> Seen:
        found, _ = self.stats[self.prefix + output.path]
        return Seen(digest=digest, size=max(found[0], 0))

    def seen(self, output: Output, digest: str, lock: LockedOutput | None, stored: str) -> Seen:
        """A closer look, only at files that are neither the lock's nor the store's for this key."""
        if not digest or digest == stored or (lock and digest == lock.digest):
            return self.plainly(output, digest)
        if digest == _UNREADABLE:
            return Seen(digest=digest, unreadable=True)
        if self.store.has_object(digest) or self.made_for_another_slot(output.path, digest, lock):
            return Seen(digest=digest, ours=True)
        data = (self.manifest.assets / output.path).read_bytes()
        return Seen(digest=digest, damage=damage(data, output.codec))
