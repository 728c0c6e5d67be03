"""The lock file: what was built, from which recipe, with which result. Committed with the game.

In walk bytes of `assets.lock`, out walks a `LockFile`; and back. The file is a sequence of JSON documents, one block
for each slot, sorted, with blank lines between: git merges it block by block, `jq` reads it, and a block that a
conflict or a cut has damaged costs its own slot only. No timestamps, no machine paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tydust_assetgen.flow import Brief, Facts, Finish, Output, Provenance
from tydust_assetgen.keys import Versions

FORMAT = 1
MAX_BYTES = 256 * 1024 * 1024
_HEADER = msgspec.json.format(
    msgspec.json.encode({"assetgen_lock": FORMAT, "about": "made by assetgen; commit it, don't edit it"}),
    indent=2,
)


class LockedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it was published."""

    output: Output
    key: str
    digest: str
    size: int


class LockEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One slot as it was built. `slot` stands first: it names the block."""

    slot: str
    title: str
    game: str
    take_key: str
    master_key: str
    outputs: tuple[LockedOutput, ...]
    hand_made: bool = False
    """A person's own file, accepted by `assetgen adopt`."""
    brief: Brief
    finish: Finish
    facts: Facts
    provenance: Provenance
    versions: Versions

    def output_at(self, path: str) -> LockedOutput | None:
        return next((locked for locked in self.outputs if locked.output.path == path), None)


class _Name(msgspec.Struct):
    slot: str = ""
    assetgen_lock: int = 0


@dataclass(frozen=True)
class LockFile:
    """Blocks by slot, decoded only when asked for. `problems` says what could not be read, in words."""

    blocks: Mapping[str, bytes] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    other_format: bool = False

    def entry(self, slot: str) -> LockEntry | None:
        """What was built for a slot; `None` when nothing was, or its block can't be read."""
        block = self.blocks.get(slot)
        if block is None:
            return None
        try:
            return _entry_decoder.decode(block)
        except msgspec.MsgspecError:
            return None

    def with_entries(self, entries: Iterable[LockEntry], without: Iterable[str] = ()) -> LockFile:
        """A new lock file in which `entries` stand instead of the old ones of their slots."""
        blocks = dict(self.blocks)
        for entry in entries:
            blocks[entry.slot] = msgspec.json.format(msgspec.json.encode(entry, order="deterministic"), indent=2)
        for slot in without:
            blocks.pop(slot, None)
        return LockFile(blocks)

    def encode(self) -> bytes:
        """The bytes of the file."""
        return b"\n\n".join([_HEADER, *(self.blocks[slot] for slot in sorted(self.blocks))]) + b"\n"


_entry_decoder = msgspec.json.Decoder(LockEntry)
_name_decoder = msgspec.json.Decoder(_Name)


def read_lock(path: Path) -> LockFile:
    """The lock file at `path`; an empty one when there is none. Never fails: damage is reported in `problems`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return LockFile(problems=(f"`{path.name}` is larger than {MAX_BYTES >> 20} MiB and was not read",))
        return parse_lock(path.read_bytes(), path.name)
    except FileNotFoundError:
        return LockFile()
    except OSError as error:
        return LockFile(problems=(f"`{path.name}` can't be read: {error.strerror or error}",))


def parse_lock(data: bytes, name: str = "assets.lock") -> LockFile:
    """The blocks of a lock file. What can't be read is left out and counted."""
    head, *rest = data.replace(b"\r\n", b"\n").strip().split(b"\n\n")
    if (header := _name_of(head)) is None or header.assetgen_lock != FORMAT:
        if header is not None and header.assetgen_lock:
            problem = f"`{name}` has format {header.assetgen_lock}, this assetgen writes {FORMAT}"
            return LockFile(problems=(problem,), other_format=True)
        rest = [head, *rest]
    blocks, damaged = _sorted_out(rest)
    lost = len(damaged) + (header is None or header.assetgen_lock != FORMAT)
    problems = (f"`{name}` is damaged: {lost} of its blocks can't be read",) if lost and data.strip() else ()
    return LockFile(blocks, problems)


def _sorted_out(blocks: list[bytes]) -> tuple[dict[str, bytes], list[bytes]]:
    good: dict[str, bytes] = {}
    damaged = []
    for block in blocks:
        slot = _slot_of(block)
        if slot and slot not in good:
            good[slot] = block
        else:
            damaged.append(block)
    return good, damaged


def _slot_of(block: bytes) -> str:
    """The slot that a block names; empty when the block is damaged. Looks at both ends, which is quick and enough:
    a block that is damaged inside decodes to no entry later."""
    if not (block.startswith(b'{\n  "slot": "') and block.endswith(b"\n}")):
        return ""
    line = block[12 : block.index(b"\n", 2)].rstrip(b",")
    try:
        return msgspec.json.decode(line, type=str)
    except msgspec.MsgspecError:
        return ""


def _name_of(block: bytes) -> _Name | None:
    try:
        return _name_decoder.decode(block)
    except msgspec.MsgspecError:
        return None
