"""What commands print with `--json`: each result is one JSON object.

Keys may be added, but none changes its meaning or goes. `assetgen schema results` prints the schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from tydust_assetgen import events
from tydust_assetgen.cache.status import Overview
from tydust_assetgen.git_hook.verdict import Verdict
from tydust_assetgen.operations.verify import SlotReport
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


_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen verify`: every check on every published file."""

    ok: bool
    slots: tuple[SlotReport, ...]


class PushResult(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen cache push`: how many records went, were there before, and could not be sent."""

    sent: int
    there: int
    left: int


RESULTS: dict[str, type[msgspec.Struct]] = {
    "check": CheckResult,
    "check --staged": Verdict,
    "build --dry-run": PlanResult,
    "status": StatusResult,
    "list": ListResult,
    "verify": VerifyResult,
    "cache status": Overview,
    "cache push": PushResult,
}
"""Commands, and what each prints with `--json`."""


def event_schema() -> dict[str, Any]:
    """One line of `build --json`, `pick --json` and `watch --json`."""
    return _schema(
        "assetgen event", "One line of `assetgen build --json` and `assetgen watch --json`.", (events.Event,)
    )


def result_schema() -> dict[str, Any]:
    """What the other commands print with `--json`; under `$defs`, by command and by name."""
    made = _schema("assetgen result", "What a command of assetgen prints with `--json`.", RESULTS.values())
    by_command = {command: {"$ref": f"#/$defs/{result.__name__}"} for command, result in RESULTS.items()}
    return {**made, "$defs": {**made["$defs"], **by_command}}


def _schema(title: str, description: str, types: Iterable[Any]) -> dict[str, Any]:
    tables, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    options = [option for table in tables for option in table.get("anyOf", [table])]
    definitions = {name: _always(table) for name, table in components.items()}
    head = {"$schema": _DRAFT, "title": title, "description": description}
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode({**head, "anyOf": options, "$defs": definitions}))
    return made


def _always(table: dict[str, Any]) -> dict[str, Any]:
    """What is written has every key, also where it says what is usual."""
    return {**table, "required": list(table["properties"])} if "properties" in table else table
