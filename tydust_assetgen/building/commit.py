"""How every slot ends: published and locked, left out, or failed.

The lock entry is written last, after the files that it describes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tydust_assetgen import events, system
from tydust_assetgen.building.journal import BuildJournal, entry_of
from tydust_assetgen.building.messages import Failure
from tydust_assetgen.building.publish import publish
from tydust_assetgen.building.report import Result, Tally, result_of
from tydust_assetgen.building.tasks import Task
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Facts, Provenance, Published, Verified
from tydust_assetgen.planning.plan import Plan, Snapshot, Step
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry
from tydust_assetgen.project.project import Project


@dataclass
class ResultCommitter:
    """What became of the slots of one build."""

    snapshot: Snapshot
    plan: Plan
    journal: BuildJournal
    tell: events.Emit
    tally: Tally = field(default_factory=Tally)
    results: list[Result] = field(default_factory=list)
    on_made: Callable[[Step], None] = lambda _: None
    """Called with each step that made something, when it is published."""

    @property
    def project(self) -> Project:
        return self.snapshot.project

    @property
    def failed(self) -> tuple[str, ...]:
        """The slots that failed so far."""
        return tuple(result.slot for result in self.results if result.status == "failed")

    def finish(self, task: Task, facts: Facts, provenance: Provenance, notes: tuple[str, ...] = ()) -> bool:
        """Publish what is ready, then write the lock entry. False when it failed."""
        step = task.step
        try:
            published = {verified.output.path: self._publish(step, verified) for verified in task.ready}
            entry = self._with_sounds(entry_of(step, published, facts, provenance))
            whole = all(output.action != "blocked" for output in step.outputs)
            paths = [output.output.path for output in step.outputs]
            self.journal.record(entry, published, paths if whole else None)
        except AssetgenError as error:
            problem = error.problems[0]
            self.fail(step, Failure(message=problem.message, hint=problem.hint, place=problem.place))
            return False
        except OSError as error:
            self.fail(step, Failure(message=f"can't write: {error.strerror or error}", hint="is the disk full?"))
            return False
        seconds = time.monotonic() - task.begun
        self.tell(events.Done(slot=step.slot, action=step.action, paths=tuple(published), seconds=seconds, notes=notes))
        made = step.action not in ("restore", "relock")
        self.results.append(result_of(step, "made" if made else "restored"))
        if made:
            self.on_made(step)
        return True

    def _with_sounds(self, entry: LockEntry) -> LockEntry:
        """The entry with what the store knows of how files sound that were not made just now."""
        return msgspec.structs.replace(entry, outputs=tuple(map(self._with_sound, entry.outputs)))

    def _with_sound(self, locked: LockedOutput) -> LockedOutput:
        record = None if locked.sound else self.project.store.output(locked.key)
        if record is None or record.verified.digest != locked.digest:
            return locked
        return msgspec.structs.replace(locked, sound=record.verified.sound)

    def _publish(self, step: Step, verified: Verified) -> Published:
        data = self.project.store.read_object(verified.digest)
        if data is None:
            raise AssetgenError(f"the store lost `{verified.output.path}` before it was published", hint="build again")
        _, seen_digest = self.snapshot.stats[self.snapshot.project_path(verified.output.path)]
        self._keep_aside(step, verified.output.path, seen_digest)
        return publish(verified, data, self.snapshot.tree, seen_digest=seen_digest)

    def _keep_aside(self, step: Step, path: str, digest: str) -> None:
        """What is about to be written over, and is nowhere else, is kept: damaged or forced, nothing is ever lost."""
        locked = step.entry.output_at(path) if step.entry else None
        store = self.project.store
        made_here = store.has_object(digest) or (locked and locked.digest == digest and not locked.hand_made)
        if made_here or not digest:
            return
        kept = store.keep_aside(Path(path).name, system.read_bounded(system.inside(self.snapshot.tree, path)))
        place = kept.relative_to(self.project.root).as_posix()
        self.tell(events.Warned(message=f"what stood at `{path}` is kept as `{place}`", slot=step.slot))

    def bug_hint(self, failure: Failure) -> str:
        """Where the traceback of our own bug was written; empty where it is none."""
        if not failure.traceback:
            return ""
        log = self.project.logs / "bug.log"
        self.project.private_folder.write("logs/bug.log", failure.traceback.encode())
        return f"this is our own bug; its traceback is in `{log}`"

    def fail(self, step: Step, failure: Failure) -> None:
        """A slot could not be made."""
        hint = self.bug_hint(failure) or failure.hint
        self.tally.failed += 1
        place = failure.place or step.recipe.place
        bug = bool(failure.traceback)
        self.tell(events.Failed(slot=step.slot, message=failure.message, hint=hint, place=place, bug=bug))
        self.results.append(result_of(step, "failed", message=failure.message, hint=hint, bug=bug))

    def leave_out(self, step: Step, message: str, hint: str) -> None:
        """A slot can't be made here, and that is no failure."""
        self.tally.absent += 1
        self.tell(events.Warned(message=message, slot=step.slot, hint=hint))
        self.results.append(result_of(step, "absent", message=message, hint=hint))
