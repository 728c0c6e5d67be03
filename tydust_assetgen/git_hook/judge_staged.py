"""Judges what a commit is about to bring in: the git hook's entry point.

What is judged is what git has staged, never the working tree: the manifest, its lock file, the files that it names and
the files that its slots become. The working tree is looked at only to say how to fix what is refused.

A commit that changes nothing of this costs three quick questions to git; all that is heavy is loaded after that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tydust_assetgen.errors import UsageError
from tydust_assetgen.git_hook.git import Blobs, Repository, entries, look
from tydust_assetgen.git_hook.names import EXPORT_NAMES, MANIFEST_NAME, PRIVATE, SIDECAR, lock_of, text_blobs

if TYPE_CHECKING:
    from tydust_assetgen.git_hook.memo import Memo
    from tydust_assetgen.git_hook.verdict import Refusal, Verdict

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
    repository = look(folder)
    refused = _private_folders(folder, repository)
    verdict = _judge_manifests(repository, folder, manifest, tuple(slots), everything=everything, briefly=briefly)
    if not refused:
        return verdict
    from tydust_assetgen.git_hook.verdict import Verdict

    found = verdict or Verdict()
    return Verdict(right=found.right, refusals=(*refused, *found.refusals))


def _private_folders(folder: str, repository: Repository) -> tuple[Refusal, ...]:
    """Refusals of each `.assetgen` of which something is staged: it belongs to one machine."""
    ours = {_up_to_private(path) for path in repository.changed if f"/{PRIVATE}/" in f"/{path}"}
    staged = sorted({_up_to_private(path) for path in entries(folder, sorted(ours))})
    if not staged:
        return ()
    from tydust_assetgen.git_hook.fixes import unstage
    from tydust_assetgen.git_hook.verdict import Refusal

    why = "is staged, but what lies in it is for this machine alone: store, logs, what the last build saw"
    return tuple(
        Refusal(manifest="", slot="", path=path, reason=f"`{path}` {why}", mend=(unstage(repository.top, path),))
        for path in staged
    )


def _up_to_private(path: str) -> str:
    before, name, _ = f"/{path}".partition(f"/{PRIVATE}/")
    return f"{before}{name}".strip("/") if name else path


def _judge_manifests(
    repository: Repository, folder: str, manifest: str, slots: tuple[str, ...], *, everything: bool, briefly: bool
) -> Verdict | None:
    with Blobs(folder) as blobs:
        manifests = _manifests(repository, folder, manifest, blobs)
        found = [place for place in manifests if everything or _touched(repository, place, blobs)]
        if not found:
            return None
        from tydust_assetgen.git_hook.memo import Memo

        memo = Memo(repository.private)
        if briefly and all(_known(folder, repository, place, memo) for place in found):
            return None
        from tydust_assetgen.git_hook.check import judge

        return judge(folder, repository, found, blobs, memo, slots, everything=everything)


def _known(folder: str, repository: Repository, place: str, memo: Memo) -> bool:
    """Whether a manifest was found right before, with this very lock file and this very music."""
    right_manifests = memo.right_manifests(place, text_blobs(repository, place))
    return any(mark == one.mark(entries(folder, one.looked_at)) for one, mark in right_manifests)


def _manifests(repository: Repository, folder: str, only: str, blobs: Blobs) -> list[str]:
    """The manifests in the index, relative to the repository."""
    if only != MANIFEST_NAME:
        place = os.path.relpath(os.path.realpath(os.path.join(folder, only)), os.path.realpath(repository.top))
        place = place.replace(os.sep, "/")
        if place not in repository.texts:
            raise UsageError(f"`{only}` is not in the index", hint=f"`git add {only}`")
        return [place]
    return [path for path in repository.texts if path.endswith(".toml") and _is_manifest(path, repository, blobs)]


def _is_manifest(path: str, repository: Repository, blobs: Blobs) -> bool:
    if path.rpartition("/")[2] == MANIFEST_NAME:
        return True
    lock = repository.texts.get(lock_of(path))
    return bool(lock and lock.blob and blobs.read(lock.blob, 64).startswith(_LOCK_BEGINS))


def _touched(repository: Repository, place: str, blobs: Blobs) -> bool:
    """Whether the commit may change something of a manifest, at a glance: too often yes is no harm."""
    own = {place, lock_of(place)}
    if not repository.changed.isdisjoint(own):
        return True
    root = place.rpartition("/")[0]
    below = [path for path in repository.changed if path.startswith(f"{root}/" if root else "")]
    if not below:
        return False
    own_entries = (repository.texts.get(path) for path in own)
    text = b"\n".join(blobs.read(entry.blob, _MOST_BYTES) for entry in own_entries if entry and entry.blob)
    return any(_mentioned(path, text) for path in below)


def _mentioned(path: str, text: bytes) -> bool:
    """Whether the name of a file stands in a text; its extension may not, as in `also`."""
    name = path.rpartition("/")[2].removesuffix(SIDECAR)
    return name in EXPORT_NAMES or not name.isascii() or (name.rpartition(".")[0] or name).encode() in text
