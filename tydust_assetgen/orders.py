"""From steps to jobs. In walk steps that the store could not fill, out walk jobs for the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tydust_assetgen.flow import Brief, Verified
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.jobs import Heard, Job, PerformJob, ShelfList, TrackJob
from tydust_assetgen.lockfile import LockEntry
from tydust_assetgen.manifest import SLOT
from tydust_assetgen.planning import Step


@dataclass
class Order:
    """One slot under way: what is still to be made, and what is ready to be published."""

    step: Step
    begun: float
    missing: list[int] = field(default_factory=list)
    ready: list[Verified] = field(default_factory=list)
    started: bool = False
    performed: bool = False

    @property
    def follows(self) -> frozenset[str]:
        """The slots whose sound its generator is to hear."""
        heard = self.step.recipe.brief.references if self.step.action == "generate" else ()
        return frozenset(one.path.removeprefix(SLOT) for one in heard if one.path.startswith(SLOT))


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
        locked = entry.output_at(slot) if entry else None
        return Heard(path, digest, str(self.tree / slot), locked.digest if locked else "")


def jobs_for(orders: list[Order], bench: Bench) -> list[Job]:
    """A job for each slot; slots whose generator likes batches are first performed together, and those with the same
    parameters one after the other."""
    jobs: list[Job] = []
    batches: dict[str, list[Order]] = {}
    for order in orders:
        name = order.step.recipe.brief.generator
        if order.step.action == "generate" and _in_batches(name):
            batches.setdefault(name, []).append(order)
        else:
            jobs.append(track_job(order, bench))
    for name, waiting in batches.items():
        size = generator(name).resources.batch
        waiting = sorted(waiting, key=lambda order: [str(one) for one in order.step.recipe.brief.parameters.values()])
        jobs.extend(_perform_job(waiting[at : at + size], bench) for at in range(0, len(waiting), size))
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
        afresh=afresh,
    )


def _perform_job(orders: list[Order], bench: Bench) -> PerformJob:
    briefs = tuple(order.step.recipe.brief for order in orders)
    return PerformJob(
        store=str(bench.store),
        shelf=bench.shelf(briefs),
        slots=tuple(order.step.slot for order in orders),
        briefs=briefs,
        take_keys=tuple(order.step.keys.take for order in orders),
    )


def slots_of(job: Job) -> tuple[str, ...]:
    return job.slots if isinstance(job, PerformJob) else (job.recipe.slot,)
