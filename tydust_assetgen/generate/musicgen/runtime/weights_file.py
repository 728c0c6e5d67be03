"""Reads a file of weights with torch's safe loader, and holds its texts against what was scanned before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tydust_assetgen.errors import GenerationError
from tydust_assetgen.generate.musicgen.spec.checkpoint_scan import scan_file


def load_package(path: Path) -> dict[str, Any]:
    """What a file holds, its tensors mapped. Nothing but tensors is unpickled.

    Raises:
        GenerationError: torch refuses it.
    """
    import torch

    try:
        package: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise GenerationError(f"`{path}` can't be loaded: {str(error).strip().splitlines()[0][:200]}") from error
    return package


def checked_text(package: dict[str, Any], name: str, path: Path) -> str:
    """A text of a file, if it is the one that was scanned before anything was loaded: a pickle can be written so that
    who only reads along finds another one in it.

    Raises:
        GenerationError: it is another.
    """
    scan = scan_file(path)
    scanned = {"xp.cfg": scan.config, "pretrained": scan.pretrained}
    found = {key: package.get(key, "") for key in scanned}
    if found != scanned:
        raise GenerationError(f"`{path}` is made to look like another model than it is: it is refused")
    return str(found[name])
