"""What a model needs besides its own two files, and whether it is here. In walk traits, out walk `Need`s.

The text encoder and a codec of the hub are taken as safetensors only. The stem separator of melody models is Demucs:
safetensors in the hub cache (demucs 4.1 and newer fetch that), or the file in torch's cache (demucs 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tydust_assetgen.generate.musicgen.checkpoint import Traits
from tydust_assetgen.generate.musicgen.models import cached, torch_hub

DEMUCS = "adefossez/HTDemucs"
DEMUCS_FILES = ("htdemucs.yaml", "955717e8.safetensors")
DEMUCS_OLD = "955717e8-8726e21a.th"
TEXT_FILES = ("config.json", "model.safetensors")
CODEC_FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class Need:
    """One thing."""

    what: str
    """Such as `text encoder`."""
    name: str
    """Its repository on the hub."""
    here: Path | None
    mend: str
    """The command that fetches it."""


def needs(traits: Traits) -> tuple[Need, ...]:
    """All that a model needs besides its own files."""
    wanted = []
    if traits.text_encoder:
        wanted.append(text_encoder(traits.text_encoder))
    if traits.family == "melody":
        wanted.append(Need("stem separator", DEMUCS, separator_file(), f"assetgen models pull {DEMUCS}"))
    if traits.codec:
        wanted.append(
            Need("codec", traits.codec, cached(traits.codec, *CODEC_FILES), f"assetgen models pull {traits.codec}")
        )
    return tuple(wanted)


def text_encoder(name: str) -> Need:
    return Need("text encoder", name, text_folder(name), f"assetgen models pull {name}")


def text_folder(name: str) -> Path | None:
    """Where a T5 lies: its configuration, its weights as safetensors, and a tokenizer."""
    folder = cached(name, *TEXT_FILES)
    if folder and any((folder / file).is_file() for file in ("tokenizer.json", "spiece.model")):
        return folder
    return None


def separator_file() -> Path | None:
    """The one file of Demucs' weights, the safer format first."""
    folder = cached(DEMUCS, *DEMUCS_FILES)
    old = torch_hub() / DEMUCS_OLD
    return folder / DEMUCS_FILES[1] if folder else old if old.is_file() else None
