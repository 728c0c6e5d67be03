"""What a build tells while it goes. `--json` prints these events, one a line; the API hands them to a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    pass


class Planned(_Event, frozen=True, kw_only=True, tag="planned"):
    """The plan is made."""

    slots: int
    fresh: int
    work: int
    estimate_s: float
    """How long the work will take, roughly."""


class Waiting(_Event, frozen=True, kw_only=True, tag="waiting"):
    """Another build holds the lock."""

    message: str


class Started(_Event, frozen=True, kw_only=True, tag="started"):
    """A worker took up a slot."""

    slot: str
    action: str
    reasons: tuple[str, ...]
    estimate_s: float = 0.0


Stage: TypeAlias = Literal["generate", "finish", "encode", "verify"]


class Progressed(_Event, frozen=True, kw_only=True, tag="progress"):
    """How far a slot is, 0 to 1."""

    slot: str
    stage: Stage
    share: float
    note: str = ""
    """How it goes, such as `31 steps/s`."""


class Done(_Event, frozen=True, kw_only=True, tag="done"):
    """A slot is published."""

    slot: str
    action: str
    paths: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()


class Failed(_Event, frozen=True, kw_only=True, tag="failed"):
    """A slot could not be made. The others go on."""

    slot: str
    message: str
    hint: str = ""
    place: str = ""
    bug: bool = False
    """Our own mistake, not a person's."""


class Blocked(_Event, frozen=True, kw_only=True, tag="blocked"):
    """An output is in a person's hands and was left alone."""

    slot: str
    reasons: tuple[str, ...]
    hint: str


class Warned(_Event, frozen=True, kw_only=True, tag="warning"):
    """Something a person should know."""

    message: str
    slot: str = ""
    hint: str = ""


class Orphaned(_Event, frozen=True, kw_only=True, tag="orphan"):
    """A file that the manifest no longer asks for."""

    slot: str
    path: str
    removed: bool
    modified: bool = False


class Summary(_Event, frozen=True, kw_only=True, tag="summary"):
    """The last event: numbers of slots, and the time that all took."""

    generated: int = 0
    """Performances made."""
    finished: int = 0
    """Masters made."""
    encoded: int = 0
    """Slots with files encoded."""
    restored: int = 0
    """Outputs taken back from the store."""
    fresh: int = 0
    """Already right."""
    failed: int = 0
    blocked: int = 0
    """Left alone, in a person's hands."""
    pruned: int = 0
    """Files that the manifest no longer asks for, removed."""
    seconds: float = 0.0


Event: TypeAlias = Planned | Waiting | Started | Progressed | Done | Failed | Blocked | Warned | Orphaned | Summary
Emit: TypeAlias = Callable[[Event], None]
