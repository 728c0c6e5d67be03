"""What slots hear: digests of the sounds that they name, and the order in which slots that follow each other come."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tydust_assetgen.codec import MAX_BYTES
from tydust_assetgen.errors import ManifestError
from tydust_assetgen.flow import Recipe
from tydust_assetgen.manifest import SLOT, Manifest
from tydust_assetgen.system import digest_file


def reference_digest(manifest: Manifest, recipe: Recipe, path: str) -> str:
    """SHA-256 of a sound file that a recipe names, as it stands on the disk.

    Args:
        path: relative to the manifest's folder.

    Raises:
        ManifestError: it is not there, no file, too large, outside of the folder, or the file of a slot.
    """
    place = manifest.root / path
    try:
        real = place.resolve()
        real.relative_to(manifest.root.resolve())
        found = place.stat()
        digest = digest_file(place) if found.st_size <= MAX_BYTES else ""
    except ValueError:
        raise wrong(recipe, f"`{path}` lies outside the manifest's folder: it is a link that leads out") from None
    except OSError as error:
        raise wrong(recipe, f"`{path}` can't be read: {error.strerror or error}", "is it committed?") from error
    if stat.S_ISDIR(found.st_mode):
        raise wrong(recipe, f"`{path}` is a folder, not a sound file")
    if owner := _owner_of(manifest, real):
        hint = f'write "{SLOT}{owner}": then that one is made first'
        raise wrong(recipe, f"`{path}` is what the slot `{owner}` becomes", hint)
    if not digest:
        raise wrong(recipe, f"`{path}` is larger than {MAX_BYTES >> 20} MB", "a minute of it is enough")
    return digest


def _owner_of(manifest: Manifest, real: Path) -> str:
    """The slot that becomes this file; it would change while it is followed."""
    tree = manifest.assets.resolve()
    return manifest.owner_of(real.relative_to(tree).as_posix()) if tree in real.parents else ""


def followed_by(recipe: Recipe) -> tuple[str, ...]:
    """The slots that a recipe follows, whether the manifest has them or not."""
    paths = (reference.path for reference in recipe.brief.references)
    return tuple(path.removeprefix(SLOT) for path in paths if path.startswith(SLOT))


def dependency_order(recipes: Mapping[str, Recipe]) -> Iterator[Recipe]:
    """Each recipe after those of the slots that it follows. Left out is what follows itself, directly or not."""
    from graphlib import CycleError, TopologicalSorter  # only few manifests have slots that follow others

    sorter = TopologicalSorter(
        {slot: [other for other in followed_by(recipe) if other in recipes] for slot, recipe in recipes.items()}
    )
    with suppress(CycleError):  # the slots of a circle never get ready, and all others do
        sorter.prepare()
    while ready := sorter.get_ready():
        for slot in ready:
            yield recipes[slot]
        sorter.done(*ready)


def circle_error(slot: str, stuck: Mapping[str, Recipe]) -> ManifestError:
    """The circle that a slot belongs to, or leads to.

    Args:
        stuck: the recipes that `dependency_order` left out: each of them follows another one.
    """
    trail = [slot]
    while (following := _first_in(stuck, followed_by(stuck[trail[-1]]))) not in trail:
        trail.append(following)
    circle = " -> ".join(f"`{name}`" for name in (*trail[trail.index(following) :], following))
    return wrong(stuck[trail[-1]], f"slots follow each other in a circle: {circle}", "let one of them go first")


def _first_in(stuck: Mapping[str, Recipe], slots: Iterable[str]) -> str:
    return next(slot for slot in slots if slot in stuck)


def wrong(recipe: Recipe, message: str, hint: str = "") -> ManifestError:
    """A slot that can't be made as it is asked for, with its place in the manifest."""
    return ManifestError(message, place=recipe.place, slot=recipe.slot, hint=hint)
