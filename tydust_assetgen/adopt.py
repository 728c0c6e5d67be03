"""Accepting a person's own file. In walks a slot whose outputs were modified, out walks its lock entry, hand-made."""

from __future__ import annotations

from tydust_assetgen import codec, disk
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Facts, Provenance
from tydust_assetgen.ledger import Ledger
from tydust_assetgen.lockfile import LockedOutput, LockEntry
from tydust_assetgen.planning import OutputStep, Step
from tydust_assetgen.project import Project
from tydust_assetgen.survey import Survey, survey


def adopt(project: Project, slot: str) -> tuple[str, ...]:
    """Lock the files of a slot as they stand; returns their paths. Their bytes are kept in the store as well.

    Raises:
        UsageError: the manifest has no such slot.
        AssetgenError: a file is missing, or does not decode whole.
    """
    with disk.build_lock(project.private, wait=True, on_wait=lambda: None):
        seen = survey(project, slots=(slot,), thorough=True)
        (step,) = seen.plan.steps
        locked = tuple(_accept(seen, output) for output in step.outputs)
        ledger = Ledger(seen)
        digests = {found.output.path: found.digest for found in locked}
        ledger.record(_entry(step, locked), digests, list(digests))
        ledger.close()
    return tuple(digests)


def _accept(seen: Survey, step: OutputStep) -> LockedOutput:
    path = disk.inside(seen.tree, step.output.path)
    try:
        data = path.read_bytes()
    except OSError as error:
        hint = "put your file there first"
        raise AssetgenError(f"`{step.output.path}` can't be read: {error.strerror}", hint=hint) from error
    if damage := codec.damage(data, step.output.codec):
        hint = "export it again; only files that decode whole are adopted"
        raise AssetgenError(f"`{step.output.path}` is damaged: {damage}", hint=hint)
    digest = seen.project.store.put_object(data)
    return LockedOutput(output=step.output, key=step.key, digest=digest, size=len(data))


def _entry(step: Step, locked: tuple[LockedOutput, ...]) -> LockEntry:
    recipe = step.recipe
    return LockEntry(
        slot=recipe.slot,
        title=recipe.title,
        game=recipe.game,
        take_key=step.keys.take,
        master_key=step.keys.master,
        outputs=locked,
        hand_made=True,
        brief=recipe.brief,
        finish=recipe.finish,
        facts=Facts(),
        provenance=Provenance(generator="a person", version="", licence="unknown"),
        versions=step.versions,
    )
