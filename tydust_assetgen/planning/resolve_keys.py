"""Keys of whole slots, on this machine. In walks a recipe, out it walks complete, with its keys.

A recipe says which sounds its generator is to hear; here they get their digests. A generator may add what only the
machine knows, such as a digest of a model's weights; where it does not know, what the lock file says of it counts, so
that a machine without the weights still finds the tree fresh. A slot that follows another one gets that one's take
key, and so becomes stale with it.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from tydust_assetgen.codec import CODEC_VERSION, MAX_BYTES
from tydust_assetgen.errors import ManifestError, Problem, UsageError
from tydust_assetgen.finish import FINISH_VERSION
from tydust_assetgen.flow import Brief, Recipe, Reference, Scalar
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.manifest import SLOT, Manifest
from tydust_assetgen.manifest.validate import nearest
from tydust_assetgen.project.keys import Keys, Versions, keys_of, performance
from tydust_assetgen.project.lockfile import LockFile
from tydust_assetgen.scoring import SCORING_VERSION
from tydust_assetgen.system import digest_file

LONGEST_ROW = 100
"""Slots that follow one another."""


class Keyed(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe with the digests of its references, and what follows from it."""

    recipe: Recipe
    keys: Keys
    versions: Versions
    key_parameters: dict[str, Scalar]


@dataclass
class Keyring:
    """The keys of one manifest's slots."""

    manifest: Manifest
    lock: LockFile
    picks: Mapping[str, int] = field(default_factory=dict)
    """Takes to pin from now on, by slot; 0 takes a pin back. Other slots keep the pin that the lock file has."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Those that are resolved already, by slot."""
    stays_by_hand: Callable[[Keyed], bool] = lambda _: True
    """Whether a person's own file will still stand for this slot when the build has ended."""
    _known: dict[str, Keyed] = field(default_factory=dict)

    def of_slot(self, slot: str, trail: tuple[str, ...] = ()) -> Keyed:
        """The keys of a slot by its name; see `of`."""
        if slot in self._known:
            return self._known[slot]
        recipe = self.recipes.get(slot) or self.manifest.resolve((slot,))[0]
        return self.of(recipe, trail)

    def of(self, recipe: Recipe, trail: tuple[str, ...] = ()) -> Keyed:
        """A slot's keys.

        Args:
            recipe: as the manifest gives it.
            trail: the slots that led here, each following the next.

        Raises:
            ManifestError: a sound that it is to hear is not there, or its generator can't do what it asks.
            UsageError: a pick of a take that the slot does not have.
        """
        if recipe.slot not in self._known:
            self._known[recipe.slot] = self._keyed(recipe, (*trail, recipe.slot))
        return self._known[recipe.slot]

    def _keyed(self, recipe: Recipe, trail: tuple[str, ...]) -> Keyed:
        heard = tuple(self._heard(recipe, reference, trail) for reference in recipe.brief.references)
        brief = msgspec.structs.replace(recipe.brief, references=heard)
        brief = msgspec.structs.replace(brief, pick=self._pick(recipe.slot, brief))
        recipe = msgspec.structs.replace(recipe, brief=brief)
        self._refuse(recipe)
        made_by = generator(brief.generator)
        versions = Versions(
            generator=made_by.version,
            finish=FINISH_VERSION,
            codec=CODEC_VERSION,
            scoring=SCORING_VERSION if brief.takes > 1 and not brief.pick else "",
        )
        more = self._key_parameters(recipe.slot, brief)
        return Keyed(recipe=recipe, keys=keys_of(recipe, versions, more), versions=versions, key_parameters=more)

    def _pick(self, slot: str, brief: Brief) -> int:
        """The number of the take that a person chose: just now, or for the same brief in the lock file."""
        if slot in self.picks:
            return _checked(slot, self.picks[slot], brief.takes)
        entry = self.lock.entry(slot) if brief.takes > 1 else None
        pinned = entry is not None and _asked(entry.brief) == _asked(brief)
        return entry.brief.pick if entry and pinned and 0 <= entry.brief.pick <= brief.takes else 0

    def _key_parameters(self, slot: str, brief: Brief) -> dict[str, Scalar]:
        here = generator(brief.generator).key_parameters(brief, self._shelf)
        entry = self.lock.entry(slot) if "" in here.values() else None
        same = entry is not None and entry.brief.generator == brief.generator
        locked = entry.key_parameters if entry and same else {}
        return {name: locked.get(name, "") if value == "" else value for name, value in here.items()}

    def _heard(self, recipe: Recipe, reference: Reference, trail: tuple[str, ...]) -> Reference:
        path = reference.path
        slot = path.removeprefix(SLOT)
        digest = self._slot_digest(recipe, slot, trail) if slot != path else self._file_digest(recipe, path)
        return Reference(path, digest)

    def _file_digest(self, recipe: Recipe, path: str) -> str:
        place = self.manifest.root / path
        try:
            real = place.resolve()
            real.relative_to(self.manifest.root.resolve())
            found = place.stat()
            digest = digest_file(place) if found.st_size <= MAX_BYTES else ""
        except ValueError:
            raise _wrong(recipe, f"`{path}` lies outside the manifest's folder: it is a link that leads out") from None
        except OSError as error:
            raise _wrong(recipe, f"`{path}` can't be read: {error.strerror or error}", "is it committed?") from error
        if stat.S_ISDIR(found.st_mode):
            raise _wrong(recipe, f"`{path}` is a folder, not a sound file")
        if owner := self._owner_of(real):
            hint = f'write "{SLOT}{owner}": then that one is made first'
            raise _wrong(recipe, f"`{path}` is what the slot `{owner}` becomes", hint)
        if not digest:
            raise _wrong(recipe, f"`{path}` is larger than {MAX_BYTES >> 20} MB", "a minute of it is enough")
        return digest

    def _owner_of(self, real: Path) -> str:
        """The slot that becomes this file; it would change while it is followed."""
        tree = self.manifest.assets.resolve()
        return self.manifest.owner_of(real.relative_to(tree).as_posix()) if tree in real.parents else ""

    def _slot_digest(self, recipe: Recipe, slot: str, trail: tuple[str, ...]) -> str:
        """The other slot's take key; where a person's own file was adopted for it, that file's digest."""
        if slot not in self._slots:
            near = nearest(slot, self.manifest.slots)
            raise _wrong(recipe, f"there is no slot `{slot}`", f"did you mean `{near}`?" if near else "")
        if slot in trail:
            circle = " -> ".join(f"`{name}`" for name in (*trail[trail.index(slot) :], slot))
            raise _wrong(recipe, f"slots follow each other in a circle: {circle}", "let one of them go first")
        if len(trail) > LONGEST_ROW:
            what = f"more than {LONGEST_ROW} slots follow each other in a row"
            raise _wrong(recipe, what, "let them follow the first one")
        keyed = self.of_slot(slot, trail)
        entry = self.lock.entry(slot)
        locked = entry.output_at(slot) if entry else None
        by_hand = locked is not None and locked.hand_made and self.stays_by_hand(keyed)
        return locked.digest if locked and by_hand else keyed.keys.take

    def _refuse(self, recipe: Recipe) -> None:
        """What its generator can't do, or may not do for this game."""
        made_by = generator(recipe.brief.generator)
        found = list(made_by.check(recipe.brief, self._shelf))
        licence = made_by.licence(recipe.brief)
        if self.manifest.commercial and not found and (problem := _not_for_sale(licence)):
            found.append(problem)
        if found:
            raise ManifestError.all(
                Problem(each.message, each.place or recipe.place, recipe.slot, each.hint) for each in found
            )

    @cached_property
    def _slots(self) -> frozenset[str]:
        return frozenset(self.manifest.slots)

    @property
    def _shelf(self) -> Shelf:
        return Shelf(self.manifest.root)


def _asked(brief: Brief) -> tuple[int, bytes]:
    return brief.takes, performance(brief)


def _checked(slot: str, number: int, takes: int) -> int:
    if 0 <= number <= takes and (takes > 1 or not number):
        return number
    if takes == 1:
        raise UsageError(f"`{slot}` has one take only", hint="`takes = 4` in the manifest makes four to choose from")
    raise UsageError(f"`{slot}` has takes 1 to {takes}, there is no take {number}", hint=f"`assetgen takes {slot}`")


def _not_for_sale(licence: str) -> Problem | None:
    """Why what is made under a licence may not be sold, as far as one knows."""
    if "-NC" in licence:
        what = f"its licence is {licence}, not for commercial use, and `[policy]` says `commercial = true`"
        return Problem(what, hint='`generator = "composer"` is free for any use')
    if licence == "unknown":
        what = "its licence is not known, and `[policy]` says `commercial = true`"
        return Problem(what, hint='say the licence of weights of your own, such as `licence = "MIT"`')
    return None


def _wrong(recipe: Recipe, message: str, hint: str = "") -> ManifestError:
    return ManifestError(message, place=recipe.place, slot=recipe.slot, hint=hint)
