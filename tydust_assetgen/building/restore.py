"""The first stage of a build: what the store has is published at once; what it lacks becomes a task for the workers."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from tydust_assetgen import events
from tydust_assetgen.building.commit import ResultCommitter
from tydust_assetgen.building.report import reasons_of
from tydust_assetgen.building.tasks import Task
from tydust_assetgen.flow import Facts, Provenance, Verified
from tydust_assetgen.planning.plan import Step
from tydust_assetgen.store import Store
from tydust_assetgen.system.safe_folder import SafeFolder, sweep_inside


def restore(steps: Sequence[Step], committer: ResultCommitter, *, sweep: bool) -> list[Task]:
    """Publish every slot of which the store has all files.

    Args:
        steps: what the plan wants to be done.
        committer: publishes, and takes the results.
        sweep: remove temporary files that a killed build left behind.

    Returns:
        A task for each slot of which something must still be made.
    """
    if sweep:
        _sweep_temporaries(steps, committer)
    tasks = (_restore_slot(step, committer) for step in steps)
    return [task for task in tasks if task is not None]


def _sweep_temporaries(steps: Sequence[Step], committer: ResultCommitter) -> None:
    committer.project.store.sweep()
    for folder in ("", "logs"):
        committer.project.private_folder.sweep(folder)
    SafeFolder(Path(os.path.realpath(committer.project.root))).sweep()
    outputs = [output.output.path for step in steps for output in step.outputs]
    sweep_inside(committer.snapshot.tree, outputs)


def _restore_slot(step: Step, committer: ResultCommitter) -> Task | None:
    """What is left to be made of a slot; `None` when it was complete and is published."""
    store = committer.project.store
    task = Task(step, time.monotonic())
    for index, output in enumerate(step.outputs):
        data = store.read_object(output.digest) if output.action == "restore" else None
        if data is not None:
            task.ready.append(Verified(output=output.output, digest=output.digest, size=len(data), checks=()))
        elif output.action in ("make", "restore"):
            task.missing.append(index)
    known = _known_facts(step, store)
    if known is None and not task.missing:
        task.missing = [index for index, output in enumerate(step.outputs) if output.action in ("restore", "relock")]
    if task.missing or known is None:
        return task
    committer.tell(events.Started(slot=step.slot, action=step.action, reasons=reasons_of(step)))
    if committer.finish(task, *known):
        committer.tally.restored += bool(task.ready)
    return None


def _known_facts(step: Step, store: Store) -> tuple[Facts, Provenance] | None:
    """What the store, or else the lock file, says about the music."""
    for output in step.outputs:
        if (record := store.output(output.key)) is not None:
            return record.facts, record.provenance
    if step.entry and step.entry.master_key == step.keys.master:
        return step.entry.facts, step.entry.provenance
    return None
