"""Fetching a model into the hub cache, and judging it before it is used. In walks a name, out walks what is here now.

Each file is fetched by Hugging Face's own client (which resumes what was cut), compared with the size and the SHA-256
that the hub gives, and weights are scanned without being loaded. What fails is deleted: a snapshot is whole and judged,
or it is not a model yet. The text encoder, the codec and the stem separator that a model needs come along.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from tydust_assetgen.disk import digest_file, remove
from tydust_assetgen.errors import AssetgenError, UnavailableError
from tydust_assetgen.generate.musicgen import checkpoint, models
from tydust_assetgen.generate.musicgen.models import WEIGHTS
from tydust_assetgen.generate.musicgen.needs import DEMUCS, DEMUCS_FILES, needs

Tell: TypeAlias = Callable[[str, int, int], None]
"""The file, how many bytes of it are here, and how many it has."""

_SMALL = re.compile(r"[\w.-]+\.(json|txt)|spiece\.model")
_SMALL_BYTES = 64 << 20
_PATIENCE_S = 2.0


@dataclass(frozen=True)
class Pulled:
    """A repository of which all that is needed lies in the hub cache."""

    repository: str
    revision: str
    folder: Path
    size: int
    """Bytes of the files that are needed."""
    weights: bool
    """Whether it is a MusicGen model, and not something that one needs."""


@dataclass(frozen=True)
class _File:
    name: str
    size: int
    digest: str
    """SHA-256; empty where the hub gives none, which is so for small text files."""


def pull(name: str, revision: str, tell: Tell) -> tuple[Pulled, ...]:
    """Fetch a model and what it needs; what is here already is only checked.

    Args:
        name: of a known model, or `owner/name`, or what a model needs, such as `t5-base`.
        revision: a commit, a branch or a tag; empty: `main`.
        tell: is called as it goes.

    Raises:
        UnavailableError: huggingface_hub is not installed, the hub can't be reached, or has no such thing.
        AssetgenError: what came is not what the hub promised, or is refused.
    """
    _need_hub()
    repository = _repository(name)
    first = _fetch(repository, revision, tell)
    return (first, *(_needed(first, tell) if first.weights else ()))


def _needed(model: Pulled, tell: Tell) -> list[Pulled]:
    """What a model needs besides. Its codec first: only with that is known what else."""
    codec = checkpoint.codec_name(model.folder)
    pulled = [_fetch(codec, "", tell)] if codec else []
    if reason := checkpoint.refusal(model.folder):
        raise AssetgenError(f"`{model.repository}` can't be used: {reason}")
    others = (need.name for need in needs(checkpoint.traits(model.folder)) if need.name != codec)
    return pulled + [_fetch(name, "", tell) for name in others]


def _repository(name: str) -> str:
    if re.fullmatch(r"(google/flan-)?t5-[\w.-]+", name):
        return name
    return models.find(name, "", Path(os.devnull)).repository


def _need_hub() -> None:
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        raise UnavailableError("huggingface_hub is not installed", hint='uv pip install ".[musicgen]"') from None


def _fetch(repository: str, revision: str, tell: Tell) -> Pulled:
    """One repository: which files it has, each of those that count, and the judgement."""
    from huggingface_hub import HfApi

    _reach()
    with _plainly(repository, revision):
        info = HfApi().model_info(repository, revision=revision or "main", files_metadata=True, timeout=10)
    files = _wanted(repository, info)
    folders = {_one(repository, revision, info.sha, file, tell) for file in files}
    (folder,) = folders
    return Pulled(repository, info.sha, folder, sum(file.size for file in files), files[-1].name == WEIGHTS[0])


def _reach() -> None:
    """Fail at once where no connection can be made: the client itself would try again for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UnavailableError("`HF_HUB_OFFLINE` is set, so nothing is fetched", hint="unset it, and run this again")
    parts = urlsplit(constants.ENDPOINT)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return  # then the way leads through there, and only the client knows it
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> UnavailableError:
    return UnavailableError(
        f"the hub can't be reached: {(getattr(error, 'strerror', '') or type(error).__name__).lower()}",
        hint="fetch it on a machine with a network, and copy its hub cache here; or name a folder as `model`",
    )


@contextlib.contextmanager
def _plainly(repository: str, revision: str) -> Iterator[None]:
    """The client's errors in our words. Theirs are not repeated: they may quote a request with its headers."""
    from huggingface_hub import errors

    try:
        yield
    except AssetgenError:
        raise
    except errors.GatedRepoError as error:
        raise UnavailableError(
            f"`{repository}` is only for those whom its owner lets in",
            hint="accept its terms on its page, then: hf auth login",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UnavailableError(f"`{repository}` has no revision `{revision}`") from error
    except errors.RepositoryNotFoundError as error:
        hint = "is its name right? A private one needs: hf auth login"
        raise UnavailableError(f"the hub has no `{repository}`, or does not show it", hint=hint) from error
    except errors.HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", "no")
        raise UnavailableError(f"the hub answered with status {status}", hint="try again later") from error
    except OSError as error:
        what = error.strerror or "the connection was cut"
        raise UnavailableError(
            f"`{repository}` could not be fetched: {what}", hint="run it again: it goes on where it was cut"
        ) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "requests"):
            raise
        raise _unreachable(error) from error


def _wanted(repository: str, info: Any) -> list[_File]:
    """Of a repository's files, those that are used: weights as audiocraft reads them (the language model last, so
    that a model is only there when all of it is), or safetensors and small texts."""
    there = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    if all(name in there for name in WEIGHTS):
        chosen = list(reversed(WEIGHTS))
    elif repository == DEMUCS:
        chosen = [name for name in DEMUCS_FILES if name in there]
    elif "model.safetensors" in there:
        chosen = [*sorted(name for name in there if _SMALL.fullmatch(name)), "model.safetensors"]
    else:
        raise AssetgenError(
            f"`{repository}` has no weights that are safe to load here",
            hint=f"wanted: `{WEIGHTS[0]}` and `{WEIGHTS[1]}` as audiocraft writes them, or `model.safetensors`",
        )
    return [_file(there[name]) for name in chosen if _fits(there[name])]


def _file(sibling: Any) -> _File:
    digest = getattr(sibling.lfs, "sha256", "") if sibling.lfs else ""
    return _File(sibling.rfilename, int(sibling.size or 0), digest or "")


def _fits(sibling: Any) -> bool:
    return not _SMALL.fullmatch(sibling.rfilename) or int(sibling.size or 0) <= _SMALL_BYTES


def _one(repository: str, revision: str, commit: str, file: _File, tell: Tell) -> Path:
    """Fetch one file, if it is not here, and judge it. Returns the snapshot's folder."""
    from huggingface_hub import hf_hub_download

    with _plainly(repository, revision):
        path = Path(hf_hub_download(repository, file.name, revision=revision or "main", tqdm_class=_bar(file, tell)))
    reason = _wrong(path, file) or (checkpoint.file_refusal(path) if file.name in WEIGHTS else "")
    if path.parent.name != commit:
        reason = "the repository was changed while it was fetched; run it again"
    if reason:
        _throw_away(path)
        raise AssetgenError(f"`{repository}`: {reason}", hint="it was deleted again, and never loaded")
    tell(file.name, file.size, file.size)
    return path.parent


def _wrong(path: Path, file: _File) -> str:
    if path.stat().st_size != file.size:
        return f"`{file.name}` has {path.stat().st_size} bytes, and the hub says {file.size}"
    if file.digest and digest_file(path) != file.digest:
        return f"`{file.name}` is not what the hub says it is: its SHA-256 differs"
    return ""


def _throw_away(path: Path) -> None:
    """A file of a snapshot and the blob that it points to."""
    blob = Path(os.path.realpath(path))
    remove(path)
    remove(blob)


def _bar(file: _File, tell: Tell) -> type:
    """What the client takes for a progress bar, which passes on how far it is."""

    class Bar:
        def __init__(self, *_: object, **about: Any) -> None:
            self.done = int(about.get("initial") or 0)

        def __enter__(self) -> Bar:
            tell(file.name, self.done, file.size)
            return self

        def __exit__(self, *_: object) -> None:
            return

        def update(self, count: float | None = 1) -> None:
            self.done += int(count or 0)
            tell(file.name, self.done, file.size)

        def __getattr__(self, name: str) -> Callable[..., None]:
            if name.startswith("_") or name == "update_transfer":
                raise AttributeError(name)
            return lambda *_, **__: None

    return Bar
