"""What is installed here and what is missing. In walks nothing, out walk tables of words for `assetgen doctor`."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import get_args

from tydust_assetgen import codec
from tydust_assetgen.flow import Codec
from tydust_assetgen.generate.registry import broken_plugins, generators
from tydust_assetgen.version import VERSION

_LIBRARIES = ("numpy", "scipy", "soundfile", "msgspec", "tomli", "pydub", "mido", "rich", "watchdog")


def examine() -> dict[str, dict[str, str]]:
    """Versions, encoders and generators, each with `ok` or the reason why it does not work and what mends it."""
    import soundfile

    from tydust_assetgen.generate.musicgen.hub.doctor import examine as musicgen

    versions = {"assetgen": VERSION, "python": f"{platform.python_version()} ({sys.executable})"}
    versions |= {name: _version(name) for name in _LIBRARIES}
    versions["libsndfile"] = soundfile.__libsndfile_version__
    encoders = {name: codec.available(name) or "ok" for name in get_args(Codec)}
    makers = {name: made.available() or f"ok, version {made.version}" for name, made in generators().items()}
    broken = {name: f"can't be loaded: {why}" for name, why in broken_plugins().items()}
    plotting = "ok" if _version("matplotlib") != "missing" else 'missing: pip install "tydust-assetgen[plot]"'
    rows = {"versions": versions, "encoders": encoders, "generators": makers | broken, "extras": {"plot": plotting}}
    return rows | {"musicgen": musicgen()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
