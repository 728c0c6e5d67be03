"""What is to stand beside the music for the game and its engine. In walk a manifest and lock entries, out walk files.

Nothing is looked at or written here: each file says what it should be, once it is told what stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec

from tydust_assetgen.exports import godot, unity
from tydust_assetgen.exports.catalog import IsAsked, Track, catalog, tracks_of
from tydust_assetgen.exports.codegen import MARK, code
from tydust_assetgen.manifest import Manifest
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry

MAX_BYTES = 64 << 20
"""No file beside the music is larger."""


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
    folders = dict[str, str]()
    for track in tracks:
        for file in track.files:
            if file.codec in godot.IMPORTED:
                folder, _, name = file.path.rpartition("/")
                if folder not in folders:
                    folders[folder] = godot.folder_of(manifest.assets / folder, manifest.root)
                text = partial(godot.sidecar, track, file, folders[folder] + name)
                yield Companion(f"{file.path}.import", text, track.slot)


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


def judged(one: Companion, there: bytes | None) -> Finding:
    """How a companion is, by what stands there; `None` for nothing."""
    wanted = one.text(there)
    if wanted is None:
        return Finding(one.path, "foreign", slot=one.slot)
    status: Literal["fresh", "missing", "stale"] = "missing" if there is None else "stale"
    return Finding(one.path, "fresh" if there == wanted else status, wanted, one.slot)
