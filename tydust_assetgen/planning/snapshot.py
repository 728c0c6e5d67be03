"""Looks at a project: from a `PlanRequest` to a `Snapshot`, of which `plan` makes a plan.

This is the one way to a plan: `build`, `--dry-run`, `status`, `check` and `explain` all come through here. Nothing is
written. Slots whose recipe, lock entry and files are as the last build left them are settled by their stat alone.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tydust_assetgen.codec import objection
from tydust_assetgen.errors import AssetgenError, ManifestError, Problem, UsageError
from tydust_assetgen.flow import Recipe
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import Manifest, read_manifest
from tydust_assetgen.planning.observe import Observer, stays_by_hand
from tydust_assetgen.planning.orphans import orphans_of
from tydust_assetgen.planning.plan import Inputs, SlotState, Snapshot, plan_slot
from tydust_assetgen.planning.resolve_keys import KeyResolver, ResolvedSlot
from tydust_assetgen.project.lockfile import LockFile, read_lock
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import Stat, State, digest_of_manifest, read_state, stat_of
from tydust_assetgen.system import read_bounded


@dataclass(frozen=True)
class PlanRequest:
    """What somebody wants to know, or to have done."""

    slots: Collection[str] = ()
    """Only these; all when empty. A pattern, such as `music/boss*`, names all that fit it."""
    whole_names: bool = False
    """There are no patterns among `slots`."""
    force: bool = False
    """Make these slots again, whatever is there. Needs `slots`."""
    thorough: bool = False
    """Settle nothing by the last build's word, and look for orphans in every lock entry."""
    picks: Mapping[str, int] = field(default_factory=dict)
    """Takes to pin, by slot; 0 takes the pin back."""
    with_followed: bool = False
    """Plan also what `slots` follow, where it must be made first."""


def one_slot(slot: str, picks: Mapping[str, int] = MappingProxyType({})) -> PlanRequest:
    """All about one slot, by its whole name."""
    return PlanRequest(slots=(slot,), whole_names=True, thorough=True, picks=picks)


@dataclass(frozen=True)
class _LastBuild:
    """What the last build left."""

    known: Mapping[str, tuple[Stat, str]] = field(default_factory=dict)
    """Stat and digest of every output."""
    fresh: Mapping[str, tuple[str, list[str]]] = field(default_factory=dict)
    """Fingerprint and outputs of every fresh slot; empty where all is to be looked at closely."""


def observe_project(project: Project, request: PlanRequest, on_edited: Callable[[], None] = lambda: None) -> Snapshot:
    """Look at all that a request is about.

    Args:
        project: where.
        request: what somebody wants to know.
        on_edited: called at once when the manifest is not the one that the last build read: most likely there is
            something to do, and whoever is to do it can get ready meanwhile. It may still turn out to be wrong.

    Raises:
        ManifestError: the manifest is not right; all its problems at once.
        UsageError: a slot that the manifest does not have, or a pick of a take that the slot does not have.
        AssetgenError: the lock file can't be read, or is from a newer assetgen.
    """
    manifest_digest = _digest_of(project.manifest)  # before it is read: an edit in between is noticed next time
    state = read_state(str(project.state))
    if state is not None and manifest_digest not in ("", state.manifest):
        on_edited()
    manifest = read_manifest(project.manifest, parameter_types())
    wanted = choose(manifest, request.slots, patterns=not request.whole_names)
    unchanged = state is not None and state.watched_unchanged(str(project.root))
    named = {str(path): stat_of(str(path)) for path in manifest.files}
    inputs = Inputs(manifest_digest, stat_of(str(project.lock_file)), named)
    lock = _readable(read_lock(project.lock_file, trusted=unchanged))
    last = _last_build(state, settle=unchanged and not request.thorough)
    settled = _settled(manifest, last, set(wanted) if request.force else set(request.picks))
    recipes = manifest.resolve(slot for slot in wanted if slot not in settled)
    observer = Observer(manifest, lock, last.known, project.store, frozenset(wanted if request.force else ()))
    states = _observe_slots(recipes, observer, request)
    observer.stats.update({path: last.known[path] for paths in settled.values() for path in paths})
    slots_may_be_gone = not last.fresh or not last.fresh.keys() <= set(manifest.slots)
    return Snapshot(
        project=project,
        manifest=manifest,
        lock=lock,
        inputs=inputs,
        wanted=wanted if len(states) == len(recipes) else choose(manifest, {*wanted, *states}),
        states=states,
        settled=settled,
        stats=observer.stats,
        orphans=orphans_of(manifest, lock, recipes, everywhere=slots_may_be_gone),
    )


def choose(manifest: Manifest, slots: Iterable[str], *, patterns: bool = True) -> tuple[str, ...]:
    """These slots, in the manifest's order; all of them when none is named. What is no slot's name is a pattern.

    Raises:
        UsageError: the manifest has no such slot.
    """
    chosen, there = set[str](), set(manifest.slots)
    for named in slots:
        fitting = {named} & there
        if patterns and not fitting:
            fitting = {slot for slot in there if fnmatch.fnmatchcase(slot, named)}
        if not fitting:
            raise _no_such_slot(manifest, named)
        chosen |= fitting
    return tuple(slot for slot in manifest.slots if slot in chosen) if chosen else manifest.slots


def _no_such_slot(manifest: Manifest, slot: str) -> UsageError:
    import difflib

    near = difflib.get_close_matches(slot, manifest.slots, n=1, cutoff=0.4)
    hint = f"did you mean `{near[0]}`?" if near else "`assetgen status` lists the slots"
    return UsageError(f"the manifest has no slot `{slot}`", hint=hint)


def _digest_of(manifest: Path) -> str:
    try:
        return digest_of_manifest(read_bounded(manifest))
    except OSError:
        return ""  # reading it properly says what is wrong


def _readable(lock: LockFile) -> LockFile:
    if lock.unread:
        raise AssetgenError(lock.unread, hint="restore it from your version control, or remove it: the store heals it")
    if lock.newer_format:
        what = f"`{lock.name}` was written by a newer assetgen (format {lock.newer_format})"
        raise AssetgenError(what, hint="upgrade assetgen")
    return lock


def _last_build(state: State | None, *, settle: bool) -> _LastBuild:
    """What the state says; nothing where it is damaged."""
    if state is None:
        return _LastBuild()
    try:
        known, fresh = state.known_outputs, state.slots if settle else {}
    except ValueError:
        return _LastBuild()
    whole = all(path in known for _, paths in fresh.values() for path in paths)
    return _LastBuild(known, fresh if whole else {})


def _settled(manifest: Manifest, last: _LastBuild, again: Collection[str]) -> dict[str, list[str]]:
    """Slots that are as the last build left them (same recipe, same files), but for those that are to be made again."""
    if not last.fresh or (again and manifest.linked):  # those that follow may become stale with it
        return {}
    prefix = os.path.join(manifest.root, "")
    moved = {path for path, (found, _) in last.known.items() if stat_of(prefix + path) != found}
    fingerprints = manifest.fingerprints
    return {
        slot: paths
        for slot, (fingerprint, paths) in last.fresh.items()
        if fingerprints.get(slot) == fingerprint and slot not in again and moved.isdisjoint(paths)
    }


def _observe_slots(recipes: tuple[Recipe, ...], observer: Observer, request: PlanRequest) -> dict[str, SlotState]:
    """The state of each of these slots, one after the other: each after those that it follows.

    Raises:
        ManifestError: with all that generators and encoders can't do, before minutes are spent.
    """
    resolver = KeyResolver(observer.manifest, observer.lock, request.picks)
    asked = {recipe.slot for recipe in recipes}
    states, walked = dict[str, SlotState](), list[ResolvedSlot]()
    for resolved in resolver.walk(recipes):
        walked.append(resolved)
        if resolved.slot in asked:
            states[resolved.slot] = observer.observe(resolved)
        if observer.manifest.linked and observer.has_own_file(resolved.slot):
            step = plan_slot(states.get(resolved.slot) or observer.observe(resolved))
            resolver.remade |= set() if stays_by_hand(step) else {resolved.slot}
    problems = [one for recipe in recipes for one in (*_objections(recipe), *resolver.problems(recipe.slot))]
    if problems:
        raise ManifestError.all(dict.fromkeys(problems))
    if request.with_followed:
        _add_followed(states, walked, observer)
    return states


def _objections(recipe: Recipe) -> list[Problem]:
    """What encoders can't do."""
    words = [objection(output, recipe.finish.sample_rate_hz) for output in recipe.outputs]
    return [Problem(text, recipe.place, recipe.slot) for text in words if text]


def _add_followed(states: dict[str, SlotState], walked: list[ResolvedSlot], observer: Observer) -> None:
    """Add the slots without which one that is to be generated could not hear what it follows."""
    missing = set[str]()
    for resolved in reversed(walked):  # those that follow come before those that they follow
        slot = resolved.slot
        if slot in missing:
            states[slot] = observer.observe(resolved)
        if slot in states and resolved.recipe.brief.references:
            follows = plan_slot(states[slot]).follows
            missing |= {other for other in follows.keys() - states if not observer.audible(other, follows[other])}
