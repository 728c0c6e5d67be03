"""Downloads one file from the hub into its cache, and keeps it only when size, digest and content are right.

It grows under `blobs/….incomplete`, where an interrupted download goes on, and gets its final name only after its size
and its digest were compared with what the hub says and its content was checked. Then its snapshot gets a link to it,
which is the layout that Hugging Face's own libraries read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tydust_assetgen.errors import AssetgenError, UnavailableError
from tydust_assetgen.generate.musicgen.spec.models import hub_cache
from tydust_assetgen.system import remove, write_atomic

Tell: TypeAlias = Callable[[str, int, int], None]
"""The file, how many bytes of it are here, and how many it has."""
Check: TypeAlias = Callable[[Path], str]
"""Why a file is refused; empty when nothing is wrong with it."""

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 20.0
_MAX_TRIES = 5


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it."""

    repository: str
    commit: str
    name: str
    size: int
    digest: str
    """SHA-256 of a large file, hexadecimal; of a small one git's SHA-1, which is of its size and content."""

    @property
    def repository_folder(self) -> Path:
        return hub_cache() / f"models--{self.repository.replace('/', '--')}"

    @property
    def path(self) -> Path:
        return self.repository_folder / "snapshots" / self.commit / self.name


def fetch(remote: RemoteFile, check: Check, tell: Tell) -> Path:
    """Bring one file here, if it is not, and judge it either way.

    Raises:
        UnavailableError: the hub can't be reached or does not give it.
        AssetgenError: what came is not what was promised, or is refused; it is deleted.
    """
    from filelock import FileLock

    blob = remote.repository_folder / "blobs" / remote.digest
    lock = hub_cache() / ".locks" / remote.repository_folder.name / f"{remote.digest}.lock"
    for folder in (blob.parent, lock.parent, remote.path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if remote.path.is_file():
            _keep_if_valid(remote.path, remote, check)
        elif blob.is_file():
            _keep_if_valid(blob, remote, check)
            _link(blob, remote.path)
        else:
            partial = blob.with_name(f"{blob.name}.incomplete")
            _download(remote, partial, tell)
            _keep_if_valid(partial, remote, check)
            os.replace(partial, blob)
            _link(blob, remote.path)
    tell(remote.name, remote.size, remote.size)
    return remote.path


def write_ref(repository: str, revision: str, commit: str) -> None:
    """Note which commit a branch or a tag is, for who asks without a network."""
    if revision != commit:
        repository_folder = hub_cache() / f"models--{repository.replace('/', '--')}"
        write_atomic(repository_folder / "refs" / revision, commit.encode())


def _keep_if_valid(path: Path, remote: RemoteFile, check: Check) -> None:
    reason = _mismatch(path, remote) or check(path)
    if reason:
        remove(Path(os.path.realpath(path)))
        remove(path)
        raise AssetgenError(f"`{remote.repository}`: {reason}", hint="it was deleted again, and never loaded")


def _mismatch(path: Path, remote: RemoteFile) -> str:
    size = path.stat().st_size
    if size != remote.size:
        return f"`{remote.name}` has {size} bytes, and the hub says {remote.size}"
    hasher = hashlib.sha256() if len(remote.digest) == 64 else hashlib.sha1(f"blob {size}\0".encode())  # noqa: S324
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    same = hasher.hexdigest() == remote.digest
    return "" if same else f"`{remote.name}` is not what the hub says it is: its digest differs"


def _link(blob: Path, path: Path) -> None:
    """A relative link, or the file itself where links can't be made."""
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:
        os.replace(blob, path)


def _download(remote: RemoteFile, partial: Path, tell: Tell) -> None:
    """Go on where the file ends, as often as it takes while something comes."""
    tries = 0
    while (have := partial.stat().st_size if partial.exists() else 0) != remote.size:
        if have > remote.size:
            remove(partial)
            continue
        try:
            with plain_errors(remote.repository, ""):
                _stream(remote, partial, have, tell)
        except RefusedError:
            raise
        except UnavailableError:
            tries = 0 if partial.exists() and partial.stat().st_size > have else tries + 1
            if tries >= _MAX_TRIES:
                raise
            time.sleep(0.5)
        else:
            tries += 1
            if tries >= _MAX_TRIES:
                return  # the answer was whole and is still not what was promised: `_wrong` says so


def _stream(remote: RemoteFile, partial: Path, have: int, tell: Tell) -> None:
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    url = hf_hub_url(remote.repository, remote.name, revision=remote.commit)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_S) as answer:
        hf_raise_for_status(answer)
        goes_on = have > 0 and answer.status_code == 206
        with partial.open("ab" if goes_on else "wb") as file:
            done = have if goes_on else 0
            for chunk in answer.iter_raw(_CHUNK_BYTES // 16):
                file.write(chunk)
                done += len(chunk)
                tell(remote.name, done, remote.size)
                if done > remote.size:
                    break


def unreachable(error: Exception) -> UnavailableError:
    why = (getattr(error, "strerror", "") or type(error).__name__).lower()
    return UnavailableError(
        f"the hub can't be reached: {why}",
        hint="fetch it on a machine with a network, and copy its hub cache here; or name a folder as `model`",
    )


@contextlib.contextmanager
def plain_errors(repository: str, revision: str) -> Iterator[None]:
    """The client's errors as ours. Their messages are not repeated: they may quote a request with its headers.

    Raises:
        UnavailableError: for whatever the hub or the network does not give.
    """
    from huggingface_hub import errors

    try:
        yield
    except AssetgenError:
        raise
    except errors.HfHubHTTPError as error:
        raise _refused(error, repository, revision) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
            raise unreachable(error) from error
        raise


def _refused(error: Any, repository: str, revision: str) -> AssetgenError:
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, errors.GatedRepoError) or status == 403:
        hint = "accept its terms on its page, then: hf auth login"
        return RefusedError(f"`{repository}` is only for those whom its owner lets in", hint=hint)
    if isinstance(error, errors.RevisionNotFoundError):
        return RefusedError(f"`{repository}` has no revision `{revision}`", hint="leave it out for `main`")
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        hint = "is its name right? A private one needs: hf auth login"
        return RefusedError(f"the hub has no `{repository}`, or does not show it", hint=hint)
    return UnavailableError(f"the hub answered with status {status}", hint="try again later")


class RefusedError(UnavailableError):
    """The hub said no: trying again does not help."""
