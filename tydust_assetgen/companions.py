"""What stands beside the music for the game and its engine. In walk a survey and lock entries, out walk files.

A file is written when its text changes, and only then; one that is missing or damaged is written again. What a person
put under its name is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec

from tydust_assetgen import disk, events
from tydust_assetgen.catalogue import MARK, IsAsked, Track, catalog, code, tracks_of
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.integrations import godot, unity
from tydust_assetgen.ledger import Ledger
from tydust_assetgen.lockfile import LockedOutput, LockEntry
from tydust_assetgen.manifest import Manifest
from tydust_assetgen.state import Stat, stat_of
from tydust_assetgen.survey import Survey

_MAX_BYTES = 64 << 20
_FOREIGN: Stat = (-2, -2, -2, -2)
"""No file has this stat: the next build looks again."""


@dataclass(frozen=True)
class Companion:
    """One file beside the music, and how it should be."""

    path: str
    """In the asset tree."""
    text: Callable[[bytes | None], bytes | None]
    """From what stands there (`None` for nothing) to what should; `None` where a person's file stands there."""
    slot: str = ""
    """Whose sidecar it is; empty where it is about all slots."""


@dataclass(frozen=True)
class Finding:
    """How one of them is."""

    path: str
    status: Literal["fresh", "missing", "stale", "foreign"]
    data: bytes = b""
    """What should stand there."""
    slot: str = ""

    @property
    def reason(self) -> str:
        words = {
            "missing": "is missing",
            "stale": "is not what the lock file says",
            "foreign": "is a file of yours: left alone",
        }
        return f"`{self.path}` {words.get(self.status, 'is fresh')}"

    @property
    def hint(self) -> str:
        own = "move it away, or change `[game]`"
        return own if self.status == "foreign" else "`assetgen build` writes it"


def look(seen: Survey, entry: Callable[[str], LockEntry | None] | None = None) -> list[Finding]:
    """How every companion is, by what is known of each slot; by the lock file when `entry` is not given.

    Raises:
        AssetgenError: one can't be read, or its path leads out of the tree.
    """
    known = entry or seen.lock.entry
    return [_found(seen, one) for one in companions_of(seen.manifest, known)]


def write_companions(seen: Survey, ledger: Ledger, tell: events.Emit) -> None:
    """Write what is not as it should be.

    Raises:
        AssetgenError: one can't be written. The others are.
    """
    if not any(seen.manifest.beside):
        return
    _listen(seen, ledger)
    watched: dict[str, Stat] = {}
    trouble: list[AssetgenError] = []
    for found in look(seen, ledger.entry):
        path = disk.inside(seen.tree, found.path)
        if found.status == "foreign":
            tell(events.Warned(message=found.reason, hint=found.hint))
        elif found.status != "fresh":
            try:
                disk.write_atomic(path, found.data)
                tell(events.Wrote(path=found.path, slot=found.slot))
            except OSError as error:
                trouble.append(AssetgenError(f"can't write `{found.path}`: {error.strerror or error}"))
        watched[str(path)] = _FOREIGN if found.status == "foreign" else stat_of(str(path))
    ledger.watch(watched)
    if trouble:
        raise trouble[0]


def companions_of(manifest: Manifest, known: Callable[[str], LockEntry | None]) -> Iterable[Companion]:
    """Every file that is to stand beside the music, by what is known of each slot."""
    beside = manifest.beside
    if not any(beside):
        return
    entries = [entry for slot in manifest.slots if (entry := known(slot)) is not None]
    tracks = tracks_of(entries, asked_by(manifest))
    if beside.catalog:
        yield Companion(beside.catalog, _ours(catalog(manifest.game, tracks), partial(_is_json, "assetgen_catalog")))
    for language, path in beside.code:
        stem = path.rpartition("/")[2].rpartition(".")[0]
        yield Companion(path, _ours(code(language, stem, tracks), _is_code))
    if beside.engine == "unity":
        yield Companion(unity.LIST_NAME, _ours(unity.clips(tracks), partial(_is_json, "assetgen_unity")))
    if beside.engine == "godot":
        yield from _sidecars(manifest, tracks)


def _sidecars(manifest: Manifest, tracks: tuple[Track, ...]) -> Iterable[Companion]:
    for track in tracks:
        for file in track.files:
            if file.codec in godot.IMPORTED:
                resource = godot.resource_of(manifest.assets / file.path, manifest.root)
                yield Companion(f"{file.path}.import", partial(godot.sidecar, track, file, resource), track.slot)


def asked_by(manifest: Manifest) -> IsAsked:
    """Whether the manifest still asks for a file; formats that a genre asks for are known by the entry's genre."""

    def asked(entry: LockEntry, one: LockedOutput) -> bool:
        owner = manifest.owner_of(one.output.path)
        of_genre: Mapping[str, object] = {} if owner else manifest.written_for(entry.brief.genre)
        also = of_genre.get("also")
        return owner == entry.slot or (isinstance(also, list) and one.output.codec in also)

    return asked


def _ours(data: bytes, is_ours: Callable[[bytes], bool]) -> Callable[[bytes | None], bytes | None]:
    return lambda there: data if there is None or there == data or is_ours(there) else None


def _is_json(mark: str, there: bytes) -> bool:
    """Ours by its mark, or no JSON at all: a file of ours that was damaged."""
    try:
        paper = msgspec.json.decode(there)
    except msgspec.MsgspecError:
        return True
    return isinstance(paper, dict) and mark in paper


def _is_code(there: bytes) -> bool:
    return not there.strip(b"\0 \r\n") or MARK.encode() in there[:200]


def _found(seen: Survey, one: Companion) -> Finding:
    path = disk.inside(seen.tree, one.path)
    try:
        there = disk.read_bounded(path, _MAX_BYTES)
    except FileNotFoundError:
        there = None
    except OSError as error:
        raise AssetgenError(f"`{one.path}` can't be read: {error.strerror or error}", hint="move it away") from error
    return judged(one, there)


def judged(one: Companion, there: bytes | None) -> Finding:
    """How a companion is, by what stands there; `None` for nothing."""
    wanted = one.text(there)
    if wanted is None:
        return Finding(one.path, "foreign", slot=one.slot)
    status: Literal["fresh", "missing", "stale"] = "missing" if there is None else "stale"
    return Finding(one.path, "fresh" if there == wanted else status, wanted, one.slot)


def _listen(seen: Survey, ledger: Ledger) -> None:
    """Hear files of which the lock file does not say yet how they sound: those that an older assetgen made."""
    asked = asked_by(seen.manifest)
    for slot in seen.manifest.slots:
        entry = ledger.entry(slot)
        if entry is None or all(one.sound or not asked(entry, one) for one in entry.outputs):
            continue
        heard = tuple(one if one.sound else _heard(seen, one) for one in entry.outputs)
        if heard != entry.outputs:
            ledger.record(msgspec.structs.replace(entry, outputs=heard), (), None)


def _heard(seen: Survey, one: LockedOutput) -> LockedOutput:
    from tydust_assetgen.verify import listen  # numpy and scipy come with it

    try:
        data = disk.inside(seen.tree, one.output.path).read_bytes()
    except OSError:
        return one
    sound = listen(data, one.output) if disk.digest_bytes(data) == one.digest else None
    return msgspec.structs.replace(one, sound=sound) if sound else one
