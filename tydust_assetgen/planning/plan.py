"""Deciding what to do, and why. Pure: in walk `Situation`s, one for each slot, out walks a `Plan`.

Nothing here looks at the disk, the clock or the store. Whoever calls has looked, and says what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from tydust_assetgen.flow import Output, Recipe, Scalar
from tydust_assetgen.manifest import SLOT
from tydust_assetgen.planning.reasons import Reason, Wanted, changes
from tydust_assetgen.project.keys import Keys, Versions
from tydust_assetgen.project.lockfile import LockEntry

Action: TypeAlias = Literal["fresh", "relock", "restore", "encode", "finish", "generate", "blocked"]
"""What a slot needs, cheapest first; `blocked` when all that it needs is in a person's hands."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the disk at one output's path."""

    digest: str = ""
    """SHA-256; empty when there is no file."""
    damage: str = ""
    """Why it does not decode whole; empty when it does, or when nobody needed to look."""
    size: int = 0
    unreadable: bool = False
    ours: bool = False
    """The store has these very bytes, so a person loses nothing when they are written over."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the store has for a slot."""

    outputs: tuple[str, ...]
    """For each output the digest of the bytes that the store has for its key; empty when it has none."""
    master: bool = False
    take: bool = False
    candidates: tuple[int, ...] = ()
    """The numbers of those of its takes that are there."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one slot before anything is decided."""

    recipe: Recipe
    keys: Keys
    versions: Versions
    key_parameters: dict[str, Scalar] = {}
    entry: LockEntry | None
    seen: tuple[Seen, ...]
    held: Held
    forced: bool = False


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


def plan(situations: Iterable[Situation], *, settled: int = 0, orphans: tuple[Orphan, ...] = ()) -> Plan:
    """The plan for these slots, in their order."""
    return Plan(steps=tuple(map(plan_slot, situations)), settled=settled, orphans=orphans)


def plan_slot(situation: Situation) -> Step:
    """What one slot needs, with its reasons."""
    verdicts = [_judge(situation, index) for index in range(len(situation.recipe.outputs))]
    outputs = tuple(output for output, _ in verdicts)
    reasons = [reason for _, found in verdicts for reason in found]
    action = _action(situation, outputs)
    return Step(
        recipe=situation.recipe,
        keys=situation.keys,
        versions=situation.versions,
        action=action,
        reasons=tuple(dict.fromkeys(reasons)),
        outputs=outputs,
        key_parameters=situation.key_parameters,
        entry=situation.entry,
        contenders=_contenders(situation),
        perform=_perform(situation) if action == "generate" else (),
    )


def _contenders(situation: Situation) -> tuple[int, ...]:
    """All takes of the slot, where neither a person has picked one nor the lock file knows which was the best."""
    brief, entry = situation.recipe.brief, situation.entry
    if brief.pick:
        return (brief.pick,)
    same = entry is not None and entry.take_key == situation.keys.take and not situation.forced
    chosen = entry.provenance.chosen if entry and same else 0
    return (chosen,) if 1 <= chosen <= brief.takes else tuple(range(1, brief.takes + 1))


def _perform(situation: Situation) -> tuple[int, ...]:
    held = () if situation.forced else situation.held.candidates
    return tuple(number for number in _contenders(situation) if number not in held)


def _action(situation: Situation, outputs: tuple[OutputStep, ...]) -> Action:
    wanted = {output.action for output in outputs}
    if "make" in wanted and situation.forced:
        return "generate"
    if "make" in wanted:
        held = situation.held
        return "encode" if held.master else "finish" if held.take or not _perform(situation) else "generate"
    ladder: tuple[Action, ...] = ("restore", "relock", "blocked")
    return next((action for action in ladder if action in wanted), "fresh")


def _judge(situation: Situation, index: int) -> tuple[OutputStep, tuple[Reason, ...]]:
    """What one output needs. The order of the questions is the rule: a person's file is found before it is replaced."""
    output, key = situation.recipe.outputs[index], situation.keys.outputs[index]
    seen, stored = situation.seen[index], situation.held.outputs[index]
    locked = situation.entry.output_at(output.path) if situation.entry else None
    path = output.path

    def step(
        action: Literal["fresh", "relock", "make", "blocked"], *reasons: Reason
    ) -> tuple[OutputStep, tuple[Reason, ...]]:
        if action == "make" and stored and not situation.forced:
            return OutputStep(output=output, key=key, action="restore", digest=stored), reasons
        return OutputStep(output=output, key=key, action=action, digest=seen.digest, size=seen.size), reasons

    if situation.forced:
        return step("make", Reason(kind="forced", path=path))
    if locked and seen.digest == locked.digest:
        if locked.key == key:
            return step("fresh")
        if seen.digest == stored:
            return step("relock", Reason(kind="lock entry lost", path=path))
        why = changes(
            situation.entry,
            Wanted(situation.recipe, output, situation.versions, situation.key_parameters),
            locked.output,
        )
        if locked.hand_made:
            return step("blocked", Reason(kind="hand-made", path=path), *why)
        return step("make", *why)
    if seen.unreadable:
        return step("blocked", Reason(kind="unreadable", path=path))
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
