"""The lock file: what was built, from which recipe, with which result. Committed with the game.

`assets.lock` is a sequence of JSON documents, one block for each slot, sorted, with blank lines between: git merges it
block by block, `jq` reads it, and a block that a conflict or a cut has damaged costs its own slot only. No timestamps,
no machine paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from tydust_assetgen.flow import Brief, Facts, Finish, Output, Provenance, Scalar, Sound
from tydust_assetgen.project.keys import Versions, output_key
from tydust_assetgen.system import read_bounded

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
    hand_made: bool = False
    """A person's own file, accepted by `assetgen adopt`."""
    sound: Sound | None = None


class LockEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One slot as it was built. `slot` stands first: it names the block."""

    slot: str
    title: str
    game: str
    take_key: str
    master_key: str
    outputs: tuple[LockedOutput, ...]
    brief: Brief
    finish: Finish
    facts: Facts
    provenance: Provenance
    versions: Versions
    key_parameters: dict[str, Scalar] = {}
    """What the generator added to the take key, such as a digest of a model's weights."""

    @property
    def hand_made(self) -> bool:
        """Some of its files are a person's own."""
        return any(locked.hand_made for locked in self.outputs)

    def output_at(self, path: str) -> LockedOutput | None:
        return next((locked for locked in self.outputs if locked.output.path == path), None)

    def sound_of(self, followed: str) -> str:
        """Digest of the slot's own file where it sounds as a slot that follows it wants; else empty.

        Args:
            followed: the take key, or the digest of a person's own file.
        """
        locked = self.output_at(self.slot)
        if locked is None or locked.hand_made:
            return locked.digest if locked and locked.digest == followed else ""
        key = output_key(self.master_key, locked.output, self.title, self.game, self.versions.codec)
        return locked.digest if (self.take_key, key) == (followed, locked.key) else ""


class _Name(msgspec.Struct):
    slot: str = ""
    assetgen_lock: int = 0


@dataclass(frozen=True)
class LockFile:
    """The bytes of a lock file, and what they say. Blocks are decoded only when they are asked for."""

    data: bytes = b""
    name: str = "assets.lock"
    trusted: bool = False
    """Known to be as it was last written: single blocks are then found without looking through all of them."""
    unread: str = ""
    """Why the file could not be read at all."""

    @cached_property
    def _parts(self) -> _Parts:
        return _parse(self.data, self.name)

    @property
    def blocks(self) -> Mapping[str, bytes]:
        """Whole blocks by slot."""
        return self._parts.blocks

    @property
    def newer_format(self) -> int:
        """The format of a file that a newer assetgen wrote; 0 when this one can read it."""
        end = self.data.find(b"\n\n")
        header = _name_of(self.data[:end] if end >= 0 else self.data)
        return header.assetgen_lock if header and header.assetgen_lock > FORMAT else 0

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, in words."""
        return (self.unread,) if self.unread else () if self.trusted else self._parts.problems

    def entry(self, slot: str) -> LockEntry | None:
        """What was built for a slot; `None` when nothing was, or its block can't be read."""
        block = self._found(slot) if self.trusted else self.blocks.get(slot, b"")
        try:
            return _entry_decoder.decode(block) if block else None
        except (msgspec.MsgspecError, RecursionError):
            return None

    def _found(self, slot: str) -> bytes:
        start, end = self._place_of(slot)
        return self.data[start:end]

    def _place_of(self, slot: str) -> tuple[int, int]:
        """Where a slot's block lies in a file that is known to be whole; `(0, 0)` when there is none."""
        start = self.data.find(_BEGIN + msgspec.json.encode(slot) + b",") + 2
        end = self.data.find(_END, start) + 2
        return (start, end) if start > 1 and end > 1 else (0, 0)

    def owner_of(self, path: str) -> LockedOutput | None:
        """The output that some slot has, or had, at a path."""
        needle = b'"path": ' + msgspec.json.encode(path)
        for slot, block in self.blocks.items():
            if needle in block and (entry := self.entry(slot)) and (locked := entry.output_at(path)):
                return locked
        return None

    def with_entries(self, entries: Iterable[LockEntry], without: Iterable[str] = ()) -> LockFile:
        """A new lock file in which `entries` stand instead of the old ones of their slots."""
        written = {entry.slot: _encode(entry) for entry in entries}
        gone = set(without)
        if len(written) == 1 and not gone and self.trusted:
            ((slot, block),) = written.items()
            start, end = self._place_of(slot)
            if end:
                return LockFile(self.data[:start] + block + self.data[end:], self.name, trusted=True)
        blocks = {slot: block for slot, block in {**self.blocks, **written}.items() if slot not in gone}
        data = b"\n\n".join([_HEADER, *(blocks[slot] for slot in sorted(blocks))]) + b"\n"
        return LockFile(data, self.name, trusted=True)


class _Parts(msgspec.Struct, frozen=True):
    """A lock file looked through."""

    blocks: dict[str, bytes]
    problems: tuple[str, ...] = ()


_BEGIN = b'\n\n{\n  "slot": '
_END = b"\n}"
_entry_decoder = msgspec.json.Decoder(LockEntry)
_name_decoder = msgspec.json.Decoder(_Name)


def read_lock(path: Path, *, trusted: bool = False) -> LockFile:
    """The lock file at `path`; an empty one when there is none. Never fails: damage is reported in `problems`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return LockFile(unread=f"`{path.name}` is larger than {MAX_BYTES >> 20} MiB and was not read")
        data = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        return LockFile(name=path.name)
    except OSError as error:
        return LockFile(unread=f"`{path.name}` can't be read: {error.strerror or error}")
    return LockFile(data.replace(b"\r\n", b"\n") if b"\r" in data else data, path.name, trusted)


def _parse(data: bytes, name: str) -> _Parts:
    """The blocks of a lock file. What can't be read is left out and counted."""
    head, *rest = data.strip().split(b"\n\n")
    header = _name_of(head)
    if header is not None and header.assetgen_lock not in (0, FORMAT):
        return _Parts({}, (f"`{name}` has format {header.assetgen_lock}, this assetgen writes {FORMAT}",))
    headless = header is None or header.assetgen_lock != FORMAT
    blocks, damaged = _sorted_out([head, *rest] if headless else rest)
    lost = len(damaged) + (headless and not damaged)
    why = "has a merge conflict" if b"<<<<<<< " in data else "is damaged"
    problems = (f"`{name}` {why}: {lost} of its blocks can't be read",) if lost and data.strip() else ()
    return _Parts(blocks, problems)


def _encode(entry: LockEntry) -> bytes:
    return msgspec.json.format(msgspec.json.encode(entry, order="deterministic"), indent=2)


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
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _name_of(block: bytes) -> _Name | None:
    try:
        return _name_decoder.decode(block)
    except (msgspec.MsgspecError, RecursionError):
        return None
