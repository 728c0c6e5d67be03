"""Measures every published file again, and reports every check.

A file is held against what it was built from, as the lock file has it; where the manifest asks for something else
by now, a warning says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tydust_assetgen.building.messages import Failure, FileToInspect, Inspected, InspectedFile, InspectJob
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.flow import Check, Facts, Output, Recipe
from tydust_assetgen.planning.plan import Plan, Snapshot, Step
from tydust_assetgen.project.lockfile import LockEntry
from tydust_assetgen.system import cores


class SlotReport(msgspec.Struct, frozen=True, kw_only=True):
    """All checks on the files of one slot."""

    slot: str
    files: tuple[InspectedFile, ...]

    @property
    def ok(self) -> bool:
        return not any(check.status == "fail" for file in self.files for check in file.checks)


def inspect(
    snapshot: Snapshot, plan: Plan, *, jobs: int = 0, on_report: Callable[[SlotReport], None] | None = None
) -> list[SlotReport]:
    """Inspect every slot of a thorough plan, in parallel; the reports stand in the manifest's task."""
    steps = {step.slot: step for step in plan.steps}
    found: dict[str, SlotReport] = {}
    with Pool(jobs or cores(), snapshot.project.logs) as pool:
        for step in steps.values():
            pool.submit(_job(snapshot.tree, step))
        for report in _reports(pool):
            step = steps[report.slot]
            found[report.slot] = _with_warning(_lenient(report, step), step)
            if on_report:
                on_report(found[report.slot])
    return [found[slot] for slot in steps]


def _reports(pool: Pool) -> Iterator[SlotReport]:
    for job, answer in pool.answers():
        assert isinstance(job, InspectJob)
        if isinstance(answer, Inspected):
            yield SlotReport(slot=answer.slot, files=answer.files)
        elif isinstance(answer, Failure):
            yield SlotReport(slot=job.recipe.slot, files=tuple(_failed(file, answer) for file in job.files))


def _failed(file: FileToInspect, failure: Failure) -> InspectedFile:
    check = Check(name="inspected", status="fail", measured="nothing", wanted="a report", reason=failure.message)
    return InspectedFile(path=file.output.path, digest="", checks=(check,))


def _job(tree: Path, step: Step) -> InspectJob:
    recipe = _as_built(step.recipe, step.entry) if step.entry else step.recipe
    files = tuple(
        FileToInspect(output=output, place=str(tree / output.path), digest=_locked_digest(step, output))
        for output in recipe.outputs
    )
    return InspectJob(recipe=recipe, facts=step.entry.facts if step.entry else Facts(), files=files)


def _as_built(recipe: Recipe, entry: LockEntry) -> Recipe:
    """The recipe as the lock file has it. Outputs that the manifest asks for but never built stay asked for."""
    built = {locked.output.path: locked.output for locked in entry.outputs}
    outputs = tuple(built.get(output.path, output) for output in recipe.outputs)
    return msgspec.structs.replace(recipe, brief=entry.brief, finish=entry.finish, outputs=outputs)


def _locked_digest(step: Step, output: Output) -> str:
    locked = step.entry.output_at(output.path) if step.entry else None
    return locked.digest if locked else ""


def _lenient(report: SlotReport, step: Step) -> SlotReport:
    """A person's own file may sound as they like: only damage is held against it."""
    if not (step.entry and step.entry.hand_made):
        return report
    strict = ("there", "digest", "decodes", "inspected")
    files = tuple(
        msgspec.structs.replace(file, checks=tuple(_softened(check, strict) for check in file.checks))
        for file in report.files
    )
    return msgspec.structs.replace(report, files=files)


def _softened(check: Check, strict: tuple[str, ...]) -> Check:
    soften = check.status == "fail" and check.name not in strict
    return msgspec.structs.replace(check, status="warn") if soften else check


def _with_warning(report: SlotReport, step: Step) -> SlotReport:
    changed = [str(reason) for reason in step.reasons if reason.kind == "recipe changed"]
    if not changed or not report.files:
        return report
    why = f"the manifest asks for something else by now ({'; '.join(changed[:3])}): run `assetgen build`"
    warning = Check(name="recipe", status="warn", measured="as built", wanted="as in the manifest", reason=why)
    first, *rest = report.files
    first = msgspec.structs.replace(first, checks=(*first.checks, warning))
    return msgspec.structs.replace(report, files=(first, *rest))
