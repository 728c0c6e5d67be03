"""The catalogue: what games read of each track, and `catalog.json` itself.

Keys may be added to it; one that changes its meaning or goes makes a new format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from tydust_assetgen.exports.names import names_of
from tydust_assetgen.flow import Sound
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry

IsAsked: TypeAlias = Callable[[LockEntry, LockedOutput], bool]
CATALOG_FORMAT = 1
_ABOUT = "made by assetgen from the lock file; don't edit it"


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """Where a player jumps back, from the end (exclusive) to the start, at the file's own rate."""

    start_frames: int
    end_frames: int
    start_s: float
    end_s: float


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a track."""

    path: str
    """In the asset tree, with `/`."""
    codec: str
    sha256: str
    bytes: int
    frames: int
    seconds: float
    rate_hz: int
    channels: int
    loop: Loop | None
    lufs: float
    true_peak_dbtp: float


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a track."""

    name: str
    start_s: float
    end_s: float


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """What a game may want to know of a slot. Zero, empty and null mean: not known, or none."""

    slot: str
    name: str
    """An identifier, the same as in the code that is written on request."""
    title: str
    seconds: float
    loop: bool
    key: str
    bpm: float
    beats_per_bar: int
    bars: int
    lufs: float
    sections: tuple[Section, ...]
    files: tuple[File, ...]
    """The slot's own file comes first."""


class _Catalog(msgspec.Struct, frozen=True, kw_only=True):
    assetgen_catalog: int
    about: str
    game: str
    tracks: tuple[Track, ...]


def tracks_of(entries: Iterable[LockEntry], is_asked: IsAsked) -> tuple[Track, ...]:
    """One for each entry, in their order, of what is known to sound.

    Args:
        entries: lock entries, one a slot.
        is_asked: whether the manifest still asks for a file.
    """
    entries = tuple(entries)
    names = names_of(entry.slot for entry in entries)
    made = (_track(entry, names[entry.slot], is_asked) for entry in entries)
    return tuple(track for track in made if track is not None)


def catalog(game: str, tracks: tuple[Track, ...]) -> bytes:
    """The bytes of `catalog.json`: UTF-8, indented, the same for the same tracks."""
    document = _Catalog(assetgen_catalog=CATALOG_FORMAT, about=_ABOUT, game=game, tracks=tracks)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _track(entry: LockEntry, name: str, is_asked: IsAsked) -> Track | None:
    asked = sorted(
        (one for one in entry.outputs if is_asked(entry, one)), key=lambda one: one.output.path != entry.slot
    )
    files = tuple(_file(one, one.sound, loops=entry.finish.loop) for one in asked if one.sound)
    if not files:
        return None
    facts, own = entry.facts, files[0]
    sections = tuple(
        Section(name=one.name, start_s=_s(one.start_s), end_s=_s(min(one.start_s + one.length_s, own.seconds)))
        for one in facts.sections
        if one.start_s < own.seconds
    )
    return Track(
        slot=entry.slot,
        name=name,
        title=entry.title,
        seconds=own.seconds,
        loop=own.loop is not None,
        key=facts.key,
        bpm=round(facts.bpm, 4),
        beats_per_bar=facts.beats_per_bar if facts.bpm else 0,
        bars=facts.bars,
        lufs=own.lufs,
        sections=sections,
        files=files,
    )


def _file(locked: LockedOutput, sound: Sound, *, loops: bool) -> File:
    return File(
        path=locked.output.path,
        codec=locked.output.codec,
        sha256=locked.digest,
        bytes=locked.size,
        frames=sound.frames,
        seconds=_s(sound.frames / sound.rate_hz),
        rate_hz=sound.rate_hz,
        channels=sound.channels,
        loop=_loop(sound, loops=loops),
        lufs=sound.lufs,
        true_peak_dbtp=sound.true_peak_dbtp,
    )


def _loop(sound: Sound, *, loops: bool) -> Loop | None:
    """A file that should loop and carries no points, such as M4A, loops as a whole."""
    if sound.loop is None and not loops:
        return None
    start, end = (sound.loop.start_frames, sound.loop.end_frames) if sound.loop else (0, sound.frames)
    return Loop(start_frames=start, end_frames=end, start_s=_s(start / sound.rate_hz), end_s=_s(end / sound.rate_hz))


def _s(seconds: float) -> float:
    return round(seconds, 6)
