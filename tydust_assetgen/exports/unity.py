"""Unity: `assetgen.unity.json`, from which a script in Unity's editor sets import settings.

Unity has no text file of import settings that could be written before Unity has seen a sound, so a script in its editor
sets them as sounds come in, by this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tydust_assetgen.exports.catalog import Track

LIST_NAME = "assetgen.unity.json"
SCRIPT = Path(__file__).resolve().parent / "editor" / "AssetgenMusicImporter.cs"
_STREAMED_S = 10.0
"""Longer sounds are streamed from the disk, shorter ones are held in memory as they are."""
IMPORTED = ("ogg", "mp3", "wav")
"""Formats that Unity imports."""


class _Clip(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    slot: str
    loop: bool
    stream: bool
    loopStart: int  # noqa: N815  as Unity's JsonUtility wants it: the names of C#'s fields
    loopEnd: int  # noqa: N815
    seconds: float
    bpm: float


class _List(msgspec.Struct, frozen=True, kw_only=True):
    assetgen_unity: int
    clips: tuple[_Clip, ...]


def clips(tracks: Sequence[Track]) -> bytes:
    """The list's bytes: every file that Unity imports, with paths relative to the list."""
    listed = tuple(
        _Clip(
            path=file.path,
            slot=track.slot,
            loop=file.loop is not None,
            stream=file.seconds > _STREAMED_S,
            loopStart=file.loop.start_frames if file.loop else 0,
            loopEnd=file.loop.end_frames if file.loop else 0,
            seconds=file.seconds,
            bpm=track.bpm,
        )
        for track in tracks
        for file in track.files
        if file.codec in IMPORTED
    )
    return msgspec.json.format(msgspec.json.encode(_List(assetgen_unity=1, clips=listed)), indent=2) + b"\n"
