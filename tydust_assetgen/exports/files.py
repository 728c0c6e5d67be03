"""Exports: every file that is written beside the music, and how one is judged. Build, check and the git hook ask here.

`export_files` says which files there are: the catalogue, its code, what engines read. Each `ExportFile` knows its text
once it is told what stands there. To add a kind of export, yield it there. `stale_sidecars` says which stay behind when
their sounds go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec

from tydust_assetgen import system
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.exports import godot, unity
from tydust_assetgen.exports.catalog import File, IsAsked, Track, catalog, tracks_of
from tydust_assetgen.exports.codegen import MARK, code
from tydust_assetgen.manifest import Manifest
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry, LockFile

MAX_BYTES = 64 << 20
"""No export is larger."""
MAX_SIDECAR_BYTES = 1 << 20


@dataclass(frozen=True)
class ExportFile:
    """One file beside the music, and how it should be."""

    path: str
    """In the asset tree."""
    text: Callable[[bytes | None], bytes | None]
    """From what stands there (`None` for nothing) to what should; `None` where a person's file stands there."""
    slot: str = ""
    """Whose sidecar it is; empty where it is about all slots."""


@dataclass(frozen=True)
class JudgedExport:
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


def export_files(manifest: Manifest, known: Callable[[str], LockEntry | None]) -> Iterable[ExportFile]:
    """Every file that is to stand beside the music, by what is known of each slot."""
    exports = manifest.exports
    if not any(exports):
        return
    entries = [entry for slot in manifest.slots if (entry := known(slot)) is not None]
    tracks = tracks_of(entries, asked_by(manifest))
    if exports.catalog:
        text = _ours(catalog(manifest.game, tracks), partial(_is_our_json, "assetgen_catalog"))
        yield ExportFile(exports.catalog, text)
    for language, path in exports.code:
        stem = path.rpartition("/")[2].rpartition(".")[0]
        yield ExportFile(path, _ours(code(language, stem, tracks), _is_our_code))
    if exports.engine == "unity":
        yield ExportFile(unity.LIST_NAME, _ours(unity.clips(tracks), partial(_is_our_json, "assetgen_unity")))
    if exports.engine == "godot":
        yield from _godot_sidecars(manifest, tracks)


def _godot_sidecars(manifest: Manifest, tracks: tuple[Track, ...]) -> Iterable[ExportFile]:
    folders = dict[str, str]()
    for track in tracks:
        for file in track.files:
            if file.codec in godot.IMPORTED:
                folder, _, name = file.path.rpartition("/")
                if folder not in folders:
                    folders[folder] = godot.folder_of(manifest.assets / folder, manifest.root)
                text = partial(godot.sidecar, track, file, folders[folder] + name)
                yield ExportFile(f"{file.path}.import", text, track.slot)


def asked_by(manifest: Manifest) -> IsAsked:
    """Whether the manifest still asks for a file; formats that a genre asks for are known by the entry's genre."""

    def asked(entry: LockEntry, one: LockedOutput) -> bool:
        owner = manifest.owner_of(one.output.path)
        of_genre: Mapping[str, object] = {} if owner else manifest.written_for(entry.brief.genre)
        also = of_genre.get("also")
        return owner == entry.slot or (isinstance(also, list) and one.output.codec in also)

    return asked


def judge(one: ExportFile, found: bytes | None) -> JudgedExport:
    """How an export is, by what stands there; `None` for nothing. Git may have given its lines the ends of Windows. A
    sidecar in which a person chose another importer, such as `keep`, is as that person wants it."""
    wanted = one.text(found)
    if wanted is None:
        return JudgedExport(one.path, "fresh" if one.slot else "foreign", slot=one.slot)
    status: Literal["fresh", "missing", "stale"] = "missing" if found is None else "stale"
    same = found is not None and _plain_ends(found) == _plain_ends(wanted)
    return JudgedExport(one.path, "fresh" if same else status, wanted, one.slot)


def _plain_ends(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n")


def judge_on_disk(manifest: Manifest, known: Callable[[str], LockEntry | None]) -> list[JudgedExport]:
    """How every export is that stands in the asset tree, or should.

    Args:
        manifest: asks for exports.
        known: what is known of each slot, such as `LockFile.entry`.

    Raises:
        AssetgenError: one can't be read, or its path leads out of the tree.
    """
    return [judge(one, _read(manifest, one)) for one in export_files(manifest, known)]


def _read(manifest: Manifest, one: ExportFile) -> bytes | None:
    try:
        return system.read_bounded(system.inside(manifest.assets, one.path), MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AssetgenError(f"`{one.path}` can't be read: {error.strerror or error}", hint="move it away") from error


def _ours(data: bytes, is_ours: Callable[[bytes], bool]) -> Callable[[bytes | None], bytes | None]:
    return lambda found: data if found is None or found == data or is_ours(found) else None


def _is_our_json(mark: str, found: bytes) -> bool:
    """Ours by its mark, or no JSON at all: a file of ours that was damaged."""
    try:
        document = msgspec.json.decode(found)
    except msgspec.MsgspecError:
        return True
    return isinstance(document, dict) and mark in document


def _is_our_code(found: bytes) -> bool:
    return not found.strip(b"\0 \r\n") or MARK.encode() in found[:200]


@dataclass(frozen=True)
class StaleSidecar:
    """A sidecar that stays behind when its sound goes."""

    track: Track
    file: File

    @property
    def slot(self) -> str:
        return self.track.slot

    @property
    def sound_path(self) -> str:
        """Of its sound, in the asset tree."""
        return self.file.path

    @property
    def path(self) -> str:
        return f"{self.file.path}.import"

    def has_no_choices(self, data: bytes) -> bool:
        """Whether nothing in it is a person's choice: all its lines are Godot's or ours."""
        return godot.has_no_choices(self.track, self.file, data)


def stale_sidecars(manifest: Manifest, lock: LockFile) -> Iterator[StaleSidecar]:
    """The sidecars of all sounds that the lock file knows and the manifest no longer asks for."""
    for slot in lock.blocks:
        entry = lock.entry(slot)
        if entry is not None:
            yield from _of_entry(manifest, entry)


def _of_entry(manifest: Manifest, entry: LockEntry) -> Iterator[StaleSidecar]:
    asked = asked_by(manifest)
    gone = {one.output.path for one in entry.outputs if not asked(entry, one)}
    for track in tracks_of([entry], lambda *_: True):
        for file in track.files:
            if file.path in gone and file.codec in godot.IMPORTED and not manifest.owner_of(file.path):
                yield StaleSidecar(track, file)
