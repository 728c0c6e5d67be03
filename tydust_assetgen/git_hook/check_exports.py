"""Judges the exports as they are staged: the catalogue, its code, what engines read.

Each file is made anew from the staged lock file and held against the
one in the index. What `.gitignore` keeps out is not judged: whoever builds gets it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen.exports.files import MAX_BYTES, ExportFile, export_files, judge
from tydust_assetgen.git_hook.git import filtered, ignored
from tydust_assetgen.git_hook.staged_manifest import content_of
from tydust_assetgen.git_hook.verdict import Refusal
from tydust_assetgen.project.lockfile import LockEntry
from tydust_assetgen.system import digest_bytes, read_bounded

if TYPE_CHECKING:
    from tydust_assetgen.git_hook.staged_manifest import StagedManifest


@dataclass(frozen=True)
class ExportsVerdict:
    """What was found of a manifest's files."""

    refusals: tuple[Refusal, ...] = ()
    lasting: bool = True
    """All is right and stays so while nothing in git changes: neither `.gitignore` nor a filter has decided it."""


def judge_exports(staged: StagedManifest) -> ExportsVerdict:
    """Judge every export of one staged manifest."""
    judges = [_Judge(staged, one) for one in export_files(staged.manifest, staged.entry)]
    judges = [judge for judge in judges if not staged.memo.knows(judge.mark)]
    absent = [judge.path for judge in judges if judge.path not in staged.index]
    kept_out = ignored(staged.repository.top, absent) if absent else frozenset()
    right = [judge for judge in judges if judge.is_right]
    wrong = [judge for judge in judges if not judge.is_right and judge.path not in kept_out]
    staged.memo.keep(judge.mark for judge in right if judge.mark)
    refusals = tuple(refusal for judge in wrong if (refusal := judge.refusal) is not None)
    return ExportsVerdict(refusals, lasting=not wrong and not kept_out)


@dataclass(frozen=True)
class _Judge:
    """One file."""

    staged: StagedManifest
    one: ExportFile

    @property
    def path(self) -> str:
        """In the repository."""
        return self.staged.tree + self.one.path

    @cached_property
    def mark(self) -> str:
        """A digest of all that a sidecar is judged by; empty for a file that is about all slots."""
        if not self.one.slot:
            return ""
        asked = repr(("beside", self.path, self.staged.index.get(self.path))).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(asked + self.staged.lock.blocks[self.one.slot], digest_size=16).hexdigest()

    @cached_property
    def is_right(self) -> bool:
        """Whether the blob itself is what it should be, or a pointer of Git LFS to that."""
        item = self.staged.index.get(self.path)
        if item is None or item.trouble:
            return False
        found = content_of([self._data])
        if found.pointer:
            return found.digest == digest_bytes(self.one.text(None) or b"")
        return _passes(self.one, self._data)

    @cached_property
    def _data(self) -> bytes:
        return self.staged.blobs.read(self.staged.index[self.path].blob, MAX_BYTES)

    @property
    def refusal(self) -> Refusal | None:
        """Why it may not be committed; `None` where git writes it to the disk as it should be."""
        item = self.staged.index.get(self.path)
        if item is None:
            there = os.path.lexists(os.path.join(self.staged.repository.top, self.path))
            return self._refused("is not in git" if there else "is missing or deleted", None)
        if item.trouble:
            return self._refused(f"can't be judged: {item.trouble}", None)
        written = filtered(self.staged.folder, self.path, item.blob)
        if _passes(self.one, written):
            return None
        return self._refused(f"is staged, but not as the staged `{self.staged.fixes.lock}` has the music", written)

    def _refused(self, words: str, staged: bytes | None) -> Refusal:
        return Refusal(
            manifest=self.staged.place,
            slot=self.one.slot,
            path=self.path,
            reason=f"`{self.path}` {words}",
            beside=True,
            mend=self._fix(staged),
        )

    def _fix(self, staged: bytes | None) -> tuple[str, ...]:
        fixes, here = self.staged.fixes, self._here
        if here is not None and _passes(self.one, here):
            return (fixes.add([self.path]),)
        now = self._as_locked(fixes.now.entry)
        if now and staged is not None and _passes(now, staged):
            return (fixes.add([fixes.lock]),)
        add = fixes.add([fixes.lock, self.path])
        if now and here is not None and _passes(now, here):
            return (add,)
        return fixes.assetgen("build", *([self.one.slot] if self.one.slot else [])), add

    def _as_locked(self, known: Callable[[str], LockEntry | None]) -> ExportFile | None:
        """The same file, as another lock file asks for it."""
        return next((one for one in export_files(self.staged.manifest, known) if one.path == self.one.path), None)

    @property
    def _here(self) -> bytes | None:
        with contextlib.suppress(OSError):
            return read_bounded(Path(self.staged.repository.top, self.path), MAX_BYTES)
        return None


def _passes(one: ExportFile, there: bytes) -> bool:
    """Whether it is as it should be, or a person's own file, which is let alone."""
    return judge(one, there).status in ("fresh", "foreign")
