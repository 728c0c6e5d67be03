"""Writes the tracks as code: for each language one file that compiles alone, with names and a table of facts.

Each language says the same: a name for each slot, and by it the path, the length, the loop and the music's measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import Template

from tydust_assetgen.exports.catalog import Track
from tydust_assetgen.exports.names import pascal, upper

MARK = "written by assetgen from its lock file: do not edit"
_FIELDS = ("path", "key", "seconds", "bpm", "lufs", "rate_hz", "channels", "frames", "loop_start", "loop_end")
_WHOLE = ("beats_per_bar", "bars")
FIELDS = (*_FIELDS, *_WHOLE)


def code(language: str, stem: str, tracks: Sequence[Track]) -> bytes:
    """The text of one file, in UTF-8.

    Args:
        language: a key of `manifest.settings.CODE`.
        stem: the file's name without extension; Godot's class is named after it.
    """
    return _WRITERS[language](stem, tracks).encode()


def _values(track: Track) -> dict[str, str | float | int]:
    """Of the slot's own file. Frames that are not there are 0."""
    own = track.files[0]
    loop = own.loop
    return {
        "path": own.path,
        "key": track.key,
        "seconds": float(track.seconds),
        "bpm": float(track.bpm),
        "lufs": float(track.lufs),
        "rate_hz": own.rate_hz,
        "channels": own.channels,
        "frames": own.frames,
        "loop_start": loop.start_frames if loop else 0,
        "loop_end": loop.end_frames if loop else 0,
        "beats_per_bar": track.beats_per_bar,
        "bars": track.bars,
    }


def _rows(tracks: Sequence[Track], quote: Callable[[str], str], row: Callable[[str, dict[str, str]], str]) -> str:
    """One line a track; `row` makes it of the track's name and its values as the language writes them."""
    lines = []
    for track in tracks:
        said = {name: quote(_plain(v)) if isinstance(v, str) else repr(v) for name, v in _values(track).items()}
        lines.append(row(track.name, said))
    return "".join(f"{line}\n" for line in lines)


def _plain(text: str) -> str:
    """On one line, whatever a lock file says: a key with a new line in it would end the literal, or the comment."""
    return "".join(one if one.isprintable() else " " for one in text)


def _in_order(_: str, said: dict[str, str]) -> str:
    return "    {" + ", ".join(said.values()) + "},"


def _lines(tracks: Sequence[Track], line: Callable[[int, str], str]) -> str:
    return "".join(f"{line(index, track.name)}\n" for index, track in enumerate(tracks))


def _octal(text: str) -> str:
    """A C literal that means these bytes in every compiler: no digraph, trigraph or code page touches it."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


def _utf16(text: str) -> str:
    """A literal of C#, escaped where it is not ASCII."""
    units = text.encode("utf-16-be")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    return (
        '"' + "".join(chr(one) if 32 <= one < 127 and one not in (34, 92) else f"\\u{one:04x}" for one in codes) + '"'
    )


def _utf8(text: str) -> str:
    """A literal of Python, Rust and GDScript. `_plain` has left no control characters."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_C_FIELDS = """    const char *path; /* in the asset tree */
    const char *key;
    double seconds;
    double bpm;
    double lufs;
    int rate_hz;
    int channels;
    long frames;
    long loop_start; /* frames */
    long loop_end; /* frames, exclusive; 0 where it does not loop */
    int beats_per_bar;
    int bars;
"""

_C = Template("""/* $mark */
#ifndef ASSETGEN_MUSIC_H
#define ASSETGEN_MUSIC_H

typedef enum music_id {
    MUSIC_NONE = -1,
$ids} music_id;

typedef struct music_track {
$fields} music_track;

enum { music_count = $count };

static const music_track music_tracks[] = {
$rows    {0} /* behind the last */
};

#endif
""")


def _c(_: str, tracks: Sequence[Track]) -> str:
    ids = _lines(tracks, lambda index, name: f"    MUSIC_{upper(name)} = {index},")
    rows = _rows(tracks, _octal, _in_order)
    return _C.substitute(mark=MARK, ids=ids, fields=_C_FIELDS, count=len(tracks), rows=rows)


_CPP = Template("""// $mark
#pragma once

#include <array>
#include <cstddef>

namespace music {

enum class Id : int {
    None = -1,
$ids};

struct Track {
$fields};

inline constexpr std::size_t count = $count;

inline constexpr std::array<Track, count> tracks$rows;

constexpr const Track &track(Id id) { return tracks[static_cast<std::size_t>(id)]; }

}  // namespace music
""")


def _cpp(_: str, tracks: Sequence[Track]) -> str:
    ids = _lines(tracks, lambda index, name: f"    {pascal(name)} = {index},")
    rows = _rows(tracks, _octal, _in_order)
    table = f"{{{{\n{rows}}}}}" if tracks else "{}"
    return _CPP.substitute(mark=MARK, ids=ids, fields=_C_FIELDS, count=len(tracks), rows=table)


_CSHARP = Template("""// <auto-generated>$mark</auto-generated>
namespace Assetgen
{
    public enum Music
    {
        None = -1,
$ids    }

    public struct MusicTrack
    {
$fields
        public MusicTrack($arguments)
        {
$assigned        }
    }

    public static class MusicTracks
    {
        public static readonly MusicTrack[] All =
        {
$rows        };

        public static MusicTrack Track(this Music id) => All[(int)id];
    }
}
""")
_CSHARP_TYPES = {"path": "string", "key": "string", "seconds": "double", "bpm": "double", "lufs": "double"}


def _csharp(_: str, tracks: Sequence[Track]) -> str:
    typed = {name: _CSHARP_TYPES.get(name, "int") for name in FIELDS}
    rows = _rows(tracks, _utf16, lambda _, said: f"            new MusicTrack({', '.join(said.values())}),")
    return _CSHARP.substitute(
        mark=MARK,
        ids=_lines(tracks, lambda index, name: f"        {pascal(name)} = {index},"),
        fields="".join(f"        public readonly {kind} {pascal(name)};\n" for name, kind in typed.items()),
        arguments=", ".join(f"{kind} {name}" for name, kind in typed.items()),
        assigned="".join(f"            {pascal(name)} = {name};\n" for name in typed),
        rows=rows,
    )


_GDSCRIPT = Template("""# $mark
class_name $name
extends RefCounted

enum Id {
	NONE = -1,
$ids}

## By `Id`: paths are those in the asset tree, loops are in frames.
const TRACKS: Array = [
$rows]
""")


def _gdscript(stem: str, tracks: Sequence[Track]) -> str:
    def row(_: str, said: dict[str, str]) -> str:
        return "\t{" + ", ".join(f'"{name}": {value}' for name, value in said.items()) + "},"

    ids = _lines(tracks, lambda index, name: f"\t{upper(name)} = {index},")
    word = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in stem)
    name = pascal(word) if word[:1].isalpha() else f"Music{word}"
    return _GDSCRIPT.substitute(mark=MARK, name=name, ids=ids, rows=_rows(tracks, _utf8, row))


_RUST = Template("""// $mark
#![allow(dead_code, non_camel_case_types)]

/// What is known of a track; loops are in frames, `loop_end` is exclusive and 0 where it does not loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Track {
$fields}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Music {
$ids}

pub const ALL: [Music; $count] = [
$all];

pub static TRACKS: [Track; $count] = [
$rows];

impl Music {
    pub fn track(self) -> &'static Track {
        match self {
$arms        }
    }
}
""")
_RUST_TYPES = {"path": "&'static str", "key": "&'static str", "seconds": "f64", "bpm": "f64", "lufs": "f64"}


def _rust(_: str, tracks: Sequence[Track]) -> str:
    def row(_: str, said: dict[str, str]) -> str:
        return "    Track { " + ", ".join(f"{name}: {value}" for name, value in said.items()) + " },"

    return _RUST.substitute(
        mark=MARK,
        fields="".join(f"    pub {name}: {_RUST_TYPES.get(name, 'u32')},\n" for name in FIELDS),
        ids=_lines(tracks, lambda _, name: f"    {pascal(name)},"),
        all=_lines(tracks, lambda _, name: f"    Music::{pascal(name)},"),
        arms=_lines(tracks, lambda index, name: f"            Music::{pascal(name)} => &TRACKS[{index}],"),
        count=len(tracks),
        rows=_rows(tracks, _utf8, row),
    )


_PYTHON = Template('''# $mark
from enum import Enum
from typing import NamedTuple


class Track(NamedTuple):
    """What is known of a track; loops are in frames, `loop_end` is exclusive and 0 where it does not loop."""

$fields

class Music(Enum):
    """Every track by its name."""

$rows''')
_PYTHON_TYPES = {"path": "str", "key": "str", "seconds": "float", "bpm": "float", "lufs": "float"}


def _python(_: str, tracks: Sequence[Track]) -> str:
    def row(name: str, said: dict[str, str]) -> str:
        return f"    {upper(name)} = Track({', '.join(said.values())})"

    fields = "".join(f"    {name}: {_PYTHON_TYPES.get(name, 'int')}\n" for name in FIELDS)
    return _PYTHON.substitute(mark=MARK, fields=fields, rows=_rows(tracks, _utf8, row))


_WRITERS: dict[str, Callable[[str, Sequence[Track]], str]] = {
    "c": _c,
    "cpp": _cpp,
    "csharp": _csharp,
    "gdscript": _gdscript,
    "rust": _rust,
    "python": _python,
}
