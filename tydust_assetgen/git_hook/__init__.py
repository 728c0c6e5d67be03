"""The git hook. In walks a folder of a repository that is about to commit, out walks a `Verdict` on its index.

What is judged is what git has staged, never the working tree: the manifest, its lock file, the files that it names and
the files that its slots become. The working tree is looked at only to say how a refusal is mended.

A commit that changes nothing of this costs three quick questions to git; all that is heavy is loaded after that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tydust_assetgen.errors import UsageError
from tydust_assetgen.git_hook.git import Blobs, Staged, entries, look

if TYPE_CHECKING:
    from tydust_assetgen.git_hook.memo import Memory
    from tydust_assetgen.git_hook.verdict import Verdict

MANIFEST_NAME = "assets.toml"
SIDECAR = ".import"
EXPORT_NAMES = frozenset(
    {"assetgen.unity.json", "music.h", "music.hpp", "Music.cs", "music.gd", "music.rs", "music.py"}
)
"""Exports whose names need not stand in the manifest."""
_MOST_BYTES = 8 * 1024 * 1024
_LOCK_BEGINS = b'{\n  "assetgen_lock"'


def judge_staged(
    folder: str = ".",
    manifest: str = MANIFEST_NAME,
    slots: Iterable[str] = (),
    *,
    everything: bool = False,
    briefly: bool = False,
) -> Verdict | None:
    """Judge what is staged.

    Args:
        folder: anywhere in the repository.
        manifest: only this one, relative to `folder`, when it has another name than the usual one. Else every
            `assets.toml` in the index, and every other manifest that has a lock file there.
        slots: only these.
        everything: also what this commit does not change.
        briefly: where just this was judged before and was right, nobody wants to know how many slots there are.

    Returns:
        `None` when the commit has nothing to do with assetgen, or was judged before.

    Raises:
        UsageError: this is no repository.
        ManifestError: a staged manifest is not right.
        AssetgenError: git fails, or a staged lock file is from a newer assetgen.
    """
    staged = look(folder)
    with Blobs(folder) as blobs:
        manifests = _manifests(staged, folder, manifest, blobs)
        found = [place for place in manifests if everything or _touched(staged, place, blobs)]
        if not found:
            return None
        from tydust_assetgen.git_hook.memo import Memory

        memory = Memory(staged.private)
        if briefly and all(_known(folder, staged, place, memory) for place in found):
            return None
        from tydust_assetgen.git_hook.check import judge

        return judge(folder, staged, found, blobs, memory, tuple(slots), everything=everything)


def _known(folder: str, staged: Staged, place: str, memory: Memory) -> bool:
    """Whether a manifest was found right before, with this very lock file and this very music."""
    wholes = memory.wholes(place, papers_of(staged, place))
    return any(mark == whole.mark(entries(folder, whole.looked_at)) for whole, mark in wholes)


def papers_of(staged: Staged, place: str) -> tuple[str, ...]:
    """The blobs of a manifest and of its lock file."""
    papers = (staged.papers.get(paper) for paper in (place, lock_of(place)))
    return tuple(paper.blob if paper and not paper.trouble else "-" for paper in papers)


def _manifests(staged: Staged, folder: str, only: str, blobs: Blobs) -> list[str]:
    """The manifests in the index, relative to the repository."""
    if only != MANIFEST_NAME:
        place = os.path.relpath(os.path.realpath(os.path.join(folder, only)), os.path.realpath(staged.top))
        place = place.replace(os.sep, "/")
        if place not in staged.papers:
            raise UsageError(f"`{only}` is not in the index", hint=f"`git add {only}`")
        return [place]
    return [path for path in staged.papers if path.endswith(".toml") and _is_manifest(path, staged, blobs)]


def _is_manifest(path: str, staged: Staged, blobs: Blobs) -> bool:
    if path.rpartition("/")[2] == MANIFEST_NAME:
        return True
    lock = staged.papers.get(lock_of(path))
    return bool(lock and lock.blob and blobs.read(lock.blob, 64).startswith(_LOCK_BEGINS))


def _touched(staged: Staged, place: str, blobs: Blobs) -> bool:
    """Whether the commit may change something of a manifest, at a glance: too often yes is no harm."""
    own = {place, lock_of(place)}
    if not staged.changed.isdisjoint(own):
        return True
    root = place.rpartition("/")[0]
    below = [path for path in staged.changed if path.startswith(f"{root}/" if root else "")]
    if not below:
        return False
    papers = (staged.papers.get(path) for path in own)
    text = b"\n".join(blobs.read(paper.blob, _MOST_BYTES) for paper in papers if paper and paper.blob)
    return any(_mentioned(path, text) for path in below)


def _mentioned(path: str, text: bytes) -> bool:
    """Whether the name of a file stands in a text; its extension may not, as in `also`."""
    name = path.rpartition("/")[2].removesuffix(SIDECAR)
    return name in EXPORT_NAMES or not name.isascii() or (name.rpartition(".")[0] or name).encode() in text


def lock_of(manifest: str) -> str:
    """The path of a manifest's lock file."""
    return manifest.removesuffix(".toml") + ".lock"
