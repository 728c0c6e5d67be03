"""Looking at and writing what stands beside the music. In walk a survey and lock entries, out walk files.

A file is written when its text changes, and only then; one that is missing or damaged is written again. What a person
put under its name is left alone.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tydust_assetgen import disk, events
from tydust_assetgen.beside import MAX_BYTES, Companion, Finding, asked_by, companions_of, judged
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.ledger import Ledger
from tydust_assetgen.lockfile import LockedOutput, LockEntry
from tydust_assetgen.state import Stat, stat_of
from tydust_assetgen.survey import Survey

_FOREIGN: Stat = (-2, -2, -2, -2)
"""No file has this stat: the next build looks again."""


def look(seen: Survey, entry: Callable[[str], LockEntry | None] | None = None) -> list[Finding]:
    """How every companion is, by what is known of each slot; by the lock file when `entry` is not given.

    Raises:
        AssetgenError: one can't be read, or its path leads out of the tree.
    """
    known = entry or seen.lock.entry
    return [_found(seen, one) for one in companions_of(seen.manifest, known)]


def write_companions(seen: Survey, ledger: Ledger, tell: events.Emit) -> None:
    """Write what is not as it should be.

    Raises:
        AssetgenError: one can't be written. The others are.
    """
    if not any(seen.manifest.beside):
        return
    _listen(seen, ledger)
    watched: dict[str, Stat] = {}
    trouble: list[AssetgenError] = []
    for found in look(seen, ledger.entry):
        path = disk.inside(seen.tree, found.path)
        if found.status == "foreign":
            tell(events.Warned(message=found.reason, hint=found.hint))
        elif found.status != "fresh":
            try:
                disk.write_atomic(path, found.data)
                tell(events.Wrote(path=found.path, slot=found.slot))
            except OSError as error:
                trouble.append(AssetgenError(f"can't write `{found.path}`: {error.strerror or error}"))
        watched[str(path)] = _FOREIGN if found.status == "foreign" else stat_of(str(path))
    ledger.watch(watched)
    if trouble:
        raise trouble[0]


def _found(seen: Survey, one: Companion) -> Finding:
    path = disk.inside(seen.tree, one.path)
    try:
        there = disk.read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        there = None
    except OSError as error:
        raise AssetgenError(f"`{one.path}` can't be read: {error.strerror or error}", hint="move it away") from error
    return judged(one, there)


def _listen(seen: Survey, ledger: Ledger) -> None:
    """Hear files of which the lock file does not say yet how they sound: those that an older assetgen made."""
    asked = asked_by(seen.manifest)
    for slot in seen.manifest.slots:
        entry = ledger.entry(slot)
        if entry is None or all(one.sound or not asked(entry, one) for one in entry.outputs):
            continue
        heard = tuple(one if one.sound else _heard(seen, one) for one in entry.outputs)
        if heard != entry.outputs:
            ledger.record(msgspec.structs.replace(entry, outputs=heard), (), None)


def _heard(seen: Survey, one: LockedOutput) -> LockedOutput:
    from tydust_assetgen.verify import listen  # numpy and scipy come with it

    try:
        data = disk.inside(seen.tree, one.output.path).read_bytes()
    except OSError:
        return one
    sound = listen(data, one.output) if disk.digest_bytes(data) == one.digest else None
    return msgspec.structs.replace(one, sound=sound) if sound else one
