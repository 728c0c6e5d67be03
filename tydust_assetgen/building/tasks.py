"""Tasks: slots that the store could not fill, and the jobs for workers that come of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from tydust_assetgen.building.messages import (
    GENERATED,
    Failure,
    Job,
    PerformJob,
    ReferenceFile,
    ShelfContents,
    TrackJob,
)
from tydust_assetgen.flow import Brief, Verified
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.manifest import SLOT
from tydust_assetgen.planning.plan import Step
from tydust_assetgen.project.lockfile import LockEntry
from tydust_assetgen.project.seeds import candidate


@dataclass
class Task:
    """One slot under way: what is still to be made, and what is ready to be published."""

    step: Step
    begun: float
    missing: list[int] = field(default_factory=list)
    ready: list[Verified] = field(default_factory=list)
    started: bool = False
    pending: set[int] = field(default_factory=set)
    """Takes that are out to be performed in batches."""
    coming: set[int] = field(default_factory=set)
    """Those of them that a batch makes which was begun for an earlier build."""
    performed: set[int] = field(default_factory=set)
    """Takes that batches have brought."""
    lost: dict[int, Failure] = field(default_factory=dict)
    """Takes that could not be made, and why."""
    shares: dict[int, float] = field(default_factory=dict)
    """How far each take of a batch is."""
    reached: float = 0.0
    """How far the slot is; it never goes back."""

    @property
    def takes(self) -> tuple[int, ...]:
        """The numbers of the takes of which the best is published."""
        return self.step.contenders

    def advance(self, number: int, share: float) -> float:
        """How far the slot is, now that take `number`, performed in a batch, is so far; 0 for the slot itself."""
        if number:
            self.shares[number] = share
            share = GENERATED * sum(self.shares.values()) / len(self.step.perform)
        self.reached = max(self.reached, share)
        return self.reached

    def settle(self, number: int, failure: Failure | None) -> None:
        """A take was performed, or is lost."""
        self.pending.discard(number)
        self.shares[number] = 1.0
        if failure:
            self.lost[number] = failure
        else:
            self.performed.add(number)

    @property
    def wanted_takes(self) -> frozenset[str]:
        """Keys of the takes that are to be performed in batches."""
        step = self.step
        if not step.perform or not _in_batches(step.recipe.brief.generator):
            return frozenset()
        return frozenset(step.keys.candidates[number - 1] for number in step.perform)

    @property
    def follows(self) -> frozenset[str]:
        """The slots whose sound its generator is to hear."""
        return frozenset(self.step.follows)


Entry: TypeAlias = tuple[Task, int]
"""One take of a task, by its number."""


@dataclass(frozen=True)
class WorkContext:
    """The folders that jobs need, and how it is known what other slots sound like."""

    store: Path
    root: Path
    tree: Path
    entry_of: Callable[[str], LockEntry | None]

    def shelf(self, briefs: Iterable[Brief]) -> ShelfContents:
        """What these briefs' generator is to hear."""
        named = {one.digest: one.path for brief in briefs for one in brief.references}
        return ShelfContents(str(self.root), tuple(self._reference(digest, path) for digest, path in named.items()))

    def _reference(self, digest: str, path: str) -> ReferenceFile:
        slot = path.removeprefix(SLOT)
        if slot == path:
            return ReferenceFile(path, digest, str(self.root / path), digest)
        entry = self.entry_of(slot)
        return ReferenceFile(path, digest, str(self.tree / slot), entry.sound_of(digest) if entry else "")


def jobs_for(tasks: list[Task], context: WorkContext, under_way: Collection[str] = ()) -> list[Job]:
    """A job for each slot; slots whose generator likes batches are first performed together, and those with the same
    parameters one after the other. Takes whose keys are `under_way` in a batch already are only waited for."""
    jobs: list[Job] = []
    batches: dict[str, list[Entry]] = {}
    for task in tasks:
        name = task.step.recipe.brief.generator
        if task.step.perform and _in_batches(name):
            keys = task.step.keys.candidates
            coming = {number for number in task.step.perform if keys[number - 1] in under_way}
            task.coming, task.pending = coming, task.pending | coming
            batches.setdefault(name, []).extend((task, one) for one in task.step.perform if one not in coming)
        else:
            jobs.append(track_job(task, context))
    for name, waiting in batches.items():
        size = generator(name).resources.batch
        waiting = sorted(waiting, key=lambda entry: [str(one) for one in _brief(entry).parameters.values()])
        jobs.extend(perform_job(waiting[at : at + size], context) for at in range(0, len(waiting), size))
    return jobs


def _in_batches(name: str) -> bool:
    resources = generator(name).resources
    return resources.gpu or resources.batch > 1


def track_job(task: Task, context: WorkContext) -> TrackJob:
    step = task.step
    forced = any(reason.kind == "forced" for reason in step.reasons)
    afresh: Literal["", "master", "take"] = "" if not forced else "master" if task.performed else "take"
    return TrackJob(
        store=str(context.store),
        shelf=context.shelf((step.recipe.brief,)),
        recipe=step.recipe,
        keys=step.keys,
        outputs=tuple(task.missing),
        contenders=task.takes,
        lost={number: failure.message for number, failure in task.lost.items()},
        afresh=afresh,
    )


def perform_job(entries: Sequence[Entry], context: WorkContext) -> PerformJob:
    """One batch. Its takes are out from now on."""
    for task, number in entries:
        task.pending.add(number)
    briefs = tuple(map(_brief, entries))
    return PerformJob(
        store=str(context.store),
        shelf=context.shelf(briefs),
        slots=tuple(task.step.slot for task, _ in entries),
        numbers=tuple(number for _, number in entries),
        briefs=briefs,
        take_keys=tuple(task.step.keys.candidates[number - 1] for task, number in entries),
    )


def _brief(entry: Entry) -> Brief:
    task, number = entry
    return candidate(task.step.recipe.brief, number)


def slots_of(job: Job) -> tuple[str, ...]:
    return tuple(dict.fromkeys(job.slots)) if isinstance(job, PerformJob) else (job.recipe.slot,)
