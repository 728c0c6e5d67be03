"""Looking at and writing what stands beside the music. In walk a survey and lock entries, out walk files.

A file is written when its text changes, and only then; one that is missing or damaged is written again. What a person
put under its name is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from tydust_assetgen import events, system
from tydust_assetgen.building.journal import Ledger
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.exports import godot
from tydust_assetgen.exports.catalog import File, Track, tracks_of
from tydust_assetgen.exports.files import MAX_BYTES, Companion, Finding, asked_by, companions_of, judged
from tydust_assetgen.planning.survey import Survey
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry
from tydust_assetgen.project.state import Stat, stat_of

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
        path = system.inside(seen.tree, found.path)
        if found.status == "foreign":
            tell(events.Warned(message=found.reason, hint=found.hint))
        elif found.status != "fresh":
            try:
                system.write_atomic(path, found.data)
                tell(events.Wrote(path=found.path, slot=found.slot))
            except OSError as error:
                trouble.append(AssetgenError(f"can't write `{found.path}`: {error.strerror or error}"))
        watched[str(path)] = _FOREIGN if found.status == "foreign" else stat_of(str(path))
    ledger.watch(watched)
    if trouble:
        raise trouble[0]


def _found(seen: Survey, one: Companion) -> Finding:
    path = system.inside(seen.tree, one.path)
    try:
        there = system.read_bounded(path, MAX_BYTES)
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
        data = system.inside(seen.tree, one.output.path).read_bytes()
    except OSError:
        return one
    sound = listen(data, one.output) if system.digest_bytes(data) == one.digest else None
    return msgspec.structs.replace(one, sound=sound) if sound else one


_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class _Leftover:
    track: Track
    file: File

    @property
    def path(self) -> str:
        return f"{self.file.path}.import"


def remove_sidecars(seen: Survey, tell: events.Emit) -> int:
    """Remove them; how many.

    Raises:
        AssetgenError: one can't be read or removed.
    """
    return sum(_remove(seen, one, tell) for one in _leftovers(seen)) if seen.manifest.beside.engine == "godot" else 0


def _leftovers(seen: Survey) -> Iterator[_Leftover]:
    asked = asked_by(seen.manifest)
    for slot in seen.lock.blocks:
        entry = seen.lock.entry(slot)
        for track in tracks_of([entry], lambda *_: True) if entry else ():
            gone = {one.output.path for one in entry.outputs if not asked(entry, one)} if entry else set()
            for file in track.files:
                if file.path in gone and file.codec in godot.IMPORTED and not seen.manifest.owner_of(file.path):
                    yield _Leftover(track, file)


def _remove(seen: Survey, one: _Leftover, tell: events.Emit) -> bool:
    """Whether it was there, and went."""
    try:
        sound, path = system.inside(seen.tree, one.file.path), system.inside(seen.tree, one.path)
    except AssetgenError:
        return False  # not a path of this tree: whatever the lock file says, it is not ours
    if sound.exists() or not path.is_file():
        return False
    try:
        removed = godot.nobodys(one.track, one.file, system.read_bounded(path, _MAX_BYTES))
        if removed:
            system.remove(path)
    except OSError as error:
        raise AssetgenError(f"can't remove `{one.path}`: {error.strerror or error}") from error
    tell(events.Orphaned(slot=one.track.slot, path=one.path, removed=removed, modified=not removed))
    return removed
