"""The messages between a build and its workers: jobs one way, answers the other.

A frame is a 4-byte length and msgpack.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal, TypeAlias

import msgspec

from tydust_assetgen.events import Stage
from tydust_assetgen.flow import Brief, Check, Facts, Output, Provenance, Recipe, Verified
from tydust_assetgen.project.keys import Keys


class ReferenceFile(msgspec.Struct, frozen=True):
    """A reference that a worker decodes."""

    name: str
    """As the brief names it: a path, or `slot:` and a slot."""
    digest: str
    """As the brief has it: of the file, or the take key of the slot, whose take the store may have."""
    place: str
    """Absolute path of the file, or of the slot's published file."""
    file_digest: str
    """What the file must be; empty where it is not what is to be heard."""


class ShelfContents(msgspec.Struct, frozen=True):
    """What goes onto the generator's shelf."""

    root: str
    files: tuple[ReferenceFile, ...] = ()


class TrackJob(msgspec.Struct, frozen=True, kw_only=True, tag="track"):
    """Make some outputs of one slot."""

    store: str
    """Folder of the store."""
    shelf: ShelfContents
    recipe: Recipe
    keys: Keys
    outputs: tuple[int, ...]
    """Which of the recipe's outputs."""
    contenders: tuple[int, ...] = (1,)
    """The numbers of the takes of which the best is wanted."""
    lost: dict[int, str] = {}
    """Those of them that could not be made, with the reason."""
    afresh: Literal["", "master", "take"] = ""
    """From where on nothing is taken from the store (`--force`)."""


class PerformJob(msgspec.Struct, frozen=True, kw_only=True, tag="perform"):
    """Make only the takes of several slots, together: for generators that like batches or own a GPU."""

    store: str
    shelf: ShelfContents
    slots: tuple[str, ...]
    """For each brief; a slot with several takes stands here as often."""
    numbers: tuple[int, ...]
    """Of the takes, within their slots."""
    briefs: tuple[Brief, ...]
    take_keys: tuple[str, ...]


class Made(msgspec.Struct, frozen=True, kw_only=True, tag="made"):
    """What became of a `TrackJob`. The bytes lie in the store, under the digests in `verified`."""

    slot: str
    verified: tuple[Verified, ...]
    facts: Facts
    provenance: Provenance
    generated: int
    """How many takes."""
    finished: bool
    generate_s: float
    finish_s: float
    """Everything but generating."""
    notes: tuple[str, ...]


class FileToInspect(msgspec.Struct, frozen=True, kw_only=True):
    """One published file: where it lies, and the digest that the lock file has (empty for none)."""

    output: Output
    place: str
    digest: str


class InspectJob(msgspec.Struct, frozen=True, kw_only=True, tag="inspect"):
    """Decode and measure the published files of one slot."""

    recipe: Recipe
    facts: Facts
    files: tuple[FileToInspect, ...]


class InspectedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one file."""

    path: str
    digest: str
    checks: tuple[Check, ...]


class Inspected(msgspec.Struct, frozen=True, kw_only=True, tag="inspected"):
    """What became of an `InspectJob`."""

    slot: str
    files: tuple[InspectedFile, ...]


Job: TypeAlias = TrackJob | PerformJob | InspectJob


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Nobody wants the job under way any more. The worker stops at its next word, and keeps what it has loaded."""


class Progressed(msgspec.Struct, frozen=True, kw_only=True, tag="progressed"):
    """How far a slot is."""

    slot: str
    stage: Stage
    share: float
    note: str = ""
    """How it goes, such as `31 steps/s`."""
    number: int = 0
    """The number of the take that a batch is at; 0 for the whole slot."""


class TakeReady(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """One take of a batch is in the store, while the others are still made."""

    index: int
    """Within the job."""


class Performed(msgspec.Struct, frozen=True, kw_only=True, tag="performed"):
    """All takes of a batch are in the store."""

    seconds: float


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="trouble"):
    """A job failed: a person's mistake with its hint, or our own bug with its traceback."""

    message: str
    hint: str = ""
    place: str = ""
    traceback: str = ""


class Stopped(msgspec.Struct, frozen=True, tag="stopped"):
    """A job ended early, as it was told."""


Answer: TypeAlias = Progressed | Made | TakeReady | Performed | Inspected | Failure | Stopped

LOG_VARIABLE = "ASSETGEN_WORKER_LOG"
"""Tells a worker which file it is to log to from its first job on."""
MAX_FRAME_BYTES = 64 * 1024 * 1024
GENERATED = 0.6
"""How much of a track's bar is done when its take is."""


def write_frame(pipe: BinaryIO, message: Job | Stop | Answer) -> None:
    data = msgspec.msgpack.encode(message)
    pipe.write(struct.pack("<I", len(data)) + data)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> bytes | None:
    """The next frame, or `None` at the end."""
    head = pipe.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack("<I", head)
    data = pipe.read(length) if length <= MAX_FRAME_BYTES else b""
    return data if len(data) == length else None
