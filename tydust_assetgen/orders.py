"""From steps to jobs. In walk steps that the store could not fill, out walk jobs for the workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tydust_assetgen.flow import Verified
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.jobs import Job, PerformJob, ShelfList, TrackJob
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


def jobs_for(orders: list[Order], store: str, root: str) -> list[Job]:
    """A job for each slot; slots whose generator likes batches are first performed together."""
    jobs: list[Job] = []
    batches: dict[str, list[Order]] = {}
    for order in orders:
        name = order.step.recipe.brief.generator
        if order.step.action == "generate" and _in_batches(name):
            batches.setdefault(name, []).append(order)
        else:
            jobs.append(track_job(order, store, root))
    for name, waiting in batches.items():
        size = generator(name).resources.batch
        jobs.extend(_perform_job(waiting[at : at + size], store, root) for at in range(0, len(waiting), size))
    return jobs


def _in_batches(name: str) -> bool:
    resources = generator(name).resources
    return resources.gpu or resources.batch > 1


def track_job(order: Order, store: str, root: str) -> TrackJob:
    step = order.step
    forced = any(reason.kind == "forced" for reason in step.reasons)
    afresh: Literal["", "master", "take"] = "" if not forced else "master" if order.performed else "take"
    return TrackJob(
        store=store,
        shelf=ShelfList(root),
        recipe=step.recipe,
        keys=step.keys,
        outputs=tuple(order.missing),
        afresh=afresh,
    )


def _perform_job(orders: list[Order], store: str, root: str) -> PerformJob:
    return PerformJob(
        store=store,
        shelf=ShelfList(root),
        slots=tuple(order.step.slot for order in orders),
        briefs=tuple(order.step.recipe.brief for order in orders),
        take_keys=tuple(order.step.keys.take for order in orders),
    )


def slots_of(job: Job) -> tuple[str, ...]:
    return job.slots if isinstance(job, PerformJob) else (job.recipe.slot,)
