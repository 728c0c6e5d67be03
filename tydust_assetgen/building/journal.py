"""The journal of one build: writes the lock file and the state as slots are published.

The lock file is written after each track, so that a killed build keeps what it has done; when it is large, it is
written less often, never costing more than a twentieth of the time. What is not yet in it heals from the store.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tydust_assetgen import codec, finish, scoring
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Facts, Provenance, Published, Sound
from tydust_assetgen.generate.registry import sources
from tydust_assetgen.planning.plan import OutputStep, Plan, Snapshot, Step
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry, read_lock
from tydust_assetgen.project.state import Stat, encode_state, stat_of, toolchain
from tydust_assetgen.system import digest_file, write_atomic

_SHARE_OF_TIME = 20
_CLOCK_TICK_S = 0.02
"""File times advance in ticks of 4 to 16 ms: two writes within one can't be told apart by their stat."""


class BuildJournal:
    """What is known at this moment of a build. `close` writes everything down."""

    def __init__(self, snapshot: Snapshot, plan: Plan) -> None:
        self._snapshot = snapshot
        self._recorded: dict[str, LockEntry] = {}
        self._unwritten: dict[str, LockEntry] = {}
        self._dropped: set[str] = set()
        self._stats = dict(snapshot.stats)
        self._fresh = dict(snapshot.settled)
        self._fresh_when_written: dict[str, list[str]] = {}
        self._lock, self._lock_stat = snapshot.lock, snapshot.inputs.lock
        self._exports: dict[str, Stat] = {}
        self._written_at = 0.0
        self._write_s = 0.0
        for step in plan.steps:
            if step.action == "fresh":
                self._fresh[step.slot] = [snapshot.project_path(output.output.path) for output in step.outputs]

    def record(self, entry: LockEntry, published: Iterable[str], paths: list[str] | None) -> None:
        """A slot was built.

        Args:
            entry: what the lock file is to say of it.
            published: paths of the outputs that were written just now.
            paths: all its outputs, or `None` when one of them is in a person's hands: the next build looks again.
        """
        self._recorded[entry.slot] = self._unwritten[entry.slot] = entry
        for path in published:
            place = self._snapshot.project_path(path)
            locked = entry.output_at(path)
            found = stat_of(os.path.join(self._snapshot.project.root, place))
            self._stats[place] = (found, locked.digest if locked else "")
        if paths is not None:
            self._fresh_when_written[entry.slot] = [self._snapshot.project_path(path) for path in paths]
        if time.monotonic() - self._written_at >= _SHARE_OF_TIME * self._write_s:
            self._write_lock()

    def entry(self, slot: str) -> LockEntry | None:
        """What is known of a slot now."""
        return self._recorded.get(slot) or self._lock.entry(slot)

    def watch_exports(self, stats: dict[str, Stat]) -> None:
        """Stats of the exports, by absolute path: the next build looks again when they are no longer like this."""
        self._exports = stats

    def drop(self, slot: str) -> None:
        """A slot is gone from the lock file."""
        self._dropped.add(slot)

    def forget(self, slot: str, path: str) -> None:
        """One file of a slot is gone from the lock file."""
        entry = self.entry(slot)
        if entry is not None:
            kept = tuple(locked for locked in entry.outputs if locked.output.path != path)
            self._recorded[slot] = self._unwritten[slot] = msgspec.structs.replace(entry, outputs=kept)

    def close(self) -> None:
        """Write the lock file, then the state.

        Raises:
            AssetgenError: the lock file can't be written.
        """
        if self._unwritten or self._dropped or self._snapshot.lock.problems:
            self._write_lock()
        self._wait_for_the_clock()
        self._write_state()

    def _write_lock(self) -> None:
        """Write what is new; when somebody else, such as `git pull`, has changed the file meanwhile, into theirs."""
        begun, file = time.monotonic(), self._snapshot.project.lock_file
        if stat_of(str(file)) != self._lock_stat:
            self._lock, self._unwritten = read_lock(file), dict(self._recorded)
            self._fresh = {}  # by the old lock file: the next build looks again
        lock = self._lock.with_entries(self._unwritten.values(), self._dropped)
        try:
            write_atomic(file, lock.data)
        except OSError as error:
            hint = "what was made is in the store: the next build goes on from there"
            raise AssetgenError(f"can't write `{file.name}`: {error.strerror or error}", hint=hint) from error
        self._lock, self._lock_stat, self._unwritten = lock, stat_of(str(file)), {}
        self._fresh |= self._fresh_when_written
        self._fresh_when_written = {}
        self._written_at = time.monotonic()
        self._write_s = self._written_at - begun

    def _wait_for_the_clock(self) -> None:
        """Let a tick pass after the newest file, then read again what was written within the last one: whoever wrote
        to it in that moment would otherwise never be noticed."""
        newest_ns = max((found[2] for found, _ in self._stats.values()), default=0)
        left_s = _CLOCK_TICK_S - (time.time() - newest_ns / 1e9)
        if not 0 < left_s <= _CLOCK_TICK_S:
            return
        time.sleep(left_s)
        for place, (found, digest) in self._stats.items():
            if found[2] > newest_ns - _CLOCK_TICK_S * 1e9:
                path = self._snapshot.project.root / place
                self._stats[place] = (stat_of(str(path)), _digest_now(path))
                if self._stats[place][1] != digest:
                    self._fresh = {slot: paths for slot, paths in self._fresh.items() if place not in paths}

    def _write_state(self) -> None:
        snapshot, project = self._snapshot, self._snapshot.project
        versions = [codec.__file__, finish.__file__, scoring.__file__, *sources(), *toolchain()]
        watched: dict[str, Stat] = {str(project.lock_file): self._lock_stat, **snapshot.inputs.named, **self._exports}
        watched |= {path: stat_of(path) for path in versions}
        position = {slot: index for index, slot in enumerate(snapshot.manifest.slots)}
        fresh = sorted((slot for slot in self._fresh if slot in position), key=position.__getitem__)
        data = encode_state(
            snapshot.inputs.manifest_digest,
            slot_count=len(position),
            watched=watched,
            outputs=self._stats,
            slots={slot: (snapshot.manifest.fingerprints[slot], self._fresh[slot]) for slot in fresh},
        )
        with contextlib.suppress(OSError):  # only a cache: without it the next build takes a closer look
            project.private_folder.write(project.state.name, data)


def _digest_now(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError:
        return ""


def entry_of(step: Step, published: dict[str, Published], facts: Facts, provenance: Provenance) -> LockEntry:
    """The lock entry of a slot after its step. Outputs that were left alone keep what the lock said of them."""
    recipe, old = step.recipe, step.entry
    locked = [found for output in step.outputs if (found := _locked(output, published, old)) is not None]
    asked = {output.path for output in recipe.outputs}
    leftover = [known for known in old.outputs if known.output.path not in asked] if old else []
    return LockEntry(
        slot=recipe.slot,
        title=recipe.title,
        game=recipe.game,
        take_key=step.keys.take,
        master_key=step.keys.master,
        outputs=(*locked, *leftover),
        brief=recipe.brief,
        finish=recipe.finish,
        facts=facts,
        provenance=provenance,
        versions=step.versions,
        key_parameters=step.key_parameters,
    )


def _locked(step: OutputStep, published: dict[str, Published], old: LockEntry | None) -> LockedOutput | None:
    path = step.output.path
    before = old.output_at(path) if old else None
    if path in published:
        done = published[path]
        return _output(step, done.digest, done.size, before, done.sound)
    if step.action in ("fresh", "relock"):
        return _output(step, step.digest, step.size, before)
    return before


def _output(
    step: OutputStep, digest: str, size: int, before: LockedOutput | None, sound: Sound | None = None
) -> LockedOutput:
    """A person's own file stays one as long as its bytes do, and what was heard in it stays true."""
    same = before if before is not None and before.digest == digest else None
    hand_made = same is not None and same.hand_made
    sound = sound or (same.sound if same else None)
    return LockedOutput(output=step.output, key=step.key, digest=digest, size=size, hand_made=hand_made, sound=sound)
