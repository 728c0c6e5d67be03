"""The functions `plan` and `check` of the API, which look and build nothing."""

from __future__ import annotations

from collections.abc import Iterable

from tydust_assetgen.planning.plan import Plan, Step
from tydust_assetgen.planning.plan import plan as plan_of
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project
from tydust_assetgen.project.project import Project


def plan(project: Project, slots: Iterable[str] = ()) -> Plan:
    """What a build would do, with a step and its reasons for every slot. Writes nothing.

    Raises:
        ManifestError: the manifest is not right.
        UsageError: a slot that the manifest does not have.
    """
    return plan_of(observe_project(project, PlanRequest(slots=tuple(slots), thorough=True)))


def check(project: Project, slots: Iterable[str] = ()) -> tuple[Step, ...]:
    """The steps of the slots that are not fresh; empty when all is well. Loads neither numpy nor a generator's weights.

    Raises:
        ManifestError: the manifest is not right.
        UsageError: a slot that the manifest does not have.
    """
    seen = observe_project(project, PlanRequest(slots=tuple(slots)))
    return tuple(step for step in plan_of(seen).steps if step.action != "fresh")
