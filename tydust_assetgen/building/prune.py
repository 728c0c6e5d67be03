"""The third stage of a build: files that the manifest no longer asks for are removed with `--prune`, else reported.

A file is removed only while it is the one that was published: what a person changed is theirs, and stays.
"""

from __future__ import annotations

from tydust_assetgen import events, system
from tydust_assetgen.building.commit import ResultCommitter
from tydust_assetgen.building.publish import retract
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.exports.files import MAX_SIDECAR_BYTES, StaleSidecar, stale_sidecars
from tydust_assetgen.planning.plan import Orphan, Snapshot
from tydust_assetgen.system.safe_folder import remove_inside


def prune(committer: ResultCommitter, *, remove: bool) -> None:
    """Go through the orphans.

    Args:
        committer: knows the plan, and counts what is removed.
        remove: without, orphans are only reported.

    Raises:
        AssetgenError: a file can't be read or removed.
    """
    snapshot, plan = committer.snapshot, committer.plan
    kept = {orphan.slot for orphan in plan.orphans if not _prune_orphan(orphan, committer, remove=remove)}
    if not remove:
        return
    if snapshot.manifest.exports.engine == "godot":
        sidecars = stale_sidecars(snapshot.manifest, snapshot.lock)
        committer.tally.pruned += sum(_remove_sidecar(snapshot, one, committer.tell) for one in sidecars)
    for slot in set(snapshot.lock.blocks) - set(snapshot.manifest.slots) - kept:
        committer.journal.drop(slot)


def _prune_orphan(orphan: Orphan, committer: ResultCommitter, *, remove: bool) -> bool:
    """Whether it was removed."""
    removed = remove and not orphan.modified and retract(committer.snapshot.tree, orphan.path, digest=orphan.digest)
    if removed:
        committer.tally.pruned += 1
        committer.journal.forget(orphan.slot, orphan.path)
    committer.tell(events.Orphaned(slot=orphan.slot, path=orphan.path, removed=removed, modified=orphan.modified))
    return removed


def _remove_sidecar(snapshot: Snapshot, one: StaleSidecar, tell: events.Emit) -> bool:
    """Whether it was there, and was removed. A sidecar whose sound is still there, or with a person's choices in it,
    stays."""
    try:
        sound, path = system.inside(snapshot.tree, one.sound_path), system.inside(snapshot.tree, one.path)
    except AssetgenError:
        return False  # not a path of this tree: whatever the lock file says, it is not ours
    if sound.exists() or not path.is_file():
        return False
    try:
        removed = one.has_no_choices(system.read_bounded(path, MAX_SIDECAR_BYTES))
        if removed:
            remove_inside(snapshot.tree, one.path)
    except OSError as error:
        raise AssetgenError(f"can't remove `{one.path}`: {error.strerror or error}") from error
    tell(events.Orphaned(slot=one.slot, path=one.path, removed=removed, modified=not removed))
    return removed
