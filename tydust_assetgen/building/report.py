"""How to build, and what became of it: what programs hand in and get back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

from tydust_assetgen import events

if TYPE_CHECKING:
    from tydust_assetgen.planning.plan import Plan, Snapshot, Step


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to build."""

    slots: tuple[str, ...] = ()
    """Only these; all when empty."""
    force: bool = False
    """Make `slots` again, whatever is there."""
    jobs: int = 0
    """Worker processes; 0 for as many as there are cores."""
    prune: bool = False
    """Remove what the manifest no longer asks for."""
    picks: dict[str, int] = {}
    """Takes to pin, by slot; 0 takes the pin back and lets the best take win."""
    wait: bool = True
    """Wait for another build that is at work here."""
    frozen: bool = False
    """Fail, and change nothing, when a generator would have to make anything."""
    offline_ok: bool = False
    """What wants a GPU or a generator that is not here comes from a cache, or is left out and no failure."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one slot."""

    slot: str
    status: str
    """`fresh`, `made`, `restored`, `blocked`, `absent` or `failed`."""
    action: str
    reasons: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    bug: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a build: a summary, and a result for each slot that was asked for."""

    summary: events.Summary
    results: tuple[Result, ...]

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 a track failed, 3 a track failed by our own bug."""
        if any(result.bug for result in self.results):
            return 3
        return 1 if self.summary.failed else 0


@dataclass
class Tally:
    """Numbers of slots, as the summary gives them."""

    generated: int = 0
    finished: int = 0
    encoded: int = 0
    restored: int = 0
    failed: int = 0
    absent: int = 0
    pruned: int = 0


def report_of(snapshot: Snapshot, plan: Plan, tally: Tally, results: list[Result], seconds: float) -> Report:
    """The report of a build that has ended, `seconds` after it began."""
    blocked = sum(any(output.action == "blocked" for output in step.outputs) for step in plan.steps)
    summary = events.Summary(
        **asdict(tally),
        fresh=plan.fresh + sum(result.action == "relock" for result in results),
        blocked=blocked,
        seconds=round(seconds, 3),
    )
    return Report(summary=summary, results=_all_results(snapshot, plan, results))


def _all_results(snapshot: Snapshot, plan: Plan, results: list[Result]) -> tuple[Result, ...]:
    """A result for each slot that was asked for, in the manifest's order."""
    found = {result.slot: result for result in results}
    found |= {step.slot: result_of(step, "fresh") for step in plan.with_action("fresh")}
    prefix, settled = snapshot.project_path(""), snapshot.settled
    for slot in snapshot.wanted:
        if slot in settled:
            paths = tuple([path.removeprefix(prefix) for path in settled[slot]])
            found[slot] = Result(slot=slot, status="fresh", action="fresh", paths=paths)
    return tuple([found[slot] for slot in snapshot.wanted if slot in found])


def result_of(step: Step, status: str, *, message: str = "", hint: str = "", bug: bool = False) -> Result:
    """What became of a step."""
    paths = tuple(output.output.path for output in step.outputs)
    return Result(
        slot=step.slot,
        status=status,
        action=step.action,
        reasons=reasons_of(step),
        paths=paths,
        message=message,
        hint=hint,
        bug=bug,
    )


def reasons_of(step: Step) -> tuple[str, ...]:
    """Why a slot is not fresh, in words."""
    return tuple(map(str, step.reasons))
