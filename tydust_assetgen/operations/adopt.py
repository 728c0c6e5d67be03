"""Accepts a person's own files in place of a slot's: they are locked as hand-made."""

from __future__ import annotations

import msgspec

from tydust_assetgen import codec, system
from tydust_assetgen.building.journal import BuildJournal, entry_of
from tydust_assetgen.building.lock import locked
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Facts, Provenance, Published
from tydust_assetgen.planning.plan import OutputStep, Snapshot, plan
from tydust_assetgen.planning.snapshot import observe_project, one_slot
from tydust_assetgen.project.project import Project

_BY_HAND = Provenance(generator="a person", version="", licence="unknown")


def adopt(project: Project, slot: str) -> tuple[str, ...]:
    """Lock the files of a slot as they stand; returns their paths. Their bytes are kept in the store as well.

    Raises:
        UsageError: the manifest has no such slot.
        AssetgenError: a file is missing, or does not decode whole as what its name says.
    """
    with locked(project):
        snapshot = observe_project(project, one_slot(slot))
        todo = plan(snapshot)
        (step,) = todo.steps
        accepted = {output.output.path: _accept(snapshot, output) for output in step.outputs}
        entry = entry_of(step, accepted, Facts(), _BY_HAND)
        own = tuple(msgspec.structs.replace(o, hand_made=o.output.path in accepted) for o in entry.outputs)
        journal = BuildJournal(snapshot, todo)
        journal.record(msgspec.structs.replace(entry, outputs=own), (), list(accepted))
        journal.close()
    return tuple(accepted)


def _accept(snapshot: Snapshot, step: OutputStep) -> Published:
    path = step.output.path
    try:
        data = system.read_bounded(system.inside(snapshot.tree, path))
    except OSError as error:
        raise AssetgenError(f"`{path}` can't be read: {error.strerror}", hint="put your file there first") from error
    if damage := codec.damage(data, step.output.codec):
        hint = "export it again; only files that decode whole are adopted"
        raise AssetgenError(f"`{path}` is damaged: {damage}", hint=hint)
    codec.decode(data, step.output.codec)  # a player has to, too; its error says why not
    from tydust_assetgen.verify import listen

    digest = snapshot.project.store.adopt(data)
    if digest != snapshot.stats[snapshot.project_path(path)][1]:
        raise AssetgenError(f"`{path}` changed while it was adopted", hint="adopt it again when it is ready")
    return Published(path=path, digest=digest, size=len(data), sound=listen(data, step.output))
