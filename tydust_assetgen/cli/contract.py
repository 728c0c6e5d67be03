"""JSON Schemas (draft 2020-12) of what programs read. In walk the types themselves, out walk the schemas.

Every key that a schema names is always there, unless it has a default and says so; keys that it does not name may come.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tydust_assetgen import events
from tydust_assetgen.cli.papers import CheckPaper, ListPaper, PlanPaper, StatusPaper
from tydust_assetgen.hook.verdict import Verdict
from tydust_assetgen.inspection import SlotReport
from tydust_assetgen.sharing.overview import Overview

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class VerifyPaper(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen verify`: every check on every published file."""

    ok: bool
    slots: tuple[SlotReport, ...]


class PushPaper(msgspec.Struct, frozen=True, kw_only=True):
    """`assetgen cache push`: how many records went, were there before, and could not be sent."""

    sent: int
    there: int
    left: int


RESULTS: dict[str, type[msgspec.Struct]] = {
    "check": CheckPaper,
    "check --staged": Verdict,
    "build --dry-run": PlanPaper,
    "status": StatusPaper,
    "list": ListPaper,
    "verify": VerifyPaper,
    "cache status": Overview,
    "cache push": PushPaper,
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
    by_command = {command: {"$ref": f"#/$defs/{paper.__name__}"} for command, paper in RESULTS.items()}
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
