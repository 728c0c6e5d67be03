"""Resolves the keys of slots, each after the slots that it follows.

A recipe says which sounds its generator is to hear; here they get their digests. A generator may add what only the
machine knows, such as a digest of a model's weights; where it does not know, what the lock file says of it counts, so
that a machine without the weights still finds the tree fresh. A slot that follows another one gets that one's take
key, and so becomes stale with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import msgspec

from tydust_assetgen.codec import CODEC_VERSION
from tydust_assetgen.errors import ManifestError, Problem, UsageError
from tydust_assetgen.finish import FINISH_VERSION
from tydust_assetgen.flow import Brief, Recipe, Reference, Scalar
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.manifest import SLOT, Manifest
from tydust_assetgen.manifest.validate import nearest
from tydust_assetgen.planning.references import circle_error, dependency_order, followed_by, reference_digest, wrong
from tydust_assetgen.project.keys import Keys, Versions, keys_of, performance
from tydust_assetgen.project.lockfile import LockFile
from tydust_assetgen.scoring import SCORING_VERSION

LONGEST_ROW = 100
"""Slots that follow one another."""

ReferenceDigest: TypeAlias = Callable[[Manifest, Recipe, str], str]
"""Gives the digest of a sound file that a recipe names by its path; raises ManifestError."""


class ResolvedSlot(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe with the digests of its references, and what follows from it."""

    recipe: Recipe
    keys: Keys
    versions: Versions
    key_parameters: dict[str, Scalar]

    @property
    def slot(self) -> str:
        return self.recipe.slot


@dataclass
class KeyResolver:
    """Resolves the slots of one manifest."""

    manifest: Manifest
    lock: LockFile
    picks: Mapping[str, int] = field(default_factory=dict)
    """Takes to pin from now on, by slot; 0 takes a pin back. Other slots keep the pin that the lock file has."""
    reference_digest: ReferenceDigest = reference_digest
    ask_generators: bool = True
    """Let generators say what they can't do. Not needed for what was built; what may not be sold is always refused."""
    remade: set[str] = field(default_factory=set)
    """Slots whose hand-made file will be made again, so that others follow their take. Whoever walks adds to it."""
    _resolved: dict[str, ResolvedSlot] = field(default_factory=dict)
    _failed: dict[str, ManifestError] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)
    """How many slots stand in the longest row that ends with this one."""

    def resolve(self, recipes: Iterable[Recipe]) -> list[ResolvedSlot]:
        """These slots with their keys, in this order.

        Raises:
            ManifestError: with every problem of all these slots.
            UsageError: a pick of a take that the slot does not have.
        """
        recipes = tuple(recipes)
        found = {one.slot: one for one in self.walk(recipes)}
        if problems := [problem for recipe in recipes for problem in self.problems(recipe.slot)]:
            raise ManifestError.all(dict.fromkeys(problems))
        return [found[recipe.slot] for recipe in recipes]

    def walk(self, recipes: Iterable[Recipe]) -> Iterator[ResolvedSlot]:
        """These slots, and those that they follow, each after those that it follows itself.

        Those that can't be resolved are left out: `problems` says why.

        Raises:
            UsageError: a pick of a take that the slot does not have.
        """
        asked = {recipe.slot: recipe for recipe in recipes}
        known = self._with_followed(asked) if self.manifest.linked else asked
        for recipe in dependency_order(known) if self.manifest.linked else asked.values():
            try:
                self._resolved[recipe.slot] = self._resolve(recipe)
            except ManifestError as error:
                self._failed[recipe.slot] = error
            else:
                yield self._resolved[recipe.slot]
        stuck = {slot: known[slot] for slot in known if slot not in self._resolved and slot not in self._failed}
        self._failed |= {slot: circle_error(slot, stuck) for slot in stuck}

    def problems(self, slot: str) -> tuple[Problem, ...]:
        """Why a slot was left out of a walk; empty when it was not."""
        return self._failed[slot].problems if slot in self._failed else ()

    def _with_followed(self, asked: Mapping[str, Recipe]) -> dict[str, Recipe]:
        """These recipes, and those of all slots that they follow, directly or not."""
        found, unread = dict(asked), list(asked.values())
        while unread:
            for slot in followed_by(unread.pop()):
                if slot in found or slot in self._failed or slot not in self._slots:
                    continue
                try:
                    (found[slot],) = self.manifest.resolve((slot,))
                    unread.append(found[slot])
                except ManifestError as error:
                    self._failed[slot] = error
        return found

    def _resolve(self, recipe: Recipe) -> ResolvedSlot:
        references = tuple(self._with_digest(recipe, reference) for reference in recipe.brief.references)
        self._refuse_long_row(recipe)
        brief = msgspec.structs.replace(recipe.brief, references=references)
        brief = msgspec.structs.replace(brief, pick=self._pick(recipe.slot, brief))
        recipe = msgspec.structs.replace(recipe, brief=brief)
        if self.ask_generators or self.manifest.commercial:
            _refuse(recipe, self._shelf, commercial=self.manifest.commercial)
        versions = _versions(brief)
        more = self._key_parameters(recipe.slot, brief)
        return ResolvedSlot(recipe=recipe, keys=keys_of(recipe, versions, more), versions=versions, key_parameters=more)

    def _with_digest(self, recipe: Recipe, reference: Reference) -> Reference:
        path = reference.path
        if path.startswith(SLOT):
            return Reference(path, self._sound_of(recipe, path.removeprefix(SLOT)))
        return Reference(path, self.reference_digest(self.manifest, recipe, path))

    def _sound_of(self, recipe: Recipe, slot: str) -> str:
        """Another slot's take key; where a person's own file was adopted for it, and stays, that file's digest."""
        if slot not in self._slots:
            near = nearest(slot, self.manifest.slots)
            raise wrong(recipe, f"there is no slot `{slot}`", f"did you mean `{near}`?" if near else "")
        if slot in self._failed:
            raise self._failed[slot]
        entry = self.lock.entry(slot)
        own = entry.output_at(slot) if entry and slot not in self.remade else None
        return own.digest if own and own.hand_made else self._resolved[slot].keys.take

    def _refuse_long_row(self, recipe: Recipe) -> None:
        followed = followed_by(recipe)
        if not followed:
            return
        row = 1 + max(self._rows.get(slot, 1) for slot in followed)
        if row > LONGEST_ROW + 1:
            what = f"more than {LONGEST_ROW} slots follow each other in a row"
            raise wrong(recipe, what, "let them follow the first one")
        self._rows[recipe.slot] = row

    def _pick(self, slot: str, brief: Brief) -> int:
        """The number of the take that a person chose: just now, or for the same brief in the lock file."""
        if slot in self.picks:
            return _checked_pick(slot, self.picks[slot], brief.takes)
        entry = self.lock.entry(slot) if brief.takes > 1 else None
        pinned = entry is not None and _asked(entry.brief) == _asked(brief)
        return entry.brief.pick if entry and pinned and 0 <= entry.brief.pick <= brief.takes else 0

    def _key_parameters(self, slot: str, brief: Brief) -> dict[str, Scalar]:
        here = generator(brief.generator).key_parameters(brief, self._shelf)
        entry = self.lock.entry(slot) if "" in here.values() else None
        same = entry is not None and entry.brief.generator == brief.generator
        locked = entry.key_parameters if entry and same else {}
        return {name: locked.get(name, "") if value == "" else value for name, value in here.items()}

    @cached_property
    def _slots(self) -> frozenset[str]:
        return frozenset(self.manifest.slots)

    @property
    def _shelf(self) -> Shelf:
        return Shelf(self.manifest.root)


def _versions(brief: Brief) -> Versions:
    return Versions(
        generator=generator(brief.generator).version,
        finish=FINISH_VERSION,
        codec=CODEC_VERSION,
        scoring=SCORING_VERSION if brief.takes > 1 and not brief.pick else "",
    )


def _asked(brief: Brief) -> tuple[int, bytes]:
    return brief.takes, performance(brief)


def _checked_pick(slot: str, number: int, takes: int) -> int:
    if 0 <= number <= takes and (takes > 1 or not number):
        return number
    if takes == 1:
        raise UsageError(f"`{slot}` has one take only", hint="`takes = 4` in the manifest makes four to choose from")
    raise UsageError(f"`{slot}` has takes 1 to {takes}, there is no take {number}", hint=f"`assetgen takes {slot}`")


def _refuse(recipe: Recipe, shelf: Shelf, *, commercial: bool) -> None:
    """Raise what its generator can't do, or may not do for this game."""
    made_by = generator(recipe.brief.generator)
    found = list(made_by.check(recipe.brief, shelf))
    licence = made_by.licence(recipe.brief)
    if commercial and not found and (problem := _not_for_sale(licence)):
        found.append(problem)
    if found:
        raise ManifestError.all(
            Problem(each.message, each.place or recipe.place, recipe.slot, each.hint) for each in found
        )


def _not_for_sale(licence: str) -> Problem | None:
    """Why what is made under a licence may not be sold, as far as one knows."""
    if "-NC" in licence:
        what = f"its licence is {licence}, not for commercial use, and `[policy]` says `commercial = true`"
        return Problem(what, hint='`generator = "composer"` is free for any use')
    if licence == "unknown":
        what = "its licence is not known, and `[policy]` says `commercial = true`"
        return Problem(what, hint='say the licence of weights of your own, such as `licence = "MIT"`')
    return None
