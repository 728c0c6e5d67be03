"""Fetches a model from the hub, and what it needs besides.

Weights come as audiocraft writes them and are scanned without being loaded, everything else as safetensors and small
texts. The text encoder, the codec and the stem separator that a model needs come along. Until its last file is here and
checked, it is not a model yet.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tydust_assetgen.errors import AssetgenError, UnavailableError
from tydust_assetgen.generate.musicgen.hub.download import RemoteFile, Tell, fetch, plain_errors, unreachable, write_ref
from tydust_assetgen.generate.musicgen.spec import checkpoint, models
from tydust_assetgen.generate.musicgen.spec.models import WEIGHTS
from tydust_assetgen.generate.musicgen.spec.requirements import DEMUCS, DEMUCS_FILES, needs

_SMALL = re.compile(r"[\w.-]+\.(json|txt)|spiece\.model")
_SMALL_BYTES = 64 << 20
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIMEOUT_S = 2.0


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
    repository = _repository(name)
    if revision and not models.is_revision(revision):
        raise AssetgenError(f"{revision[:60]!a} is no revision", hint="name a commit, a branch or a tag, without `/`")
    _require_hub_library()
    first = _pull(repository, revision, tell)
    return (first, *(_needed(first, tell) if first.weights else ()))


def _needed(model: Pulled, tell: Tell) -> list[Pulled]:
    """What a model needs besides. Its codec first: only with that is known what else."""
    codec = checkpoint.codec_name(model.folder)
    pulled = [_pull(codec, "", tell)] if codec else []
    if reason := checkpoint.refusal(model.folder):
        raise AssetgenError(f"`{model.repository}` can't be used: {reason}")
    others = (need.name for need in needs(checkpoint.traits(model.folder)) if need.name != codec)
    return pulled + [_pull(name, "", tell) for name in others]


def _repository(name: str) -> str:
    if re.fullmatch(r"t5-[\w.-]{1,90}", name):
        return name
    repository = models.find(name, "", Path(os.devnull)).repository
    if not repository:
        raise AssetgenError(f"`{name}` is a folder", hint="name it as `model` in the manifest; it needs no fetching")
    return repository


def _require_hub_library() -> None:
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        raise UnavailableError("huggingface_hub is not installed", hint='uv pip install ".[musicgen]"') from None


def _pull(repository: str, revision: str, tell: Tell) -> Pulled:
    """One repository: which files it has, and each of those that count."""
    from huggingface_hub import HfApi

    _check_connection()
    with plain_errors(repository, revision):
        info = HfApi().model_info(repository, revision=revision or "main", files_metadata=True, timeout=10)
    files = _wanted(repository, info)
    for file in files:
        fetch(file, checkpoint.file_refusal if file.name in WEIGHTS else lambda _: "", tell)
    write_ref(repository, revision or "main", info.sha)
    size = sum(file.size for file in files)
    return Pulled(repository, info.sha, files[-1].path.parent, size, files[-1].name == WEIGHTS[0])


def _check_connection() -> None:
    """Fail at once where no connection can be made: the client itself would try again for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UnavailableError("`HF_HUB_OFFLINE` is set, so nothing is fetched", hint="unset it, and run this again")
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return  # then the way leads through there, and only the client knows it
    parts = urlsplit(constants.ENDPOINT)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise unreachable(error) from error


def _wanted(repository: str, info: Any) -> list[RemoteFile]:
    """Of a repository's files, those that are used; the language model last, so that a model is only there when all
    of it is."""
    there = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    if all(name in there for name in WEIGHTS):
        chosen = list(reversed(WEIGHTS))
    elif repository == DEMUCS:
        chosen = [name for name in DEMUCS_FILES if name in there]
    elif "model.safetensors" in there:
        small = [name for name, file in there.items() if _SMALL.fullmatch(name) and (file.size or 0) <= _SMALL_BYTES]
        chosen = [*sorted(small), "model.safetensors"]
    else:
        chosen = []
    if not chosen:
        raise AssetgenError(
            f"`{repository}` has no weights that are safe to load here",
            hint=f"wanted: `{WEIGHTS[0]}` and `{WEIGHTS[1]}` as audiocraft writes them, or `model.safetensors`",
        )
    return [_remote_file(repository, info.sha, there[name]) for name in chosen]


def _remote_file(repository: str, commit: str, sibling: Any) -> RemoteFile:
    digest = str(getattr(sibling.lfs, "sha256", "") if sibling.lfs else sibling.blob_id)
    if not _DIGEST.fullmatch(digest) or not re.fullmatch(r"[0-9a-f]{40}", str(commit)) or (sibling.size or 0) <= 0:
        raise AssetgenError(f"the hub describes `{sibling.rfilename}` of `{repository}` without a digest or a size")
    return RemoteFile(repository, commit, sibling.rfilename, int(sibling.size), digest)
