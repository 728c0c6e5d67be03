"""From steps to jobs. In walk steps that the store could not fill, out walk jobs for the workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from tydust_assetgen.building.messages import GENERATED, Heard, Job, PerformJob, ShelfList, TrackJob, Trouble
from tydust_assetgen.flow import Brief, Verified
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.manifest import SLOT
from tydust_assetgen.planning.plan import Step
from tydust_assetgen.project.lockfile import LockEntry
from tydust_assetgen.project.seeds import candidate


@dataclass
class Order:
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
    lost: dict[int, Trouble] = field(default_factory=dict)
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

    def settle(self, number: int, trouble: Trouble | None) -> None:
        """A take was performed, or is lost."""
        self.pending.discard(number)
        self.shares[number] = 1.0
        if trouble:
            self.lost[number] = trouble
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


Entry: TypeAlias = tuple[Order, int]
"""One take of an order, by its number."""


@dataclass(frozen=True)
class Bench:
    """Where jobs are worked on, and how it is known what other slots sound like."""

    store: Path
    root: Path
    tree: Path
    entry_of: Callable[[str], LockEntry | None]

    def shelf(self, briefs: Iterable[Brief]) -> ShelfList:
        """What these briefs' generator is to hear."""
        named = {one.digest: one.path for brief in briefs for one in brief.references}
        return ShelfList(str(self.root), tuple(self._heard(digest, path) for digest, path in named.items()))

    def _heard(self, digest: str, path: str) -> Heard:
        slot = path.removeprefix(SLOT)
        if slot == path:
            return Heard(path, digest, str(self.root / path), digest)
        entry = self.entry_of(slot)
        return Heard(path, digest, str(self.tree / slot), entry.sound_of(digest) if entry else "")


def jobs_for(orders: list[Order], bench: Bench, under_way: Collection[str] = ()) -> list[Job]:
    """A job for each slot; slots whose generator likes batches are first performed together, and those with the same
    parameters one after the other. Takes whose keys are `under_way` in a batch already are only waited for."""
    jobs: list[Job] = []
    batches: dict[str, list[Entry]] = {}
    for order in orders:
        name = order.step.recipe.brief.generator
        if order.step.perform and _in_batches(name):
            keys = order.step.keys.candidates
            coming = {number for number in order.step.perform if keys[number - 1] in under_way}
            order.coming, order.pending = coming, order.pending | coming
            batches.setdefault(name, []).extend((order, one) for one in order.step.perform if one not in coming)
        else:
            jobs.append(track_job(order, bench))
    for name, waiting in batches.items():
        size = generator(name).resources.batch
        waiting = sorted(waiting, key=lambda entry: [str(one) for one in _brief(entry).parameters.values()])
        jobs.extend(perform_job(waiting[at : at + size], bench) for at in range(0, len(waiting), size))
    return jobs


def _in_batches(name: str) -> bool:
    resources = generator(name).resources
    return resources.gpu or resources.batch > 1


def track_job(order: Order, bench: Bench) -> TrackJob:
    step = order.step
    forced = any(reason.kind == "forced" for reason in step.reasons)
    afresh: Literal["", "master", "take"] = "" if not forced else "master" if order.performed else "take"
    return TrackJob(
        store=str(bench.store),
        shelf=bench.shelf((step.recipe.brief,)),
        recipe=step.recipe,
        keys=step.keys,
        outputs=tuple(order.missing),
        contenders=order.takes,
        lost={number: trouble.message for number, trouble in order.lost.items()},
        afresh=afresh,
    )


def perform_job(entries: Sequence[Entry], bench: Bench) -> PerformJob:
    """One batch. Its takes are out from now on."""
    for order, number in entries:
        order.pending.add(number)
    briefs = tuple(map(_brief, entries))
    return PerformJob(
        store=str(bench.store),
        shelf=bench.shelf(briefs),
        slots=tuple(order.step.slot for order, _ in entries),
        numbers=tuple(number for _, number in entries),
        briefs=briefs,
        take_keys=tuple(order.step.keys.candidates[number - 1] for order, number in entries),
    )


def _brief(entry: Entry) -> Brief:
    order, number = entry
    return candidate(order.step.recipe.brief, number)


def slots_of(job: Job) -> tuple[str, ...]:
    return tuple(dict.fromkeys(job.slots)) if isinstance(job, PerformJob) else (job.recipe.slot,)
