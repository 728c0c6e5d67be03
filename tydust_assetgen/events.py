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


class Fetching(_Event, frozen=True, kw_only=True, tag="fetching"):
    """How far the shared cache was asked for what would have to be made."""

    slots: int
    done: int = 0
    found: int = 0
    """Slots for which it had something."""
    received_bytes: int = 0


class Sending(_Event, frozen=True, kw_only=True, tag="sending"):
    """All is made, and so many records are still on their way to the shared cache."""

    waiting: int


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


class Wrote(_Event, frozen=True, kw_only=True, tag="wrote"):
    """A file beside the music was written: the catalogue, its code, or what an engine is told."""

    path: str
    """In the asset tree."""
    slot: str = ""
    """Of a sidecar; empty where the file is about all slots."""


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
    absent: int = 0
    """Left out: they can't be made here, and no cache has them."""
    pruned: int = 0
    """Files that the manifest no longer asks for, removed."""
    seconds: float = 0.0


class Watching(_Event, frozen=True, kw_only=True, tag="watching"):
    """`assetgen watch` follows a project now, or follows it in another way than before."""

    manifest: str
    """Absolute path."""
    polling: str = ""
    """Why it looks twice a second instead of being told by the system; empty where it is told."""


class Changed(_Event, frozen=True, kw_only=True, tag="changed"):
    """Files are no longer as they were; a build follows."""

    paths: tuple[str, ...]
    """Relative to the manifest's folder."""


class Stopped(_Event, frozen=True, kw_only=True, tag="stopped"):
    """An edit made the work on a slot pointless."""

    slot: str


class Broken(_Event, frozen=True, kw_only=True, tag="broken"):
    """One thing for which there can be no build now, such as a mistake in the manifest. The last good plan holds."""

    message: str
    place: str = ""
    slot: str = ""
    hint: str = ""


class Idle(_Event, frozen=True, kw_only=True, tag="idle"):
    """All is done that can be, and the next change is waited for."""

    slots: dict[str, str]
    """The status of each slot, as in `Result`."""


class Ran(_Event, frozen=True, kw_only=True, tag="ran"):
    """The command of `--exec` ended well."""

    slot: str
    path: str
    seconds: float


Event: TypeAlias = (
    Planned
    | Waiting
    | Fetching
    | Sending
    | Started
    | Progressed
    | Done
    | Failed
    | Blocked
    | Warned
    | Orphaned
    | Wrote
    | Summary
    | Watching
    | Changed
    | Stopped
    | Broken
    | Idle
    | Ran
)
Emit: TypeAlias = Callable[[Event], None]
