"""Reads a TOML file, and has a message for every way in which it can be wrong."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, NoReturn

import tomli

from tydust_assetgen.errors import ManifestError
from tydust_assetgen.manifest.locations import Lines
from tydust_assetgen.manifest.validate import printable

MAX_BYTES = 8 * 1024 * 1024
"""A larger manifest is refused unread: 10,000 slots take 1 to 3 MB."""

_AT_LINE = re.compile(r"\(at line (\d+)")
_TWICE = ("Cannot overwrite a value", "Cannot declare", "Cannot mutate", "Cannot redefine", "Duplicate inline")


def read_text(path: Path, data: bytes | None = None) -> str:
    """The text of a manifest, UTF-8, at most `MAX_BYTES`; of `data`, where its bytes are at hand.

    Raises:
        ManifestError: missing, no regular file, unreadable, too large, not UTF-8.
    """
    data = _read_bytes(path) if data is None else data
    if len(data) > MAX_BYTES:
        _refuse(path, f"is larger than {MAX_BYTES // 2**20} MB", "split it: one manifest for each part of the game")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        _refuse(path, "is UTF-16, not UTF-8", "save it as UTF-8 in your editor")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(
            path, f"has a byte that is not UTF-8 (0x{data[error.start]:02x})", "save it as UTF-8 in your editor", line
        )


def parse(text: str, path: Path) -> dict[str, Any]:
    """The tables of a manifest.

    Raises:
        ManifestError: TOML syntax, a slot or key that stands twice, tables that are nested too deep.
    """
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        _explain(error, text, path)
    except (RecursionError, ValueError):
        _refuse(
            path,
            "has tables or numbers that are too deep or too long to read",
            "write it flat, as `assetgen init` does",
        )


def _read_bytes(path: Path) -> bytes:
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            _refuse(path, "is a folder, not a file", "name the file in it: `--manifest FOLDER/assets.toml`")
        if not stat.S_ISREG(about.st_mode):
            _refuse(path, "is not a regular file")
        if about.st_size > MAX_BYTES:
            _refuse(path, f"is larger than {MAX_BYTES // 2**20} MB", "split it: one manifest for each part of the game")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        _refuse(path, "there is no such file", "`assetgen init` writes one")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "bad name"
        _refuse(path, f"can't be read: {reason}")


def _explain(error: tomli.TOMLDecodeError, text: str, path: Path) -> NoReturn:
    """A TOML error in words; where a key stands twice, with the slot and its other line."""
    found = _AT_LINE.search(str(error))
    line = int(found[1]) if found else _last_line(text)
    message = str(error).split(" (at ")[0]
    if message.startswith(_TWICE):
        _explain_twice(text, path, line)
    if merge := _merge_mark(text):
        _refuse(
            path, "has a merge conflict", "choose what is right and delete the marks, then build, and add both", merge
        )
    if "'\\x00'" in message:
        _refuse(path, "has a NUL byte", "remove it; TOML is plain text", line)
    message = message[:1].lower() + message[1:]
    _refuse(path, f"is not TOML: {message}", 'texts go in quotes: `key = "D minor"`; slots too', line)


def _merge_mark(text: str) -> int:
    """The line of git's first mark of a conflict, or 0."""
    found = re.search(r"^<{7} ", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def _explain_twice(text: str, path: Path, line: int) -> NoReturn:
    lines = Lines(text)
    slot, key = lines.at(line)
    first = lines.of(slot, key)
    shown = printable(slot)
    where = f", first in line {first}" if first and first < line else ""
    if slot and not key:
        raise ManifestError(
            f"slot stands twice{where}", place=f"{path.name}:{line}", slot=shown, hint="keep one of them, or rename one"
        )
    what = f"`{printable(key)}` stands twice" if key else "a table or key stands twice"
    raise ManifestError(f"{what}{where}", place=f"{path.name}:{line}", slot=shown, hint="keep one of them")


def _last_line(text: str) -> int:
    return text.rstrip("\n").count("\n") + 1


def _refuse(path: Path, message: str, hint: str = "", line: int = 0) -> NoReturn:
    raise ManifestError(message, place=f"{path.name}:{line}" if line else str(path), hint=hint)
