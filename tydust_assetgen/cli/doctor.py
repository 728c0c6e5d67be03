"""What is installed here and what is missing, for `assetgen doctor`."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import get_args

from tydust_assetgen import codec
from tydust_assetgen.flow import Codec
from tydust_assetgen.generate.musicgen.spec.import_check import USED, Broken, try_imports
from tydust_assetgen.generate.registry import broken_plugins, generators
from tydust_assetgen.version import VERSION

_LIBRARIES = ("numpy", "scipy", "soundfile", "msgspec", "tomli", "pydub", "mido", "rich", "watchdog")
_OWN: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in _LIBRARIES},
    "scipy": ("scipy.signal",),
    "watchdog": ("watchdog.observers",),
    "matplotlib": ("matplotlib.figure",),
}
"""What is imported of each library."""


def examine() -> dict[str, dict[str, str]]:
    """Versions, encoders and generators, each with `ok` or the reason why it does not work, with a remedy. What is
    called ok was imported, in a child process."""
    from tydust_assetgen.generate.musicgen.hub import doctor as musicgen

    tried = try_imports(_OWN | USED)
    of_musicgen = {name: tried[name] for name in USED}
    versions = {"assetgen": VERSION, "python": f"{platform.python_version()} ({sys.executable})"}
    versions |= {name: _version(name, tried[name]) for name in _LIBRARIES}
    versions["libsndfile"] = _libsndfile(tried["soundfile"])
    encoders = {name: codec.available(name) or "ok" for name in get_args(Codec)}
    makers = {name: made.available() or f"ok, version {made.version}" for name, made in generators().items()}
    if makers["musicgen"].startswith("ok"):
        makers["musicgen"] = musicgen.lacking(of_musicgen) or makers["musicgen"]
    broken = {name: f"can't be loaded: {why}" for name, why in broken_plugins().items()}
    plot = 'missing: pip install "tydust-assetgen[plot]"'
    extras = {"plot": plot if _version("matplotlib") == "missing" else _said(tried["matplotlib"]) or "ok"}
    rows = {"versions": versions, "encoders": encoders, "generators": makers | broken, "extras": extras}
    return rows | {"musicgen": musicgen.examine(of_musicgen)}


def _libsndfile(broken: Broken | None) -> str:
    if broken:
        return "can't be loaded"
    import soundfile

    return str(soundfile.__libsndfile_version__)


def _version(name: str, broken: Broken | None = None) -> str:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
    return f"{found}, {_said(broken)}" if broken else found


def _said(broken: Broken | None) -> str:
    if not broken:
        return ""
    return f"`{broken.library}` can't be imported: {broken.why}: pip install --force-reinstall {broken.library}"
