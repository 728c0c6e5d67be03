"""Book-keeping of one build: the lock file and the state. In walk lock entries as slots are published.

The lock file is written after each track, so that a killed build keeps what it has done; when it is large, it is
written less often, never costing more than a twentieth of the time. What is not yet in it heals from the store.
"""

from __future__ import annotations

import contextlib
import os
import time

from tydust_assetgen import codec, finish
from tydust_assetgen.disk import digest_file, write_atomic
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Facts, Provenance, Published
from tydust_assetgen.generate.registry import sources
from tydust_assetgen.lockfile import LockedOutput, LockEntry, LockFile
from tydust_assetgen.planning import OutputStep, Step
from tydust_assetgen.state import Stat, encode_state, stat_of, toolchain
from tydust_assetgen.survey import Survey

_SHARE_OF_TIME = 20
_CLOCK_TICK_S = 0.02
"""File times advance in ticks of 4 to 16 ms: two writes within one can't be told apart by their stat."""


class Ledger:
    """What is known at this moment of a build. `close` writes everything down."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._pending: dict[str, LockEntry] = {}
        self._dropped: set[str] = set()
        self._stats = dict(survey.stats)
        self._fresh = dict(survey.settled)
        self._lock: LockFile = survey.lock
        self._written_at = 0.0
        self._write_s = 0.0
        for step in survey.plan.steps:
            if step.action == "fresh":
                self._settle(step.slot, [output.output.path for output in step.outputs])

    def record(self, entry: LockEntry, published: dict[str, str], paths: list[str] | None) -> None:
        """A slot was built. `published` holds digests by output path; `paths` all its outputs, or `None` when
        one of them is in a person's hands, so that the next build looks again."""
        self._pending[entry.slot] = entry
        for path, digest in published.items():
            place = self._survey.project_path(path)
            self._stats[place] = (stat_of(os.path.join(self._survey.project.root, place)), digest)
        if paths is not None:
            self._settle(entry.slot, paths)
        if time.monotonic() - self._written_at >= _SHARE_OF_TIME * self._write_s:
            self._write_lock()

    def drop(self, slot: str) -> None:
        """A slot is gone from the lock file."""
        self._dropped.add(slot)

    def entry(self, slot: str) -> LockEntry | None:
        return self._pending.get(slot) or self._lock.entry(slot)

    def close(self) -> None:
        """Write the lock file, then the state."""
        if self._pending or self._dropped:
            self._write_lock()
        self._wait_for_the_clock()
        self._write_state()

    def _settle(self, slot: str, paths: list[str]) -> None:
        self._fresh[slot] = [self._survey.project_path(path) for path in paths]

    def _write_lock(self) -> None:
        begun = time.monotonic()
        self._lock = self._lock.with_entries(self._pending.values(), self._dropped)
        self._pending, self._dropped = {}, set()
        try:
            write_atomic(self._survey.project.lock_file, self._lock.data)
        except OSError as error:
            name, why = self._survey.project.lock_file.name, error.strerror or error
            hint = "what was made is in the store: the next build goes on from there"
            raise AssetgenError(f"can't write `{name}`: {why}", hint=hint) from error
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
                path = self._survey.project.root / place
                self._stats[place] = (stat_of(str(path)), digest_file(path))
                if self._stats[place][1] != digest:
                    self._fresh = {slot: paths for slot, paths in self._fresh.items() if place not in paths}

    def _write_state(self) -> None:
        survey, project = self._survey, self._survey.project
        versions = [codec.__file__, finish.__file__, *sources(), *toolchain()]
        files = [str(project.lock_file), *map(str, survey.manifest.files), *versions]
        watched: dict[str, Stat] = {path: stat_of(path) for path in files}
        order = {slot: index for index, slot in enumerate(survey.manifest.slots)}
        fresh = sorted((slot for slot in self._fresh if slot in order), key=order.__getitem__)
        data = encode_state(
            survey.manifest_digest,
            slot_count=len(order),
            watched=watched,
            outputs=self._stats,
            slots={slot: (survey.fingerprints[slot], self._fresh[slot]) for slot in fresh},
        )
        with contextlib.suppress(OSError):  # only a cache: without it the next build takes a closer look
            write_atomic(project.state, data, durable=False)


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
    )


def _locked(step: OutputStep, published: dict[str, Published], old: LockEntry | None) -> LockedOutput | None:
    path = step.output.path
    if path in published:
        done = published[path]
        return LockedOutput(output=step.output, key=step.key, digest=done.digest, size=done.size)
    before = old.output_at(path) if old else None
    if step.action in ("fresh", "relock"):
        size = step.size
        return LockedOutput(output=step.output, key=step.key, digest=step.digest, size=size)
    return before
