"""Godot 4's sidecars: the `.import` file that stands beside each sound and says how Godot is to loop it.

Only what follows from the music is set: importer, loop, tempo. All else a person or Godot wrote stays as it stands,
line by line. Keys and values are those of Godot's classes ResourceImporterOggVorbis, ResourceImporterMP3 and
ResourceImporterWAV (4.0 and later).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tydust_assetgen.exports.catalog import File, Track

_IMPORTERS = {"ogg": ("oggvorbisstr", "AudioStreamOggVorbis"), "mp3": ("mp3", "AudioStreamMP3")}
_IMPORTERS["wav"] = ("wav", "AudioStreamWAV")
IMPORTED = tuple(_IMPORTERS)
"""Formats that Godot imports."""
_DISABLED, _FORWARD = 1, 2
"""Of `edit/loop_mode`: 0 would look into the file, 3 and 4 play backwards."""
_PCM, _QOA = "0", "2"
"""Of `compress/mode`. QOA loses quality, and is what Godot takes by default since 4.3; 1 is a person's choice."""
_SLACK_FRAMES = 1.5
_GODOTS_OWN = {
    "remap": {"importer", "type", "uid", "path", "valid"},
    "deps": {"source_file", "dest_files"},
}
"""What Godot writes down when it imports a sound."""
_GODOTS_WAV = {
    "force/8_bit": "false",
    "force/mono": "false",
    "force/max_rate": "false",
    "force/max_rate_hz": "44100",
    "edit/trim": "false",
    "edit/normalize": "false",
}
"""What Godot sets for a WAV where nobody says anything (its `ResourceImporterWAV`)."""
_SECTION = re.compile(r"\[(\w+)\]\s*")


def sidecar(track: Track, file: File, resource: str, there: bytes | None) -> bytes | None:
    """The bytes of a `.import` file; `None` where a person chose another importer, or it is no text.

    Args:
        resource: path of the sound for Godot, such as `res://assets/music/title.ogg`.
        there: what stands there.
    """
    importer, kind = _IMPORTERS[file.codec]
    try:
        text = (there or b"").decode()
    except UnicodeDecodeError:
        return None
    lines = text.splitlines()
    chosen = _value(lines, "remap", "importer")
    if chosen is not None and chosen != f'"{importer}"':
        return None
    lines = _with(lines, "remap", {"importer": f'"{importer}"', "type": f'"{kind}"'})
    if _value(lines, "deps", "source_file") is None:
        lines = _with(lines, "deps", {"source_file": _quoted(resource)})
    lines = _with(lines, "params", _wave(file, lines) if file.codec == "wav" else _stream(track, file))
    end = "\r\n" if "\r\n" in text else "\n"
    return (end.join(lines) + end).encode()


def has_no_choices(track: Track, file: File, there: bytes) -> bool:
    """Whether a sidecar has nothing in it but what is written here and what Godot adds: nothing that a person chose."""
    if sidecar(track, file, "", there) != there:
        return False
    ours = _wave(file, []) if file.codec == "wav" else _stream(track, file)
    params = {**(_GODOTS_WAV if file.codec == "wav" else {}), **ours}
    section = ""
    for line in filter(str.strip, there.decode().splitlines()):
        head = _SECTION.fullmatch(line)
        section = head[1] if head else section
        if section not in (*_GODOTS_OWN, "params") or not (head or _is_usual(line, section, params)):
            return False
    return True


def _is_usual(line: str, section: str, params: dict[str, str]) -> bool:
    key, _, value = (part.strip() for part in line.partition("="))
    return params.get(key) == value if section == "params" else key in _GODOTS_OWN[section]


def folder_of(folder: Path, root: Path) -> str:
    """A folder as Godot has it, with `/` at its end: from that of `project.godot`, or else from `root`."""
    home = next((one for one in (folder, *folder.parents) if (one / "project.godot").is_file()), root)
    inner = folder.relative_to(home).as_posix()
    return "res://" if inner == "." else f"res://{inner}/"


def _stream(track: Track, file: File) -> dict[str, str]:
    loop = file.loop
    return {
        "loop": "true" if loop else "false",
        "loop_offset": _number(loop.start_s if loop else 0.0),
        "bpm": _number(track.bpm),
        "beat_count": str(_beats(track, file)),
        "bar_beats": str(track.beats_per_bar or 4),
    }


def _beats(track: Track, file: File) -> int:
    """Godot loops after so many beats, so they are told only where they are exactly the length of the sound."""
    beats = track.bars * track.beats_per_bar
    length = beats * 60 / track.bpm * file.rate_hz if track.bpm else 0.0
    whole = file.loop.end_frames if file.loop else file.frames
    return beats if beats and abs(length - whole) <= _SLACK_FRAMES else 0


def _wave(file: File, lines: list[str]) -> dict[str, str]:
    loop = file.loop
    compressed = _value(lines, "params", "compress/mode")
    return {
        "edit/loop_mode": str(_FORWARD if loop else _DISABLED),
        "edit/loop_begin": str(loop.start_frames if loop else 0),
        "edit/loop_end": str(loop.end_frames if loop else -1),
        "compress/mode": compressed if compressed not in (None, _QOA) else _PCM,
    }


def _number(value: float) -> str:
    """As Godot writes it: whole numbers without a point."""
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _span(lines: list[str], section: str) -> tuple[int, int]:
    """Where a section's lines lie, without its head; `(-1, -1)` where there is none."""
    heads = [(at, found[1]) for at, line in enumerate(lines) if (found := _SECTION.fullmatch(line))]
    for number, (at, name) in enumerate(heads):
        if name == section:
            return at + 1, heads[number + 1][0] if number + 1 < len(heads) else len(lines)
    return -1, -1


def _value(lines: list[str], section: str, key: str) -> str | None:
    start, end = _span(lines, section)
    return next((line.partition("=")[2].strip() for line in lines[start:end] if _is(line, key)), None)


def _is(line: str, key: str) -> bool:
    return line.partition("=")[0].strip() == key


def _with(lines: list[str], section: str, values: dict[str, str]) -> list[str]:
    """The lines with these values in a section, in place of those that are there, or behind them."""
    start, end = _span(lines, section)
    if start < 0:
        gap = [""] if lines and lines[-1] else []
        return [*lines, *gap, f"[{section}]", "", *_said(values)]
    inside = lines[start:end]
    while inside and not inside[-1].strip():
        inside.pop()
    key_of = {line.partition("=")[0].strip(): line for line in inside}
    kept = [next((f"{key}={values[key]}" for key in values if _is(line, key)), line) for line in inside]
    more = {key: value for key, value in values.items() if key not in key_of}
    gap = [""] if end < len(lines) else []
    return [*lines[:start], *(kept or [""]), *_said(more), *gap, *lines[end:]]


def _said(values: dict[str, str]) -> Iterable[str]:
    return (f"{key}={value}" for key, value in values.items())
