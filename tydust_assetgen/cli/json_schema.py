"""JSON Schemas (draft 2020-12) of what commands print with `--json`, made from the types that are printed.

Every key that a schema names is always there, unless it has a default and says so; keys that it does not name may come.
Only `assetgen schema` and the commands whose results stand here load this module: it brings the cache and the hook.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tydust_assetgen import events
from tydust_assetgen.cache.status import Overview
from tydust_assetgen.cli.json_types import CheckResult, ListResult, PlanResult, StatusResult
from tydust_assetgen.git_hook.verdict import Verdict
from tydust_assetgen.operations.verify import SlotReport

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
