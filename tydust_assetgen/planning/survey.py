"""Looking before deciding. In walks a `Project`, out walks a `Survey`: the plan, and all that it was made from.

This is the one way to a plan: `build`, `--dry-run`, `status`, `check` and `explain` all come through here. Nothing is
written. Slots whose recipe, lock entry and files are as the last build left them are settled by their stat alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tydust_assetgen.codec import objection
from tydust_assetgen.errors import AssetgenError, ManifestError, Problem, UsageError
from tydust_assetgen.flow import Recipe
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import Manifest, read_manifest
from tydust_assetgen.planning.observe import Look
from tydust_assetgen.planning.orphans import orphans_of
from tydust_assetgen.planning.plan import Plan, Situation, plan, plan_slot
from tydust_assetgen.planning.resolve_keys import Keyed, Keyring
from tydust_assetgen.project.lockfile import LockFile, read_lock
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import Stat, State, digest_of_manifest, read_state, stat_of


@dataclass(frozen=True)
class Survey:
    """What was seen, and the plan that follows from it."""

    project: Project
    manifest: Manifest
    manifest_digest: str
    lock: LockFile
    lock_stat: Stat
    """Of the lock file, when it was read."""
    plan: Plan
    wanted: tuple[str, ...]
    """The slots that were asked for, in the manifest's order."""
    fingerprints: dict[str, str]
    settled: dict[str, list[str]]
    """Slots that needed no closer look, with the paths of their outputs (relative to the project)."""
    stats: dict[str, tuple[Stat, str]]
    """Stat and digest of every output that was looked at, by path (relative to the project)."""
    named: dict[str, Stat] = field(default_factory=dict)
    """Of every file that the manifest names, from before its digest was taken: a change in between is noticed later."""

    @property
    def tree(self) -> Path:
        return self.manifest.assets

    def project_path(self, output_path: str) -> str:
        """An output's path relative to the project, as the state has it."""
        return _tree_prefix(self.manifest) + output_path


def survey(
    project: Project,
    *,
    slots: Iterable[str] = (),
    force: bool = False,
    thorough: bool = False,
    picks: Mapping[str, int] | None = None,
    along: bool = False,
) -> Survey:
    """Look at a project and plan.

    Args:
        slots: only these; all when empty.
        force: make these slots again, whatever is there. Needs `slots`.
        thorough: settle nothing by the last build's word, and look for orphans in every lock entry.
        picks: takes to pin, by slot; 0 takes the pin back.
        along: plan also what `slots` follow, where it must be made first.

    Raises:
        ManifestError: the manifest is not right; all its problems at once.
        UsageError: a slot that the manifest does not have, or a pick of a take that the slot does not have.
        AssetgenError: the lock file can't be read, or is from a newer assetgen.
    """
    manifest_digest = _digest_of(project.manifest)  # before it is read: an edit in between is noticed next time
    manifest = read_manifest(project.manifest, parameter_types())
    wanted = choose(manifest, slots)
    state = read_state(str(project.state))
    as_left = state is not None and state.watched_unchanged(str(project.root))
    lock_stat = stat_of(str(project.lock_file))
    lock = _readable(read_lock(project.lock_file, trusted=as_left))
    fingerprints = {slot: manifest.fingerprint(slot).hex() for slot in manifest.slots}
    known, left = _as_left(state)
    left = left if as_left and not thorough else {}
    settled = _settled(project, left, known, fingerprints)
    again = set(wanted) if force else set(picks or ())
    settled = {slot: paths for slot, paths in settled.items() if slot not in again}
    settled = {} if again and manifest.linked else settled  # those that follow may become stale with it
    unsure = [slot for slot in wanted if slot not in settled]
    named = {str(path): stat_of(str(path)) for path in manifest.files}
    recipes = manifest.resolve(unsure)
    look = Look(
        project, manifest, lock, known, project.store, frozenset(wanted if force else ()), _tree_prefix(manifest)
    )
    ring = Keyring(manifest, lock, picks or {}, {recipe.slot: recipe for recipe in recipes}, look.stays_by_hand)
    situations = {keyed.recipe.slot: look.situation(keyed) for keyed in _keyed(recipes, ring)}
    if along:
        _add_followed(situations, look, ring)
        wanted = tuple(slot for slot in manifest.slots if slot in situations or slot in wanted)
    orphans = orphans_of(manifest, lock, recipes, everywhere=not left or not left.keys() <= set(manifest.slots))
    for paths in settled.values():
        look.stats.update({path: known[path] for path in paths})
    return Survey(
        project=project,
        manifest=manifest,
        manifest_digest=manifest_digest,
        lock=lock,
        lock_stat=lock_stat,
        plan=plan(
            (situations[slot] for slot in wanted if slot in situations),
            settled=len((settled.keys() & set(wanted)) - situations.keys()),
            orphans=orphans,
        ),
        wanted=wanted,
        fingerprints=fingerprints,
        settled=settled,
        stats=look.stats,
        named=named,
    )


def _add_followed(situations: dict[str, Situation], look: Look, ring: Keyring) -> None:
    """Add the slots without which one that is to be generated could not hear what it follows."""
    open_ends = list(situations.values())
    while open_ends:
        step = plan_slot(open_ends.pop())
        for slot, digest in step.follows.items():
            if slot not in situations and not look.audible(slot, digest):
                situations[slot] = look.situation(ring.of_slot(slot))
                open_ends.append(situations[slot])


def _digest_of(manifest: Path) -> str:
    try:
        return digest_of_manifest(manifest.read_bytes())
    except OSError:
        return ""  # reading it properly says what is wrong


def _readable(lock: LockFile) -> LockFile:
    if lock.unread:
        raise AssetgenError(lock.unread, hint="restore it from your version control, or remove it: the store heals it")
    if lock.newer_format:
        what = f"`{lock.name}` was written by a newer assetgen (format {lock.newer_format})"
        raise AssetgenError(what, hint="upgrade assetgen")
    return lock


def choose(manifest: Manifest, slots: Iterable[str]) -> tuple[str, ...]:
    """These slots, in the manifest's order; all of them when none is named.

    Raises:
        UsageError: the manifest has no such slot.
    """
    import difflib

    slots, there = tuple(slots), set(manifest.slots)
    for slot in slots:
        if slot not in there:
            near = difflib.get_close_matches(slot, manifest.slots, n=1, cutoff=0.4)
            hint = f"did you mean `{near[0]}`?" if near else "`assetgen status` lists the slots"
            raise UsageError(f"the manifest has no slot `{slot}`", hint=hint)
    chosen = set(slots)
    return tuple(slot for slot in manifest.slots if not chosen or slot in chosen)


def _as_left(state: State | None) -> tuple[dict[str, tuple[Stat, str]], dict[str, tuple[str, list[str]]]]:
    """What the last build left: stat and digest of every output, fingerprint and outputs of every fresh slot."""
    try:
        digests = state.digests if state else {}
        known = {path: (found, digests[path]) for path, found in state.outputs.items()} if state else {}
        left = state.slots if state else {}
    except ValueError:
        return {}, {}
    return known, left if all(path in known for _, paths in left.values() for path in paths) else {}


def _settled(
    project: Project,
    left: dict[str, tuple[str, list[str]]],
    known: dict[str, tuple[Stat, str]],
    fingerprints: dict[str, str],
) -> dict[str, list[str]]:
    """Slots that are as the last build left them: same recipe, same files."""
    prefix = os.path.join(project.root, "")
    moved = {path for path, (found, _) in known.items() if stat_of(prefix + path) != found}
    return {
        slot: paths
        for slot, (fingerprint, paths) in left.items()
        if fingerprints.get(slot) == fingerprint and moved.isdisjoint(paths)
    }


def _keyed(recipes: Iterable[Recipe], ring: Keyring) -> list[Keyed]:
    """Every slot with its keys. What generators and encoders can't do is said of all at once, before minutes are spent.

    Raises:
        ManifestError: with every problem of all these slots.
    """
    found, problems = list[Keyed](), list[Problem]()
    for recipe in recipes:
        problems += _objections(recipe)
        try:
            found.append(ring.of(recipe))
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError.all(dict.fromkeys(problems))
    return found


def _objections(recipe: Recipe) -> list[Problem]:
    words = [objection(output, recipe.finish.sample_rate_hz) for output in recipe.outputs]
    return [Problem(text, recipe.place, recipe.slot) for text in words if text]


def _tree_prefix(manifest: Manifest) -> str:
    assets = os.path.relpath(manifest.assets, manifest.root).replace(os.sep, "/")
    return "" if assets == "." else f"{assets}/"
