"""Finds generators by name, built-in ones and plug-ins, without importing anything big.

Plug-ins are looked for only when somebody asks for a name that is not built in, or for all there are: reading what
every installed package says of itself takes a good part of the time of a plan.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.generate.protocol import Generator, ReadsData

if TYPE_CHECKING:
    from importlib import metadata

GROUP = "tydust_assetgen.generators"


@lru_cache(maxsize=1)
def _built_in() -> dict[str, Generator]:
    """Those that are always there, also without an installation."""
    from tydust_assetgen.generate.composer import Composer
    from tydust_assetgen.generate.musicgen import MusicGen

    return {"composer": Composer(), "musicgen": MusicGen()}


@lru_cache(maxsize=1)
def _plug_ins() -> dict[str, Generator]:
    """Those of other packages that can be loaded."""
    found = (made for point in _points() if point.name not in _built_in() and (made := _load(point)) is not None)
    return {made.name: made for made in found if made.name not in _built_in()}


def _points() -> list[metadata.EntryPoint]:
    from importlib import metadata  # it brings a mail parser and a zip reader

    return sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name)


def _load(point: metadata.EntryPoint) -> Generator | None:
    """A plug-in, or `None` when its own code fails: a broken plug-in must not stop the others."""
    try:
        made: Generator = point.load()()
        return made if made.name else None
    except Exception:  # noqa: BLE001  whatever a stranger's module raises
        return None


def generators() -> dict[str, Generator]:
    """All generators that can be loaded, by name."""
    return {**_plug_ins(), **_built_in()}


def broken_plugins() -> dict[str, str]:
    """Plug-ins that can't be loaded, by entry-point name, and why. For `assetgen doctor`."""
    broken = {}
    for point in _points():
        try:
            point.load()()
        except Exception as error:  # noqa: BLE001  whatever a stranger's module raises
            broken[point.name] = f"{type(error).__name__}: {error}"
    return broken


def _find(name: str) -> Generator | None:
    return _built_in().get(name) or _plug_ins().get(name)


def generator(name: str) -> Generator:
    """The generator of that name.

    Raises:
        UnavailableError: there is none.
    """
    found = _find(name)
    if found is None:
        import difflib

        known = generators()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(sorted(known))}"
        raise UnavailableError(f"no generator is called `{name}`", hint=hint)
    return found


def sources() -> list[str]:
    """The files that the generators' classes stand in, and their data files: when one changes, a version may have gone
    up. Of plug-ins only where this process had to look for one: nobody else depends on them."""
    made = [*_built_in().values(), *(_plug_ins().values() if _plug_ins.cache_info().currsize else ())]
    modules = (sys.modules.get(type(one).__module__) for one in made)
    data = (file for one in made if isinstance(one, ReadsData) for file in one.data_files())
    return [*(file for module in modules if (file := getattr(module, "__file__", None))), *data]


class _ParameterTypes(Mapping[str, type[msgspec.Struct]]):
    """By name, looked for when it is asked for."""

    def __getitem__(self, name: str) -> type[msgspec.Struct]:
        found = _find(name)
        if found is None:
            raise KeyError(name)
        return found.parameters

    def __iter__(self) -> Iterator[str]:
        return iter(generators())

    def __len__(self) -> int:
        return len(generators())


def parameter_types() -> Mapping[str, type[msgspec.Struct]]:
    """The type of each generator's own table in the manifest, for `read_manifest`."""
    return _ParameterTypes()
