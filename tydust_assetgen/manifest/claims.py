"""Who writes which file. In walk all slots as TOML gave them, out walk the owner of each file and the clashes.

This runs over every slot of a manifest on every build, so it does little: no check of types, no look at the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tydust_assetgen.manifest.check import Fault
from tydust_assetgen.manifest.paths import same_file, with_format
from tydust_assetgen.manifest.tables import CODECS


class Clash(NamedTuple):
    """Two slots that write one file."""

    slot: str
    path: str
    owner: str

    def fault(self) -> Fault:
        """In words, for the slot that came second."""
        if self.path == self.slot and same_file(self.owner) == same_file(self.slot):
            message = f"writes the same file as `{self.owner}` on a disk that ignores case"
        else:
            message = f"writes `{self.path}`, as `{self.owner}` does"
        hint = "rename one of them, or remove a format from `also`"
        return Fault("", message, hint, other_slot=self.owner)


class Claims(NamedTuple):
    """The owner of each file (by its folded path), and who clashes with it."""

    owners: dict[str, str]
    clashes: Mapping[str, Mapping[str, Clash]]
    """By slot and path."""

    def faults(self, slot: str, paths: Iterable[str]) -> Iterator[Fault]:
        """What other slots already claim of a slot's files; `paths` are those that only its recipe knows."""
        seen = self.clashes.get(slot, {})
        yield from (clash.fault() for clash in seen.values())
        for path in paths:
            if path in seen:
                continue
            owner = self.owners.get(same_file(path), slot)
            if owner != slot:
                yield Clash(slot, path, owner).fault()
        for parent in _parents(slot):
            if same_file(parent) in self.owners:
                message = f"lies in a folder that has the name of a file: `{parent}`"
                yield Fault("", message, "rename one of them", other_slot=self.owners[same_file(parent)])


def claim(music: Mapping[str, Any], defaults: Mapping[str, Any], genres: Mapping[str, Mapping[str, Any]]) -> Claims:
    """Goes over all slots. `defaults` and `genres` are checked tables."""
    owners: dict[str, str] = {}
    clashes: dict[str, dict[str, Clash]] = {}
    common = defaults.get("also", ())
    for slot, raw in music.items():
        also = _also(raw, common, defaults, genres) if isinstance(raw, dict) else common
        for path in (slot, *(with_format(slot, codec) for codec in also)) if also else (slot,):
            owner = owners.setdefault(same_file(path), slot)
            if owner != slot:
                clashes.setdefault(slot, {})[path] = Clash(slot, path, owner)
    return Claims(owners, clashes)


def _also(
    raw: Mapping[str, Any], common: Iterable[str], defaults: Mapping[str, Any], genres: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    if "also" in raw:
        listed = raw["also"]
        return [codec for codec in listed if codec in CODECS] if isinstance(listed, list) else ()
    genre = raw.get("genre", defaults.get("genre"))
    table = genres.get(genre) if isinstance(genre, str) else None
    return table.get("also", common) if table else common


def _parents(path: str) -> Iterator[str]:
    at = path.rfind("/")
    while at > 0:
        yield path[:at]
        at = path.rfind("/", 0, at)
