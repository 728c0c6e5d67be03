"""The fourth stage of a build: writes the exports (catalogue, code, what engines read) that are not as they should be.

A file is written when its text changes, and only then; one that is missing or damaged is written again. What a person
put under its name is left alone.
"""

from __future__ import annotations

import msgspec

from tydust_assetgen import events, system
from tydust_assetgen.building.journal import BuildJournal
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.exports.files import JudgedExport, asked_by, judge_on_disk
from tydust_assetgen.planning.plan import Snapshot
from tydust_assetgen.project.lockfile import LockedOutput
from tydust_assetgen.project.state import Stat, stat_of
from tydust_assetgen.system.safe_folder import sweep_inside, write_inside

_FOREIGN: Stat = (-2, -2, -2, -2)
"""No file has this stat: the next build looks again."""


def write_exports(snapshot: Snapshot, journal: BuildJournal, tell: events.Emit) -> None:
    """Write what is not as it should be.

    Raises:
        AssetgenError: one can't be written. The others are.
    """
    if not any(snapshot.manifest.exports):
        return
    _measure_unmeasured(snapshot, journal)
    stats: dict[str, Stat] = {}
    failures: list[AssetgenError] = []
    exports = tuple(judge_on_disk(snapshot.manifest, journal.entry))
    sweep_inside(snapshot.tree, (judged.path for judged in exports))
    for judged in exports:
        path = str(system.inside(snapshot.tree, judged.path))
        try:
            _write(snapshot, judged, tell)
        except OSError as error:
            failures.append(AssetgenError(f"can't write `{judged.path}`: {error.strerror or error}"))
        stats[path] = _FOREIGN if judged.status == "foreign" else stat_of(path)
    journal.watch_exports(stats)
    if failures:
        raise failures[0]


def _write(snapshot: Snapshot, judged: JudgedExport, tell: events.Emit) -> None:
    if judged.status == "foreign":
        tell(events.Warned(message=judged.reason, hint=judged.hint))
    elif judged.status != "fresh":
        write_inside(snapshot.tree, judged.path, judged.data)
        tell(events.Wrote(path=judged.path, slot=judged.slot))


def _measure_unmeasured(snapshot: Snapshot, journal: BuildJournal) -> None:
    """Measure files of which the lock file does not say yet how they sound: those that an older assetgen made."""
    asked = asked_by(snapshot.manifest)
    for slot in snapshot.manifest.slots:
        entry = journal.entry(slot)
        if entry is None or all(one.sound or not asked(entry, one) for one in entry.outputs):
            continue
        measured = tuple(one if one.sound else _measured(snapshot, one) for one in entry.outputs)
        if measured != entry.outputs:
            journal.record(msgspec.structs.replace(entry, outputs=measured), (), None)


def _measured(snapshot: Snapshot, one: LockedOutput) -> LockedOutput:
    from tydust_assetgen.verify import listen  # numpy and scipy come with it

    try:
        data = system.read_bounded(system.inside(snapshot.tree, one.output.path))
    except OSError:
        return one
    sound = listen(data, one.output) if system.digest_bytes(data) == one.digest else None
    return msgspec.structs.replace(one, sound=sound) if sound else one
