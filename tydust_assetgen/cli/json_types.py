"""What commands print with `--json`: each result is one JSON object.

Keys may be added, but none changes its meaning or goes. `assetgen schema results` prints the schema.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tydust_assetgen.planning.plan import Action, Orphan, Step
from tydust_assetgen.planning.reasons import Reason


class OutputResult(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a slot, and what is to be done with it."""

    path: str
    action: Literal["fresh", "relock", "restore", "make", "blocked"]


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """One slot: what it needs, and why."""

    slot: str
    action: Action
    reasons: tuple[Reason, ...]
    outputs: tuple[OutputResult, ...]
    picked: int
    """The take that is pinned; 0 for the best."""
    takes: tuple[int, ...]
    """The numbers of the takes that must be generated."""


class StatusResult(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen status`: every slot, and the files that nobody asks for any more."""

    slots: tuple[StepResult, ...]
    orphans: tuple[Orphan, ...]


class PlanResult(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen build --dry-run`: what a build would do."""

    fresh: int
    steps: tuple[StepResult, ...]
    """Of the slots that are not fresh."""
    orphans: tuple[Orphan, ...]
    estimate_s: float
    cautions: tuple[str, ...]


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """A file beside the music that is not as it should be, such as the catalogue."""

    path: str
    status: Literal["fresh", "missing", "stale", "foreign"]
    reason: str
    hint: str


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen check`: what is not fresh."""

    fresh: int
    stale: tuple[StepResult, ...]
    beside: tuple[ExportResult, ...]


class SlotFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files that a slot becomes, in the asset tree; its own comes first."""

    slot: str
    paths: tuple[str, ...]


class ListResult(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen list`: what build tools want to know. Paths are absolute, but for those of the slots."""

    manifest: str
    tree: str
    needs: tuple[str, ...]
    """Every file that the manifest names."""
    slots: tuple[SlotFiles, ...]


def step_result(step: Step) -> StepResult:
    """What a program wants to know of a step."""
    return StepResult(
        slot=step.slot,
        action=step.action,
        reasons=step.reasons,
        outputs=tuple(OutputResult(path=one.output.path, action=one.action) for one in step.outputs),
        picked=step.recipe.brief.pick,
        takes=step.perform,
    )
