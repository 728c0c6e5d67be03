"""One staged manifest, with the lock file and all files that it is judged by, as git has them in its index."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen import codec, finish, scoring
from tydust_assetgen.errors import AssetgenError, ManifestError
from tydust_assetgen.flow import Recipe
from tydust_assetgen.generate.registry import parameter_types, sources
from tydust_assetgen.git_hook.git import Blobs, Entry, Repository, entries, filtered, ignored
from tydust_assetgen.git_hook.memo import Content, Memo, RightManifest
from tydust_assetgen.git_hook.names import EXPORT_NAMES, SIDECAR, lock_of, text_blobs
from tydust_assetgen.manifest import MAX_BYTES as MANIFEST_MAX_BYTES
from tydust_assetgen.manifest import Manifest, read_manifest
from tydust_assetgen.planning.references import reference_digest
from tydust_assetgen.project.lockfile import MAX_BYTES, LockEntry, LockFile

if TYPE_CHECKING:
    from tydust_assetgen.git_hook.fixes import Fixes

_POINTER_MAX_BYTES = 1024
"""A Git LFS pointer is smaller (its specification, docs/spec.md)."""
_POINTER = re.compile(rb"version https?://\S+\n(?:ext-\S+ \S+\n)*oid sha256:([0-9a-f]{64})\nsize \d{1,15}\n")


@dataclass(frozen=True)
class StagedManifest:
    """All that is needed to judge one manifest. Paths are relative to the repository."""

    folder: str
    repository: Repository
    place: str
    data: bytes
    manifest: Manifest
    lock: LockFile
    blobs: Blobs
    memo: Memo
    known: dict[str, LockEntry | None] = field(default_factory=dict)

    @cached_property
    def root(self) -> str:
        """What turns a path of the project into one of the repository."""
        folder = self.place.rpartition("/")[0]
        return f"{folder}/" if folder else ""

    @cached_property
    def tree(self) -> str:
        """What turns an output's path into one of the repository."""
        return self.root + self.manifest.tree_prefix

    @property
    def touched(self) -> bool:
        """Whether the commit changes the manifest, its lock file, a file that it names or one that a slot becomes."""
        named = {self.root + file.relative_to(self.manifest.root).as_posix() for file in self.manifest.files}
        if not self.repository.changed.isdisjoint({self.place, lock_of(self.place), *named}):
            return True
        inner = [path.removeprefix(self.tree) for path in self.repository.changed if path.startswith(self.tree)]
        sounds = (path.removesuffix(SIDECAR) for path in inner)
        return not EXPORT_NAMES.union(self.manifest.exports.paths).isdisjoint(inner) or any(
            self.manifest.owner_of(path) or self.lock.owner_of(path) for path in sounds
        )

    @cached_property
    def index(self) -> dict[str, Entry]:
        """The index's entries for all outputs and named files."""
        return entries(self.folder, self.looked_at)

    @property
    def looked_at(self) -> tuple[str, ...]:
        """Folders and files of the index that it is judged by."""
        named = (self.root + file.relative_to(self.manifest.root).as_posix() for file in self.manifest.files)
        return (self.tree, *named)

    @cached_property
    def keeps_out(self) -> bool:
        """The game does not commit its music at all: its lock file is not in the index, and git ignores it."""
        place = lock_of(self.place)
        return place not in self.repository.texts and bool(ignored(self.repository.top, [place]))

    @cached_property
    def bare(self) -> bool:
        """The game commits its lock file and no music: whoever builds gets it elsewhere."""
        locked = (entry for slot in self.lock.blocks if (entry := self.lock.entry(slot)))
        return not any(self.tree + output.output.path in self.index for entry in locked for output in entry.outputs)

    def entry(self, slot: str) -> LockEntry | None:
        """What the staged lock file says of a slot; read once."""
        if slot not in self.known:
            self.known[slot] = self.lock.entry(slot)
        return self.known[slot]

    def reference_digest(self, manifest: Manifest, recipe: Recipe, path: str) -> str:
        """Digest of a sound as it is staged. What is no file in the index, such as a link, is read from the disk."""
        place = self.root + path
        item = self.index.get(place)
        if item is None:
            hint = f"`git add {place}` first" if Path(self.repository.top, place).exists() else "is it committed?"
            raise ManifestError(f"`{path}` is not staged", place=recipe.place, slot=recipe.slot, hint=hint)
        return reference_digest(manifest, recipe, path) if item.trouble else self.content(item.blob).digest

    @cached_property
    def fixes(self) -> Fixes:
        """Says how to fix what is refused; not needed where all is right."""
        from tydust_assetgen.git_hook.fixes import Fixes

        return Fixes(self.repository.top, self.place, self.tree, self.data)

    def content(self, blob: str) -> Content:
        """What a blob stands for. A big one is read once in its life."""
        known = self.memo.blob(blob)
        if known is None:
            known = content_of(self.blobs.chunks(blob))
            self.memo.keep_blob(blob, known)
        return known

    def digest(self, path: str) -> str:
        """Digest of what a path in the index stands for; empty where it is no plain file."""
        item = self.index.get(path)
        return self.content(item.blob).digest if item and not item.trouble else ""

    def written(self, path: str, blob: str, found: Content) -> str:
        """Digest of a file as git would write it to the disk: a filter, or an ending of lines, may be set for it."""
        if found.pointer:
            return ""
        return hashlib.sha256(filtered(self.folder, path, blob)).hexdigest()

    @property
    def right_manifest(self) -> RightManifest:
        """What is remembered where all of it is right."""
        code = (codec.__file__, finish.__file__, scoring.__file__, *sources())
        return RightManifest(self.place, text_blobs(self.repository, self.place), self.looked_at, code)


def read_staged(folder: str, repository: Repository, place: str, blobs: Blobs, memo: Memo) -> StagedManifest:
    """Read a staged manifest and its lock file.

    Raises:
        AssetgenError: one of them can't be read.
    """
    entry = repository.texts[place]
    if entry.trouble:
        raise ManifestError(entry.trouble, place=place, hint=f"settle it, then `git add {place}`")
    data = blobs.read(entry.blob, MANIFEST_MAX_BYTES)
    manifest = read_manifest(Path(repository.top, place), parameter_types(), data)
    return StagedManifest(
        folder, repository, place, data, manifest, _lock(repository, lock_of(place), blobs), blobs, memo
    )


def _lock(repository: Repository, place: str, blobs: Blobs) -> LockFile:
    """The staged lock file; an empty one when none is staged.

    Raises:
        AssetgenError: it can't be read, or is from a newer assetgen.
    """
    entry = repository.texts.get(place)
    if entry is None:
        return LockFile(name=place)
    data = b"" if entry.trouble else blobs.read(entry.blob, MAX_BYTES).replace(b"\r\n", b"\n")
    lock = LockFile(data, place)
    if lock.newer_format:
        raise AssetgenError(f"`{place}` was written by a newer assetgen", hint="upgrade assetgen")
    trouble = entry.trouble or next(iter(lock.problems), "")
    if trouble:
        raise AssetgenError(trouble, place=place, hint=f"`assetgen build` mends it; then `git add {place}`")
    return lock


def content_of(chunks: Iterable[bytes]) -> Content:
    """What a blob with these bytes stands for."""
    hasher, head, size = hashlib.sha256(), b"", 0
    for chunk in chunks:
        hasher.update(chunk)
        head, size = head or chunk, size + len(chunk)
    pointer = _POINTER.fullmatch(head) if size <= _POINTER_MAX_BYTES else None
    return Content(pointer[1].decode(), pointer=True) if pointer else Content(hasher.hexdigest(), pointer=False)
