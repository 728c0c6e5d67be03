"""Accepting a person's own file. In walks a slot whose outputs were modified, out walks its lock entry, hand-made."""

from __future__ import annotations

import msgspec

from tydust_assetgen import codec, disk
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Codec, Facts, Provenance, Published
from tydust_assetgen.ledger import Ledger, entry_of
from tydust_assetgen.project import Project
from tydust_assetgen.survey import Survey, survey

_BY_HAND = Provenance(generator="a person", version="", licence="unknown")


def adopt(project: Project, slot: str) -> tuple[str, ...]:
    """Lock the files of a slot as they stand; returns their paths. Their bytes are kept in the store as well.

    Raises:
        UsageError: the manifest has no such slot.
        AssetgenError: a file is missing, or does not decode whole.
    """
    with disk.build_lock(project.private, wait=True, on_wait=lambda: None):
        seen = survey(project, slots=(slot,), thorough=True)
        (step,) = seen.plan.steps
        accepted = {
            output.output.path: _accept(seen, output.output.path, output.output.codec) for output in step.outputs
        }
        entry = entry_of(step, accepted, Facts(), _BY_HAND)
        ledger = Ledger(seen)
        digests = {path: found.digest for path, found in accepted.items()}
        ledger.record(msgspec.structs.replace(entry, hand_made=True), digests, list(digests))
        ledger.close()
    return tuple(digests)


def _accept(seen: Survey, output_path: str, kind: Codec) -> Published:
    try:
        data = disk.inside(seen.tree, output_path).read_bytes()
    except OSError as error:
        raise AssetgenError(
            f"`{output_path}` can't be read: {error.strerror}", hint="put your file there first"
        ) from error
    if damage := codec.damage(data, kind):
        hint = "export it again; only files that decode whole are adopted"
        raise AssetgenError(f"`{output_path}` is damaged: {damage}", hint=hint)
    return Published(path=output_path, digest=seen.project.store.put_object(data), size=len(data))
