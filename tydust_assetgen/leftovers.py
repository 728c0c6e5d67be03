"""Sidecars of sounds that nobody asks for any more. In walks a survey, out walks how many were removed.

A sidecar goes when its sound is gone and all that is in it was written here or by Godot. One in which a person chose
something stays, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tydust_assetgen import disk, events
from tydust_assetgen.beside import asked_by
from tydust_assetgen.catalogue import File, Track, tracks_of
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.integrations import godot
from tydust_assetgen.survey import Survey

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
        sound, path = disk.inside(seen.tree, one.file.path), disk.inside(seen.tree, one.path)
    except AssetgenError:
        return False  # not a path of this tree: whatever the lock file says, it is not ours
    if sound.exists() or not path.is_file():
        return False
    try:
        removed = godot.nobodys(one.track, one.file, disk.read_bounded(path, _MAX_BYTES))
        if removed:
            disk.remove(path)
    except OSError as error:
        raise AssetgenError(f"can't remove `{one.path}`: {error.strerror or error}") from error
    tell(events.Orphaned(slot=one.track.slot, path=one.path, removed=removed, modified=not removed))
    return removed
