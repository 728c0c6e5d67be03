"""Files in the lock file that the manifest no longer asks for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Recipe
from tydust_assetgen.manifest import Manifest
from tydust_assetgen.planning.plan import Orphan
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry, LockFile
from tydust_assetgen.system import digest_file, inside


def orphans_of(
    manifest: Manifest, lock: LockFile, recipes: Iterable[Recipe], *, everywhere: bool
) -> tuple[Orphan, ...]:
    """Files that the lock file knows and no slot asks for: of slots that are gone, and of formats no longer wanted.

    Only the entries of `recipes` are looked at, unless slots may be gone and it must be `everywhere`.
    """
    slots = set(manifest.slots)
    looked_at = {recipe.slot: recipe for recipe in recipes}
    names = [*looked_at, *(slot for slot in lock.blocks if slot not in slots)] if everywhere else list(looked_at)
    entries = [entry for slot in names if (entry := lock.entry(slot)) is not None]
    asked = {output.path for recipe in looked_at.values() for output in recipe.outputs} | slots
    if any(locked.output.path not in asked for entry in entries for locked in entry.outputs):
        others = manifest.resolve(slot for slot in manifest.slots if slot not in looked_at)
        asked |= {output.path for recipe in others for output in recipe.outputs}
    return tuple(
        orphan
        for entry in sorted(entries, key=lambda entry: entry.slot)
        for locked in entry.outputs
        if locked.output.path not in asked and (orphan := _orphan(manifest.assets, entry, locked)) is not None
    )


def _orphan(tree: Path, entry: LockEntry, locked: LockedOutput) -> Orphan | None:
    try:
        digest = digest_file(inside(tree, locked.output.path))
    except (AssetgenError, OSError, ValueError):
        return None  # not a path of this tree: whatever the lock file says, it is not ours
    if not digest:
        return None
    return Orphan(
        slot=entry.slot,
        path=locked.output.path,
        digest=locked.digest,
        modified=locked.hand_made or digest != locked.digest,
    )
