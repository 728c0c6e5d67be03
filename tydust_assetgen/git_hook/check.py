"""Judging the index. In walk the manifests that a commit touches, out walks a `Verdict`.

A slot is right when the staged lock file has the keys that the staged manifest asks for, and git has for each of its
files the bytes that the lock file has the digest of. A file in Git LFS is a pointer in the index, and has that
digest in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen import codec, finish, scoring
from tydust_assetgen.codec import CODEC_VERSION
from tydust_assetgen.errors import AssetgenError, ManifestError
from tydust_assetgen.finish import FINISH_VERSION
from tydust_assetgen.flow import Output, Recipe
from tydust_assetgen.generate.registry import generator, parameter_types, sources
from tydust_assetgen.git_hook import EXPORT_NAMES, SIDECAR, lock_of, papers_of
from tydust_assetgen.git_hook.blobs import content_of
from tydust_assetgen.git_hook.git import Blobs, Entry, Staged, entries, filtered, ignored
from tydust_assetgen.git_hook.memo import Content, Memory, Whole
from tydust_assetgen.git_hook.verdict import Refusal, Verdict
from tydust_assetgen.manifest import MAX_BYTES as MANIFEST_MAX_BYTES
from tydust_assetgen.manifest import Manifest, read_manifest
from tydust_assetgen.planning.reasons import Wanted, changes
from tydust_assetgen.planning.references import reference_digest
from tydust_assetgen.planning.resolve_keys import KeyResolver, ResolvedSlot
from tydust_assetgen.project.lockfile import MAX_BYTES, LockedOutput, LockEntry, LockFile
from tydust_assetgen.scoring import SCORING_VERSION

if TYPE_CHECKING:
    from tydust_assetgen.git_hook.check_exports import ExportsVerdict
    from tydust_assetgen.git_hook.fixes import Mender


def judge(
    folder: str,
    staged: Staged,
    manifests: Iterable[str],
    blobs: Blobs,
    memory: Memory,
    slots: tuple[str, ...],
    *,
    everything: bool,
) -> Verdict:
    """Judge these manifests, relative to the repository; see `judge_staged`."""
    benches = [_bench(folder, staged, place, blobs, memory, everything=everything) for place in manifests]
    found = [bench.verdict(slots) for bench in benches if bench and (everything or bench.touched)]
    memory.close()
    return Verdict(
        right=sum(one.right for one in found), refusals=tuple(refusal for one in found for refusal in one.refusals)
    )


def _bench(folder: str, staged: Staged, place: str, blobs: Blobs, memory: Memory, *, everything: bool) -> Bench | None:
    """A manifest to be judged; `None` for one that can't be read, which is not the fault of this commit."""
    try:
        return _read(folder, staged, place, blobs, memory)
    except AssetgenError:
        if everything or not staged.changed.isdisjoint({place, lock_of(place)}):
            raise
        return None


def _read(folder: str, staged: Staged, place: str, blobs: Blobs, memory: Memory) -> Bench:
    paper = staged.papers[place]
    if paper.trouble:
        raise ManifestError(paper.trouble, place=place, hint=f"settle it, then `git add {place}`")
    data = blobs.read(paper.blob, MANIFEST_MAX_BYTES)
    manifest = read_manifest(Path(staged.top, place), parameter_types(), data)
    return Bench(folder, staged, place, data, manifest, _lock(staged, lock_of(place), blobs), blobs, memory)


def _lock(staged: Staged, place: str, blobs: Blobs) -> LockFile:
    """The staged lock file; an empty one when none is staged.

    Raises:
        AssetgenError: it can't be read, or is from a newer assetgen.
    """
    paper = staged.papers.get(place)
    if paper is None:
        return LockFile(name=place)
    data = b"" if paper.trouble else blobs.read(paper.blob, MAX_BYTES).replace(b"\r\n", b"\n")
    lock = LockFile(data, place)
    if lock.newer_format:
        raise AssetgenError(f"`{place}` was written by a newer assetgen", hint="upgrade assetgen")
    trouble = paper.trouble or next(iter(lock.problems), "")
    if trouble:
        raise AssetgenError(trouble, place=place, hint=f"`assetgen build` mends it; then `git add {place}`")
    return lock


@dataclass(frozen=True)
class Bench:
    """One staged manifest, with all that is needed to judge it."""

    folder: str
    staged: Staged
    place: str
    data: bytes
    manifest: Manifest
    lock: LockFile
    blobs: Blobs
    memory: Memory
    known: dict[str, LockEntry | None] = field(default_factory=dict)

    @cached_property
    def root(self) -> str:
        """What turns a path of the project into one of the repository."""
        folder = self.place.rpartition("/")[0]
        return f"{folder}/" if folder else ""

    @cached_property
    def tree(self) -> str:
        """What turns an output's path into one of the repository."""
        inner = self.manifest.assets.relative_to(self.manifest.root).as_posix()
        return self.root if inner == "." else f"{self.root}{inner}/"

    @property
    def touched(self) -> bool:
        """Whether the commit changes the manifest, its lock file, a file that it names or one that a slot becomes."""
        named = {self.root + file.relative_to(self.manifest.root).as_posix() for file in self.manifest.files}
        if not self.staged.changed.isdisjoint({self.place, lock_of(self.place), *named}):
            return True
        inner = [path.removeprefix(self.tree) for path in self.staged.changed if path.startswith(self.tree)]
        sounds = (path.removesuffix(SIDECAR) for path in inner)
        return not EXPORT_NAMES.union(self.manifest.exports.paths).isdisjoint(inner) or any(
            self.manifest.owner_of(path) or self.lock.owner_of(path) for path in sounds
        )

    @cached_property
    def index(self) -> dict[str, Entry]:
        """The index's entries for all outputs and named files."""
        return entries(self.folder, self._looked_at)

    @property
    def _looked_at(self) -> tuple[str, ...]:
        named = (self.root + file.relative_to(self.manifest.root).as_posix() for file in self.manifest.files)
        return (self.tree, *named)

    def verdict(self, slots: tuple[str, ...]) -> Verdict:
        """Judge these slots, all when none is named.

        Raises:
            ManifestError: with every problem of the manifest.
        """
        if self._keeps_out:
            return Verdict()
        verdict, lasting = self._verdict(slots)
        if slots:
            return verdict
        exports = self._exports
        if lasting and (exports is None or exports.lasting):
            self.memory.keep_whole(self._whole, self.index)
        more = exports.refusals if exports else ()
        return Verdict(right=verdict.right, refusals=(*verdict.refusals, *more))

    @property
    def _exports(self) -> ExportsVerdict | None:
        """What was found of the catalogue and the like; `None` where the manifest asks for none."""
        if not any(self.manifest.exports):
            return None
        from tydust_assetgen.git_hook.check_exports import judge_exports

        return judge_exports(self)

    def _verdict(self, slots: tuple[str, ...]) -> tuple[Verdict, bool]:
        """The verdict, and whether all is right and stays so while nothing in git changes."""
        wanted = self._chosen(slots)
        marks = {slot: mark for slot in wanted if (mark := self._mark(slot))}
        unsure = [slot for slot in wanted if not self.memory.knows(marks.get(slot, ""))]
        resolver = KeyResolver(self.manifest, self.lock, reference_digest=self._reference_digest, ask_generators=False)
        resolved = resolver.resolve(self.manifest.resolve(unsure))
        refusals = {each.recipe.slot: tuple(self._judged(each)) for each in resolved}
        right = [each.recipe.slot for each in resolved if not refusals[each.recipe.slot]]
        lasting = [each.recipe.slot for each in resolved if each.recipe.slot in right and self._lasts(each)]
        self.memory.keep(marks[slot] for slot in lasting)
        verdict = Verdict(
            right=len(wanted) - len(resolved) + len(right),
            refusals=tuple(one for found in refusals.values() for one in found),
        )
        return verdict, len(lasting) == len(resolved)

    def _lasts(self, resolved: ResolvedSlot) -> bool:
        """Whether a slot that is right stays so while the index and the versions do: nothing else has decided it, such
        as a model's weights, `.gitignore` or a filter."""
        if resolved.key_parameters or resolved.recipe.brief.references:
            return False
        entry = self.entry(resolved.recipe.slot)
        locked = (entry.output_at(output.path) if entry else None for output in resolved.recipe.outputs)
        return all(one and self._digest(self.tree + one.output.path) == one.digest for one in locked)

    def _digest(self, path: str) -> str:
        """Digest of what a path in the index stands for; empty where it is no plain file."""
        item = self.index.get(path)
        return self.content(item.blob).digest if item and not item.trouble else ""

    @property
    def _whole(self) -> Whole:
        code = (codec.__file__, finish.__file__, scoring.__file__, *sources())
        return Whole(self.place, papers_of(self.staged, self.place), self._looked_at, code)

    def _chosen(self, slots: tuple[str, ...]) -> tuple[str, ...]:
        if not slots:
            return self.manifest.slots
        from tydust_assetgen.planning.snapshot import choose

        return choose(self.manifest, slots)

    @cached_property
    def _keeps_out(self) -> bool:
        """The game does not commit its music at all: its lock file is not in the index, and git ignores it."""
        place = lock_of(self.place)
        return place not in self.staged.papers and bool(ignored(self.staged.top, [place]))

    @cached_property
    def _bare(self) -> bool:
        """The game commits its lock file and no music: whoever builds gets it elsewhere."""
        locked = (entry for slot in self.lock.blocks if (entry := self.lock.entry(slot)))
        return not any(self.tree + output.output.path in self.index for entry in locked for output in entry.outputs)

    @cached_property
    def _rules(self) -> str:
        """What decides a slot's keys besides its fingerprint and the lock file."""
        made_by = [(name, generator(name).version) for name in self.manifest.makers]
        return repr((made_by, FINISH_VERSION, CODEC_VERSION, SCORING_VERSION, self.tree))

    def entry(self, slot: str) -> LockEntry | None:
        """What the staged lock file says of a slot; read once."""
        if slot not in self.known:
            self.known[slot] = self.lock.entry(slot)
        return self.known[slot]

    def _mark(self, slot: str) -> str:
        """A digest of all that a slot is judged by; empty when the lock file does not know it."""
        entry = self.entry(slot)
        if entry is None:
            return ""
        files = [(locked.output.path, self.index.get(self.tree + locked.output.path)) for locked in entry.outputs]
        asked = b"\0".join((self._rules.encode(), self.manifest.fingerprint(slot), slot.encode(), repr(files).encode()))
        return hashlib.blake2b(asked + b"\0" + self.lock.blocks[slot], digest_size=16).hexdigest()

    def _reference_digest(self, manifest: Manifest, recipe: Recipe, path: str) -> str:
        """Digest of a sound as it is staged. What is no file in the index, such as a link, is read from the disk."""
        place = self.root + path
        item = self.index.get(place)
        if item is None:
            hint = f"`git add {place}` first" if Path(self.staged.top, place).exists() else "is it committed?"
            raise ManifestError(f"`{path}` is not staged", place=recipe.place, slot=recipe.slot, hint=hint)
        return reference_digest(manifest, recipe, path) if item.trouble else self.content(item.blob).digest

    def _judged(self, resolved: ResolvedSlot) -> Iterator[Refusal]:
        entry = self.entry(resolved.recipe.slot)
        pairs = list(zip(resolved.recipe.outputs, resolved.keys.outputs, strict=True))
        locked = [entry.output_at(output.path) if entry else None for output, _ in pairs]
        stale = [
            why
            for (output, key), lock in zip(pairs, locked, strict=True)
            for why in _stale(resolved, entry, output, key, lock)
        ]
        if stale:
            by_hand = any(lock and lock.hand_made for lock in locked)
            yield self._refusal(
                resolved, "", *self.mender.stale(resolved, tuple(dict.fromkeys(stale)), by_hand=by_hand)
            )
            return
        for output, lock in zip(resolved.recipe.outputs, locked, strict=True):
            if lock is not None and (found := self._file(resolved, output, lock)) is not None:
                yield found

    def _file(self, resolved: ResolvedSlot, output: Output, locked: LockedOutput) -> Refusal | None:
        """What is wrong with one file of a slot whose keys are right."""
        path = self.tree + output.path
        item = self.index.get(path)
        if item is None:
            kept_out = bool(ignored(self.staged.top, [path]))
            if kept_out and self._bare:
                return None
            return self._refusal(resolved, path, *self.mender.missing(resolved, path, locked, kept_out=kept_out))
        if item.trouble:
            return self._refusal(resolved, path, *self.mender.odd(resolved, path, locked, item.trouble))
        found = self.content(item.blob)
        if found.digest == locked.digest or self._written(path, item.blob, found) == locked.digest:
            return None
        return self._refusal(resolved, path, *self.mender.other(resolved, path, locked, found))

    def _refusal(self, resolved: ResolvedSlot, path: str, reason: str, mend: tuple[str, ...]) -> Refusal:
        return Refusal(manifest=self.place, slot=resolved.recipe.slot, path=path, reason=reason, mend=mend)

    @cached_property
    def mender(self) -> Mender:
        """Says how a refusal is mended; not needed where all is right."""
        from tydust_assetgen.git_hook.fixes import Mender

        return Mender(self.staged.top, self.place, self.tree, self.data)

    def content(self, blob: str) -> Content:
        """What a blob stands for. A big one is read once in its life."""
        known = self.memory.blob(blob)
        if known is None:
            known = content_of(self.blobs.chunks(blob))
            self.memory.keep_blob(blob, known)
        return known

    def _written(self, path: str, blob: str, found: Content) -> str:
        """Digest of a file as git would write it to the disk: a filter, or an ending of lines, may be set for it."""
        if found.pointer:
            return ""
        return hashlib.sha256(filtered(self.folder, path, blob)).hexdigest()


def _stale(
    slot: ResolvedSlot, entry: LockEntry | None, output: Output, key: str, lock: LockedOutput | None
) -> Iterator[str]:
    """Why the lock file's word on an output is not what is asked."""
    if lock is None:
        yield f"the staged lock file does not know `{output.path}`"
    elif lock.key != key:
        wanted = Wanted(slot.recipe, output, slot.versions, slot.key_parameters)
        yield from map(str, changes(entry, wanted, lock.output))
