"""Decides what to do with each slot, and why: from a `Snapshot` to a `Plan`. Pure.

Nothing here looks at the disk, the clock or the store: `snapshot.py` has looked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from tydust_assetgen.flow import Output, Recipe, Scalar
from tydust_assetgen.manifest import SLOT, Manifest
from tydust_assetgen.planning.reasons import Reason, Wanted, changes
from tydust_assetgen.project.keys import Keys, Versions
from tydust_assetgen.project.lockfile import LockEntry, LockFile
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import Stat

Action: TypeAlias = Literal["fresh", "relock", "restore", "encode", "finish", "generate", "blocked"]
"""What a slot needs, cheapest first; `blocked` when all that it needs is in a person's hands."""


class FileState(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the disk at one output's path."""

    digest: str = ""
    """SHA-256; empty when there is no file."""
    damage: str = ""
    """Why it does not decode whole; empty when it does, or when nobody needed to look."""
    size: int = 0
    unreadable: bool = False
    pointer: bool = False
    """Git LFS has not fetched the file yet: only its pointer is there."""
    ours: bool = False
    """The store has these very bytes, so a person loses nothing when they are written over."""


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """What the store has for a slot."""

    outputs: tuple[str, ...]
    """For each output the digest of the bytes that the store has for its key; empty when it has none."""
    master: bool = False
    take: bool = False
    candidates: tuple[int, ...] = ()
    """The numbers of those of its takes that are there."""


class SlotState(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one slot before anything is decided."""

    recipe: Recipe
    keys: Keys
    versions: Versions
    key_parameters: dict[str, Scalar] = {}
    entry: LockEntry | None
    files: tuple[FileState, ...]
    store: StoreState
    forced: bool = False


@dataclass(frozen=True)
class Inputs:
    """The files that decide, as they were before they were read: a change in between is noticed next time."""

    manifest_digest: str
    """As in `State`; empty where it can't be read."""
    lock: Stat
    named: dict[str, Stat]
    """Every file that the manifest names, by its path."""


@dataclass(frozen=True)
class Snapshot:
    """What was seen of a project: all that a plan is made from, and that a build writes down when it has ended."""

    project: Project
    manifest: Manifest
    lock: LockFile
    inputs: Inputs
    wanted: tuple[str, ...]
    """The slots that were asked for, in the manifest's order."""
    states: dict[str, SlotState]
    """Of the slots that needed a closer look."""
    settled: dict[str, list[str]]
    """Slots that are as the last build left them, with the paths of their outputs (relative to the project)."""
    stats: dict[str, tuple[Stat, str]]
    """Stat and digest of every output that was looked at, by path (relative to the project)."""
    orphans: tuple[Orphan, ...]

    @property
    def tree(self) -> Path:
        return self.manifest.assets

    def project_path(self, output_path: str) -> str:
        """An output's path relative to the project, as the state has it."""
        return self.manifest.tree_prefix + output_path


class OutputStep(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one file."""

    output: Output
    key: str
    action: Literal["fresh", "relock", "restore", "make", "blocked"]
    digest: str = ""
    """For `fresh` and `relock` what is there, for `restore` what the store has."""
    size: int = 0
    """Of the file that is there."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one slot, and why."""

    recipe: Recipe
    keys: Keys
    versions: Versions
    action: Action
    reasons: tuple[Reason, ...]
    outputs: tuple[OutputStep, ...]
    key_parameters: dict[str, Scalar] = {}
    entry: LockEntry | None = None
    contenders: tuple[int, ...] = (1,)
    """The numbers of the takes of which the best is published: often it is clear beforehand, and only one."""
    perform: tuple[int, ...] = ()
    """Those of them that must be generated."""

    @property
    def slot(self) -> str:
        return self.recipe.slot

    @property
    def not_fetched(self) -> bool:
        """Whether Git LFS has not fetched one of its files."""
        return any(reason.kind == "not fetched" for reason in self.reasons)

    @property
    def follows(self) -> dict[str, str]:
        """The slots whose sound its generator is to hear now, each with its take key or its file's digest."""
        heard = self.recipe.brief.references if self.action == "generate" else ()
        return {one.path.removeprefix(SLOT): one.digest for one in heard if one.path.startswith(SLOT)}

    @property
    def published(self) -> int:
        """The number of the take that is published, as far as the lock file knows; 0 when it does not."""
        entry, brief = self.entry, self.recipe.brief
        if entry is None or entry.hand_made or entry.take_key != self.keys.take:
            return 0
        return 1 if brief.takes == 1 else brief.pick or entry.provenance.chosen


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the lock file knows and the manifest no longer asks for."""

    slot: str
    path: str
    digest: str
    modified: bool
    """Its digest is no longer the lock's, so it is a person's now and is never removed."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. Slots that were known to be fresh without a closer look are only counted."""

    steps: tuple[Step, ...]
    settled: int = 0
    orphans: tuple[Orphan, ...] = ()

    def with_action(self, *actions: Action) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action in actions)

    @property
    def fresh(self) -> int:
        return self.settled + len(self.with_action("fresh"))

    @property
    def work(self) -> tuple[Step, ...]:
        """Steps that change something."""
        return tuple(step for step in self.steps if step.action not in ("fresh", "blocked"))


def plan(snapshot: Snapshot) -> Plan:
    """The plan for the slots that were asked for, in their order."""
    states, settled = snapshot.states, snapshot.settled.keys() & set(snapshot.wanted)
    steps = tuple(plan_slot(states[slot]) for slot in snapshot.wanted if slot in states)
    return Plan(steps=steps, settled=len(settled - states.keys()), orphans=snapshot.orphans)


def plan_slot(state: SlotState) -> Step:
    """What one slot needs, with its reasons."""
    verdicts = [_judge(state, index) for index in range(len(state.recipe.outputs))]
    outputs = tuple(output for output, _ in verdicts)
    reasons = [reason for _, found in verdicts for reason in found]
    action = _action(state, outputs)
    return Step(
        recipe=state.recipe,
        keys=state.keys,
        versions=state.versions,
        action=action,
        reasons=tuple(dict.fromkeys(reasons)),
        outputs=outputs,
        key_parameters=state.key_parameters,
        entry=state.entry,
        contenders=_contenders(state),
        perform=_perform(state) if action == "generate" else (),
    )


def _contenders(state: SlotState) -> tuple[int, ...]:
    """All takes of the slot, where neither a person has picked one nor the lock file knows which was the best."""
    brief, entry = state.recipe.brief, state.entry
    if brief.pick:
        return (brief.pick,)
    same = entry is not None and entry.take_key == state.keys.take and not state.forced
    chosen = entry.provenance.chosen if entry and same else 0
    return (chosen,) if 1 <= chosen <= brief.takes else tuple(range(1, brief.takes + 1))


def _perform(state: SlotState) -> tuple[int, ...]:
    held = () if state.forced else state.store.candidates
    return tuple(number for number in _contenders(state) if number not in held)


def _action(state: SlotState, outputs: tuple[OutputStep, ...]) -> Action:
    wanted = {output.action for output in outputs}
    if "make" in wanted and state.forced:
        return "generate"
    if "make" in wanted:
        store = state.store
        return "encode" if store.master else "finish" if store.take or not _perform(state) else "generate"
    ladder: tuple[Action, ...] = ("restore", "relock", "blocked")
    return next((action for action in ladder if action in wanted), "fresh")


def _judge(state: SlotState, index: int) -> tuple[OutputStep, tuple[Reason, ...]]:
    """What one output needs. The order of the questions is the rule: a person's file is found before it is replaced."""
    output, key = state.recipe.outputs[index], state.keys.outputs[index]
    seen, stored = state.files[index], state.store.outputs[index]
    locked = state.entry.output_at(output.path) if state.entry else None
    path = output.path

    def step(
        action: Literal["fresh", "relock", "make", "blocked"], *reasons: Reason
    ) -> tuple[OutputStep, tuple[Reason, ...]]:
        if action == "make" and stored and not state.forced:
            return OutputStep(output=output, key=key, action="restore", digest=stored), reasons
        return OutputStep(output=output, key=key, action=action, digest=seen.digest, size=seen.size), reasons

    if state.forced:
        return step("make", Reason(kind="forced", path=path))
    if locked and seen.digest == locked.digest:
        if locked.key == key:
            return step("fresh")
        if seen.digest == stored:
            return step("relock", Reason(kind="lock entry lost", path=path))
        why = changes(
            state.entry,
            Wanted(state.recipe, output, state.versions, state.key_parameters),
            locked.output,
        )
        if locked.hand_made:
            return step("blocked", Reason(kind="hand-made", path=path), *why)
        return step("make", *why)
    if seen.unreadable:
        return step("blocked", Reason(kind="unreadable", path=path))
    if seen.pointer:
        return step("blocked", Reason(kind="not fetched", path=path))
    own = locked is not None and locked.hand_made and locked.key == key and not stored
    if seen.digest and seen.digest == stored:
        return step("relock", Reason(kind="lock entry lost", path=path))
    if not seen.digest and own:
        return step("blocked", Reason(kind="hand-made and missing", path=path))
    if not seen.digest:
        return step("make", Reason(kind="output missing" if locked else "never built", path=path))
    if seen.ours:
        return step("make", Reason(kind="older build", path=path))
    if seen.damage and locked and not own:
        return step("make", Reason(kind="output damaged", path=path, new=seen.damage))
    return step("blocked", Reason(kind="modified by hand" if locked else "in the way", path=path))
