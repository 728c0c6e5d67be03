"""Which generators there are. In walks a name, out walks a `Generator`, made cheaply: nothing big is imported."""

from __future__ import annotations

import difflib
import sys
from functools import lru_cache
from importlib import metadata

import msgspec

from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.generate.protocol import Generator

GROUP = "tydust_assetgen.generators"
_BUILT_IN = ("composer", "musicgen")


@lru_cache(maxsize=1)
def generators() -> dict[str, Generator]:
    """All generators that can be loaded, by name. The built-in ones are always there, also without an installation."""
    found: dict[str, Generator] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        if point.name not in _BUILT_IN and (made := _load(point)) is not None:
            found[made.name] = made
    from tydust_assetgen.generate.composer import Composer
    from tydust_assetgen.generate.musicgen import MusicGen

    return {**found, "composer": Composer(), "musicgen": MusicGen()}


def _load(point: metadata.EntryPoint) -> Generator | None:
    """A plug-in, or `None` when its own code fails: a broken plug-in must not stop the others."""
    try:
        made: Generator = point.load()()
        return made if made.name else None
    except Exception:  # noqa: BLE001  whatever a stranger's module raises
        return None


def broken_plugins() -> dict[str, str]:
    """Plug-ins that can't be loaded, by entry-point name, and why. For `assetgen doctor`."""
    broken = {}
    for point in metadata.entry_points(group=GROUP):
        try:
            point.load()()
        except Exception as error:  # noqa: BLE001  whatever a stranger's module raises
            broken[point.name] = f"{type(error).__name__}: {error}"
    return broken


def generator(name: str) -> Generator:
    """The generator of that name.

    Raises:
        UnavailableError: there is none.
    """
    known = generators()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(sorted(known))}"
        raise UnavailableError(f"no generator is called `{name}`", hint=hint)
    return known[name]


def sources() -> list[str]:
    """The files that the generators' classes stand in: when one changes, a version may have gone up."""
    modules = (sys.modules.get(type(made).__module__) for made in generators().values())
    return [file for module in modules if (file := getattr(module, "__file__", None))]


def parameter_types() -> dict[str, type[msgspec.Struct]]:
    """The type of each generator's own table in the manifest, for `read_manifest`."""
    return {name: made.parameters for name, made in generators().items()}
