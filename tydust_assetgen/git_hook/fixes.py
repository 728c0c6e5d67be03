"""Says how to fix what the hook refuses: a reason, and the commands to type.

Only here the working tree is looked at: often all is right there already, and only `git add` is missing.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tydust_assetgen.git_hook.memo import Content
from tydust_assetgen.git_hook.names import MANIFEST_NAME, lock_of
from tydust_assetgen.planning.resolve_keys import ResolvedSlot
from tydust_assetgen.project.lockfile import LockedOutput, LockFile, read_lock
from tydust_assetgen.system import digest_file, read_bounded

Fix = tuple[str, tuple[str, ...]]
"""A reason, and commands."""


@dataclass(frozen=True)
class Fixes:
    """One manifest's working tree."""

    top: str
    place: str
    tree: str
    data: bytes
    """Of the staged manifest."""

    def stale(self, resolved: ResolvedSlot, reasons: tuple[str, ...], *, by_hand: bool) -> Fix:
        """The lock file's keys are not those that the manifest asks for."""
        slot = resolved.recipe.slot
        files = [self.tree + output.path for output in resolved.recipe.outputs]
        first = () if self._manifest_staged else (self.add([self.place]),)
        why = "; ".join(reasons)
        if self._built(resolved):
            return f"it is built, but `{self.lock}` is not staged with it: {why}", (self.add([self.lock, *files]),)
        if by_hand:
            why = f"it is hand-made, and its recipe has changed since: {why}"
            return why, (*first, self.assetgen("adopt", slot), self.add([self.lock, *files]))
        return why, (*first, self.assetgen("build", slot), self.add([self.lock, *files]))

    def missing(self, resolved: ResolvedSlot, path: str, locked: LockedOutput, *, kept_out: bool) -> Fix:
        """A file that the lock file has is not in the index."""
        stands = os.path.lexists(os.path.join(self.top, path))
        if kept_out and stands:
            reason = f"`{path}` is not in git: `.gitignore` keeps it out"
        elif stands:
            reason = f"`{path}` is not in git"
        else:
            reason = f"`{path}` is missing or deleted"
        return reason, self._commands(resolved, path, locked, "", force=kept_out)

    def other(self, resolved: ResolvedSlot, path: str, locked: LockedOutput, found: Content) -> Fix:
        """What is staged is not what the lock file has the digest of."""
        what = "the Git LFS pointer of " if found.pointer else ""
        have, want = (_short(digest) for digest in (found.digest, locked.digest))
        reason = f"{what}`{path}` is staged with digest {have}, and `{self.lock}` has {want}"
        return reason, self._commands(resolved, path, locked, found.digest)

    def odd(self, resolved: ResolvedSlot, path: str, locked: LockedOutput, trouble: str) -> Fix:
        """It is no plain file."""
        return f"`{path}`: {trouble}, and must be a file", self._commands(resolved, path, locked, "")

    def _commands(
        self, resolved: ResolvedSlot, path: str, locked: LockedOutput, staged: str, *, force: bool = False
    ) -> tuple[str, ...]:
        slot = resolved.recipe.slot
        here = _digest(os.path.join(self.top, path))
        entry = self.now.entry(slot)
        now = entry.output_at(locked.output.path) if entry else None
        if here and here == locked.digest:
            return (self.add([path], force=force),)
        if now and staged == now.digest:
            return (self.add([self.lock]),)
        if now and here == now.digest:
            return (self.add([self.lock, path], force=force),)
        make = "adopt" if here and here == staged else "build"
        return self.assetgen(make, slot), self.add([self.lock, path], force=force)

    def _built(self, resolved: ResolvedSlot) -> bool:
        """The lock file of the working tree has just what is asked."""
        entry = self.now.entry(resolved.recipe.slot)
        pairs = zip(resolved.recipe.outputs, resolved.keys.outputs, strict=True)
        return entry is not None and all(
            (now := entry.output_at(output.path)) and now.key == key for output, key in pairs
        )

    @cached_property
    def now(self) -> LockFile:
        """The lock file of the working tree."""
        return read_lock(Path(self.top, self.lock))

    @property
    def lock(self) -> str:
        """The lock file's path."""
        return lock_of(self.place)

    @cached_property
    def _manifest_staged(self) -> bool:
        with contextlib.suppress(OSError):
            return read_bounded(Path(self.top, self.place)).replace(b"\r\n", b"\n") == self.data.replace(b"\r\n", b"\n")
        return True

    def add(self, paths: list[str], *, force: bool = False) -> str:
        """The command that stages these paths, relative to the repository."""
        return shlex.join(["git", "add", *(["-f"] if force else []), "--", *map(self._seen, paths)])

    def assetgen(self, *words: str) -> str:
        """A command of assetgen for this manifest."""
        folder, _, name = self.place.rpartition("/")
        there = self._seen(folder or ".")
        more = [*(["-C", there] if there != "." else []), *(["--manifest", name] if name != MANIFEST_NAME else [])]
        return shlex.join(["assetgen", *more, *words])

    def _seen(self, path: str) -> str:
        return _typed(self.top, path)


def unstage(top: str, path: str) -> str:
    """The command that takes a folder out of git, and leaves it on the disk."""
    return shlex.join(["git", "rm", "-r", "--cached", "--quiet", "--", _typed(top, path)])


def _typed(top: str, path: str) -> str:
    """A path as it is typed where the person is: git starts hooks at the top, and says where it was called."""
    here = os.path.join(os.path.realpath(os.curdir), os.environ.get("GIT_PREFIX", ""))
    return os.path.relpath(os.path.join(os.path.realpath(top), path), here).replace(os.sep, "/")


def _digest(path: str) -> str:
    with contextlib.suppress(OSError):
        return digest_file(Path(path))
    return ""


def _short(digest: str) -> str:
    return digest[:12]
