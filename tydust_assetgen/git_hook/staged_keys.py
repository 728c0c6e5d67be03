"""Keys of slots as they are staged. In walks a recipe of the staged manifest, out it walks with its keys.

All is as in `keyring`, but for the sounds that a slot is to hear: their digests are those of their blobs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen.errors import ManifestError
from tydust_assetgen.flow import Recipe
from tydust_assetgen.planning.resolve_keys import Keyring

if TYPE_CHECKING:
    from tydust_assetgen.git_hook.check import Bench


class StagedKeyring(Keyring):
    """Hears references as they are staged. What is no file in the index, such as a link, is heard from the disk."""

    def __init__(self, *papers: object, bench: Bench, **more: object) -> None:
        super().__init__(*papers, **more)  # type: ignore[arg-type]
        self._bench = bench

    def _refuse(self, recipe: Recipe) -> None:
        """What a generator can't do was never built, so it is not in the lock file. What may not be sold may be."""
        if self.manifest.commercial:
            super()._refuse(recipe)

    def _file_digest(self, recipe: Recipe, path: str) -> str:
        place = self._bench.root + path
        item = self._bench.index.get(place)
        if item is None:
            hint = f"`git add {place}` first" if Path(self._bench.staged.top, place).exists() else "is it committed?"
            raise ManifestError(f"`{path}` is not staged", place=recipe.place, slot=recipe.slot, hint=hint)
        return super()._file_digest(recipe, path) if item.trouble else self._bench.content(item.blob).digest
