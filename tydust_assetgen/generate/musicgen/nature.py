"""What is known of a model before it is loaded. In walks a source, out walks its nature: from its files or its name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.generate.musicgen.checkpoint import traits
from tydust_assetgen.generate.musicgen.layout import Clock
from tydust_assetgen.generate.musicgen.models import Family, Source, find
from tydust_assetgen.generate.musicgen.parameters import MusicGenParameters


class Nature(NamedTuple):
    """What decides whether a model can do something, and how long it takes."""

    family: Family
    channels: int
    parameters: int
    """How many weights its language model has."""
    clock: Clock


def nature(source: Source) -> Nature | None:
    """Of a model; `None` where nothing is known of it: somebody's own on the hub, not here, or files that can't be
    read (`checkpoint.refusal` says why)."""
    if source.folder is not None and (read := _read(source.folder)) is not None:
        return read
    known = source.known
    return Nature(known.family, known.channels, known.parameters, Clock()) if known else None


def found(parameters: MusicGenParameters, root: Path | None = None) -> Source | None:
    """The source that is asked for; `None` where there is no such name."""
    try:
        return find(parameters.model, parameters.revision, root or Path())
    except AssetgenError:
        return None


def _read(folder: Path) -> Nature | None:
    try:
        told = traits(folder)
    except (AssetgenError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return Nature(told.family, told.channels, told.parameters, Clock(told.segment_s, told.frame_rate))
