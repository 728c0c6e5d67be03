"""Which MusicGen models there are, and where they lie on this machine.

The hub cache is read as files, without Hugging Face's libraries. Its layout is
`models--OWNER--NAME/refs/REVISION` (a text: the commit) and `models--OWNER--NAME/snapshots/COMMIT/FILE`.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from tydust_assetgen.errors import UnavailableError

Family: TypeAlias = Literal["text", "melody", "style"]

LICENCE = "CC-BY-NC-4.0"
"""Of the weights that Meta published: not for commercial use."""
WEIGHTS = ("state_dict.bin", "compression_state_dict.bin")
_OWNER = "facebook/musicgen-"
REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


@dataclass(frozen=True)
class Known:
    """A published model."""

    name: str
    family: Family
    channels: int
    parameters: int
    """Of the language model, roughly."""

    @property
    def repository(self) -> str:
        return _OWNER + self.name


KNOWN: dict[str, Known] = {
    known.name: known
    for known in (
        Known("small", "text", 1, 300_000_000),
        Known("medium", "text", 1, 1_500_000_000),
        Known("large", "text", 1, 3_300_000_000),
        Known("melody", "melody", 1, 1_500_000_000),
        Known("melody-large", "melody", 1, 3_300_000_000),
        Known("stereo-small", "text", 2, 300_000_000),
        Known("stereo-medium", "text", 2, 1_500_000_000),
        Known("stereo-large", "text", 2, 3_300_000_000),
        Known("stereo-melody", "melody", 2, 1_500_000_000),
        Known("stereo-melody-large", "melody", 2, 3_300_000_000),
        Known("style", "style", 1, 1_500_000_000),
    )
}


@dataclass(frozen=True)
class Source:
    """A model that somebody asked for."""

    name: str
    """As it was asked for."""
    repository: str
    """On the hub; empty for a folder."""
    revision: str
    """The commit in the hub cache; empty for a folder, and where it is not here."""
    folder: Path | None
    """Absolute; holds both files of weights. None: not here."""
    licence: str
    """Of the weights; empty when unknown."""

    @property
    def known(self) -> Known | None:
        return KNOWN.get(self.repository.removeprefix(_OWNER)) if self.repository.startswith(_OWNER) else None


def find(model: str, revision: str, root: Path) -> Source:
    """Where a model lies.

    Args:
        model: a name (`medium`), a repository (`owner/name`), or a folder (relative to `root`).
        revision: a commit or the beginning of one, a branch or a tag; empty: `main` as the cache has it.
        root: the manifest's folder.

    Raises:
        UnavailableError: there is no such name, or it is a style model.
    """
    if _is_folder(model, root):
        folder = Path(os.path.abspath(root / os.path.expanduser(model)))
        return Source(model, "", "", folder if _whole(folder) else None, "")
    repository = _repository(model)
    snapshot = _snapshot(hub_cache(), repository, revision)
    here = snapshot if snapshot and _whole(snapshot) else None
    licence = LICENCE if repository.startswith(_OWNER) else ""
    return Source(model, repository, here.name if here else "", here, licence)


def _is_folder(model: str, root: Path) -> bool:
    led = re.match(r"\.{0,2}[/\\]|~|[A-Za-z]:[/\\]", model)
    return bool(led) or (bool(model) and not model.startswith(_OWNER) and _is_dir(root / model))


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in WEIGHTS)


def _repository(model: str) -> str:
    name = model.removeprefix(_OWNER)
    if name in KNOWN and KNOWN[name].family == "style":
        raise UnavailableError(
            f"`{model}` is a style model, and audiocraft 1.3.0 has no style conditioner",
            hint="use `melody`, and give it the sound as `melody`; audiocraft 1.3.0 is the newest release",
        )
    if name in KNOWN:
        return KNOWN[name].repository
    if REPOSITORY.fullmatch(model):
        return model
    near = difflib.get_close_matches(name, KNOWN, n=1)
    there = ", ".join(known for known in KNOWN if known != "style")
    raise UnavailableError(
        f"no model is called `{model}`",
        hint=f"did you mean `{near[0]}`?" if near else f"there are: {there}; a folder begins with `./`",
    )


def hub_cache() -> Path:
    """Where Hugging Face's libraries keep what they have fetched."""
    for name, rest in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser() / rest
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def torch_hub() -> Path:
    """Where torch keeps what it has fetched by itself."""
    home = os.environ.get("TORCH_HOME")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(base) / "torch").expanduser() / "hub" / "checkpoints"


def cached(repository: str, *files: str, revision: str = "") -> Path | None:
    """The snapshot of a repository in the hub cache that has all these files."""
    snapshot = _snapshot(hub_cache(), repository, revision)
    return snapshot if snapshot and all((snapshot / name).is_file() for name in files) else None


def is_revision(text: str) -> bool:
    """Whether it can name a commit, a branch or a tag: it becomes a file's name in the cache."""
    return bool(_REVISION.fullmatch(text))


def _snapshot(cache: Path, repository: str, revision: str) -> Path | None:
    """The folder of one commit. A pinned revision must be there itself; without one, `main` or the only one."""
    home = cache / f"models--{repository.replace('/', '--')}"
    if revision and not _REVISION.fullmatch(revision):
        return None
    reference = home / "refs" / (revision or "main")
    if reference.is_file():
        commit = reference.read_text(encoding="utf-8", errors="replace").strip()
        return home / "snapshots" / commit if re.fullmatch(r"[0-9a-f]{40}", commit) else None
    commits = [path.name for path in (home / "snapshots").glob("*")]
    fitting = [name for name in commits if not revision or (len(revision) >= 7 and name.startswith(revision))]
    return home / "snapshots" / fitting[0] if len(fitting) == 1 else None


def all_here() -> list[Source]:
    """Every MusicGen checkpoint in the hub cache, whoever published it."""
    found = []
    for path in sorted(hub_cache().glob(f"models--*/snapshots/*/{WEIGHTS[0]}")):
        snapshot = path.parent
        repository = snapshot.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
        if _whole(snapshot):
            licence = LICENCE if repository.startswith(_OWNER) else ""
            found.append(Source(repository, repository, snapshot.name, snapshot, licence))
    return found
