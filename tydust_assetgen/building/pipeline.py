"""The stages of one track in a worker: generate, finish, encode, verify.

Each stage first asks the store, so that only what is missing is made, and leaves its result there: a build that is
killed has lost at most the stage it was in. This runs in a worker process; publishing is the build's own work.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tydust_assetgen import codec, finish
from tydust_assetgen.building.messages import (
    GENERATED,
    FileToInspect,
    Inspected,
    InspectedFile,
    InspectJob,
    Made,
    PerformJob,
    TrackJob,
)
from tydust_assetgen.building.references import shelf_of
from tydust_assetgen.building.select_take import Performer, choose
from tydust_assetgen.events import Stage
from tydust_assetgen.flow import Check, Encoded, Master, Provenance, Recipe, Verified
from tydust_assetgen.generate.protocol import Progress
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.store import OutputRecord, Store
from tydust_assetgen.system import digest_bytes, read_bounded


class Tell(Protocol):
    """Called with a stage, the share of the whole that is done, and how it goes."""

    def __call__(self, stage: Stage, share: float, note: str = "") -> None: ...


_FINISHED, _ENCODED = 0.75, 0.88
_NOTED_DIFFERENCE_S = 0.05


@dataclass
class _TrackPipeline:
    """One track on its way: the job, and what had to be made."""

    job: TrackJob
    store: Store
    tell: Tell
    finished: bool = False

    def __post_init__(self) -> None:
        self.performer = Performer(self.job, self.store, self._say_generating)

    def _say_generating(self, share: float, note: str) -> None:
        self.tell("generate", share * GENERATED, note)

    def master(self) -> Master:
        if not self.job.afresh and (held := self.store.master(self.job.keys.master)) is not None:
            return held
        chosen = choose(self.performer)
        self.tell("finish", GENERATED)
        master = chosen.master or finish.finish(chosen.take, self.job.recipe.finish)
        self.finished = True
        self.store.put_master(self.job.keys.master, master)
        return master

    def output(self, index: int, master: Master) -> Verified:
        from tydust_assetgen import verify  # a second of scipy comes with it, and a performance can begin without

        recipe, output = self.job.recipe, self.job.recipe.outputs[index]
        self.tell("encode", _FINISHED)
        encoded = Encoded(output, codec.encode(master, output, tags_of(recipe, master.provenance)))
        self.tell("verify", _ENCODED)
        verified = verify.verify(encoded, recipe, master.facts)
        record = OutputRecord(verified=verified, facts=master.facts, provenance=master.provenance)
        self.store.put_output(self.job.keys.outputs[index], encoded.data, record)
        return verified


def make_track(job: TrackJob, store: Store, tell: Tell) -> Made:
    """Make what the job asks for.

    Raises:
        AssetgenError: a stage failed; what was done before it is in the store.
    """
    begun = time.perf_counter()
    track = _TrackPipeline(job, store, tell)
    master = track.master()
    verified = tuple(track.output(index, master) for index in job.outputs)
    return Made(
        slot=job.recipe.slot,
        verified=verified,
        facts=master.facts,
        provenance=master.provenance,
        generated=track.performer.made,
        finished=track.finished,
        generate_s=track.performer.seconds,
        finish_s=time.perf_counter() - begun - track.performer.seconds,
        notes=tuple(dict.fromkeys([*_notes(job.recipe, master), *_warnings(verified)])),
    )


def _notes(recipe: Recipe, master: Master) -> list[str]:
    """What a person should know of a master: how it differs from what was asked, and what players may do to it."""
    notes = list(master.notes)
    asked_s, facts = recipe.brief.duration_s, master.facts
    if facts.bars and facts.bpm:
        exact_s = facts.bars * facts.beats_per_bar * 60 / facts.bpm
        if abs(exact_s - asked_s) >= _NOTED_DIFFERENCE_S:
            way = "longer" if exact_s > asked_s else "shorter"
            notes.append(
                f"{facts.bars} whole bars are {exact_s:.2f} s, {abs(exact_s - asked_s):.2f} s {way} than asked"
            )
    if recipe.finish.loop and any(output.codec == "mp3" for output in recipe.outputs):
        notes.append("mp3 loops with a gap in players that ignore LAME's delay; ogg, flac and wav have none")
    return notes


def _warnings(verified: tuple[Verified, ...]) -> list[str]:
    checks = [(found.output.path, check) for found in verified for check in found.checks if check.status == "warn"]
    return [f"`{path}`: {check.name}: {check.reason or check.measured}" for path, check in checks]


def perform(job: PerformJob, store: Store, progress: Progress) -> Iterator[int]:
    """Make the takes of several slots and leave them in the store.

    Yields:
        The index of each brief whose take is there.
    """
    takes = generator(job.briefs[0].generator).generate(job.briefs, shelf_of(job.shelf, store), progress)
    for index, take in takes:
        store.put_take(job.take_keys[index], take)
        yield index


def inspect_files(job: InspectJob) -> Inspected:
    """Decode and measure published files, and hold them against what the lock file says."""
    return Inspected(slot=job.recipe.slot, files=tuple(_inspect_file(job, file) for file in job.files))


def _inspect_file(job: InspectJob, file: FileToInspect) -> InspectedFile:
    from tydust_assetgen import verify

    try:
        data = read_bounded(Path(file.place))
    except OSError as error:
        why = "it is missing" if isinstance(error, FileNotFoundError) else f"it can't be read: {error.strerror}"
        missing = Check(name="there", status="fail", measured="no file", wanted="a file", reason=why)
        return InspectedFile(path=file.output.path, digest="", checks=(missing,))
    digest = digest_bytes(data)
    checks = verify.inspect(data, file.output, job.recipe, job.facts)
    return InspectedFile(path=file.output.path, digest=digest, checks=(_digest_check(digest, file.digest), *checks))


def _digest_check(digest: str, locked: str) -> Check:
    if digest == locked or not locked:
        return Check(name="digest", status="pass", measured=digest[:12], wanted=locked[:12] or "any")
    why = "the file is not the one that was published: damaged, or modified by hand"
    return Check(name="digest", status="fail", measured=digest[:12], wanted=locked[:12], reason=why)


def tags_of(recipe: Recipe, provenance: Provenance) -> codec.Tags:
    """What is written into a file about itself. Nothing here changes from run to run."""
    return codec.Tags(
        title=recipe.title,
        game=recipe.game,
        prompt_digest=hashlib.sha256(recipe.brief.prompt.encode()).hexdigest(),
        generator=provenance.generator,
        version=provenance.version,
        model=provenance.model,
        licence=provenance.licence,
    )
