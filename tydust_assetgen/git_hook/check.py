"""Judges staged manifests, slot by slot: may this be committed?

A slot is right when the staged lock file has the keys that the staged manifest asks for, and git has for each of its
files the bytes that the lock file has the digest of. A file in Git LFS is a pointer in the index, and has that
digest in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tydust_assetgen.codec import CODEC_VERSION
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.finish import FINISH_VERSION
from tydust_assetgen.flow import Output
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.git_hook.git import Blobs, Repository, ignored
from tydust_assetgen.git_hook.memo import Memo
from tydust_assetgen.git_hook.names import lock_of
from tydust_assetgen.git_hook.staged_manifest import StagedManifest, read_staged
from tydust_assetgen.git_hook.verdict import Refusal, Verdict
from tydust_assetgen.planning.reasons import Wanted, changes
from tydust_assetgen.planning.resolve_keys import KeyResolver, ResolvedSlot
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry
from tydust_assetgen.scoring import SCORING_VERSION

if TYPE_CHECKING:
    from tydust_assetgen.git_hook.check_exports import ExportsVerdict


def judge(
    folder: str,
    repository: Repository,
    manifests: Iterable[str],
    blobs: Blobs,
    memo: Memo,
    slots: tuple[str, ...],
    *,
    everything: bool,
) -> Verdict:
    """Judge these manifests, relative to the repository; see `judge_staged`."""
    read = [_read(folder, repository, place, blobs, memo, everything=everything) for place in manifests]
    found = [_SlotChecker(staged).verdict(slots) for staged in read if staged and (everything or staged.touched)]
    memo.close()
    return Verdict(
        right=sum(one.right for one in found), refusals=tuple(refusal for one in found for refusal in one.refusals)
    )


def _read(
    folder: str, repository: Repository, place: str, blobs: Blobs, memo: Memo, *, everything: bool
) -> StagedManifest | None:
    """A manifest to be judged; `None` for one that can't be read, which is not the fault of this commit."""
    try:
        return read_staged(folder, repository, place, blobs, memo)
    except AssetgenError:
        if everything or not repository.changed.isdisjoint({place, lock_of(place)}):
            raise
        return None


@dataclass(frozen=True)
class _SlotChecker:
    """Judges the slots of one staged manifest."""

    staged: StagedManifest

    def verdict(self, slots: tuple[str, ...]) -> Verdict:
        """Judge these slots, all when none is named.

        Raises:
            ManifestError: with every problem of the manifest.
        """
        if self.staged.keeps_out:
            return Verdict()
        verdict, lasting = self._verdict(slots)
        if slots:
            return verdict
        exports = self._exports
        if lasting and (exports is None or exports.lasting):
            self.staged.memo.keep_manifest(self.staged.right_manifest, self.staged.index)
        more = exports.refusals if exports else ()
        return Verdict(right=verdict.right, refusals=(*verdict.refusals, *more))

    @property
    def _exports(self) -> ExportsVerdict | None:
        """What was found of the catalogue and the like; `None` where the manifest asks for none."""
        if not any(self.staged.manifest.exports):
            return None
        from tydust_assetgen.git_hook.check_exports import judge_exports

        return judge_exports(self.staged)

    def _verdict(self, slots: tuple[str, ...]) -> tuple[Verdict, bool]:
        """The verdict, and whether all is right and stays so while nothing in git changes."""
        wanted = self._chosen(slots)
        marks = {slot: mark for slot in wanted if (mark := self._mark(slot))}
        unsure = [slot for slot in wanted if not self.staged.memo.knows(marks.get(slot, ""))]
        resolver = KeyResolver(
            self.staged.manifest, self.staged.lock, reference_digest=self.staged.reference_digest, ask_generators=False
        )
        resolved = resolver.resolve(self.staged.manifest.resolve(unsure))
        refusals = {each.recipe.slot: tuple(self._judged(each)) for each in resolved}
        right = [each.recipe.slot for each in resolved if not refusals[each.recipe.slot]]
        lasting = [each.recipe.slot for each in resolved if each.recipe.slot in right and self._lasts(each)]
        self.staged.memo.keep(marks[slot] for slot in lasting)
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
        entry = self.staged.entry(resolved.recipe.slot)
        locked = (entry.output_at(output.path) if entry else None for output in resolved.recipe.outputs)
        return all(one and self.staged.digest(self.staged.tree + one.output.path) == one.digest for one in locked)

    def _chosen(self, slots: tuple[str, ...]) -> tuple[str, ...]:
        if not slots:
            return self.staged.manifest.slots
        from tydust_assetgen.planning.snapshot import choose

        return choose(self.staged.manifest, slots)

    @cached_property
    def _rules(self) -> str:
        """What decides a slot's keys besides its fingerprint and the lock file."""
        made_by = [(name, generator(name).version) for name in self.staged.manifest.makers]
        return repr((made_by, FINISH_VERSION, CODEC_VERSION, SCORING_VERSION, self.staged.tree))

    def _mark(self, slot: str) -> str:
        """A digest of all that a slot is judged by; empty when the lock file does not know it."""
        entry = self.staged.entry(slot)
        if entry is None:
            return ""
        staged = self.staged
        files = [(locked.output.path, staged.index.get(staged.tree + locked.output.path)) for locked in entry.outputs]
        fingerprint = staged.manifest.fingerprint(slot)
        asked = b"\0".join((self._rules.encode(), fingerprint, slot.encode(), repr(files).encode()))
        return hashlib.blake2b(asked + b"\0" + staged.lock.blocks[slot], digest_size=16).hexdigest()

    def _judged(self, resolved: ResolvedSlot) -> Iterator[Refusal]:
        entry = self.staged.entry(resolved.recipe.slot)
        pairs = list(zip(resolved.recipe.outputs, resolved.keys.outputs, strict=True))
        locked = [entry.output_at(output.path) if entry else None for output, _ in pairs]
        stale = [
            why
            for (output, key), lock in zip(pairs, locked, strict=True)
            for why in _stale(resolved, entry, output, key, lock)
        ]
        if stale:
            by_hand = any(lock and lock.hand_made for lock in locked)
            fix = self.staged.fixes.stale(resolved, tuple(dict.fromkeys(stale)), by_hand=by_hand)
            yield self._refusal(resolved, "", *fix)
            return
        for output, lock in zip(resolved.recipe.outputs, locked, strict=True):
            if lock is not None and (found := self._file(resolved, output, lock)) is not None:
                yield found

    def _file(self, resolved: ResolvedSlot, output: Output, locked: LockedOutput) -> Refusal | None:
        """What is wrong with one file of a slot whose keys are right."""
        path = self.staged.tree + output.path
        item = self.staged.index.get(path)
        if item is None:
            kept_out = bool(ignored(self.staged.repository.top, [path]))
            if kept_out and self.staged.bare:
                return None
            return self._refusal(resolved, path, *self.staged.fixes.missing(resolved, path, locked, kept_out=kept_out))
        if item.trouble:
            return self._refusal(resolved, path, *self.staged.fixes.odd(resolved, path, locked, item.trouble))
        found = self.staged.content(item.blob)
        if found.digest == locked.digest or self.staged.written(path, item.blob, found) == locked.digest:
            return None
        return self._refusal(resolved, path, *self.staged.fixes.other(resolved, path, locked, found))

    def _refusal(self, resolved: ResolvedSlot, path: str, reason: str, mend: tuple[str, ...]) -> Refusal:
        return Refusal(manifest=self.staged.place, slot=resolved.recipe.slot, path=path, reason=reason, mend=mend)


def _stale(
    slot: ResolvedSlot, entry: LockEntry | None, output: Output, key: str, lock: LockedOutput | None
) -> Iterator[str]:
    """Why the lock file's word on an output is not what is asked."""
    if lock is None:
        yield f"the staged lock file does not know `{output.path}`"
    elif lock.key != key:
        wanted = Wanted(slot.recipe, output, slot.versions, slot.key_parameters)
        yield from map(str, changes(entry, wanted, lock.output))
