"""Line numbers of slots and their keys in the text of a manifest.

A TOML parser gives no lines. `Lines` finds one slot by a search that costs a millisecond in a large manifest, and
falls back to a scan of all tokens, made once, where the search finds none or several (dotted keys, escapes, a slot
that a text quotes) or where many slots are asked for. The scan never fails: of broken TOML it tells what it can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import TypeAlias

_Path: TypeAlias = tuple[str, ...]
_Token: TypeAlias = tuple[str, int]
_END: _Token = ("", 0)

# Texts, which `re` compiles when they are first needed: lines are looked up only where something is wrong.
# A text that nobody closed ends with its line, or with the file: each character is looked at once, whatever is written.
_WRITTEN = (
    r'(?s)"""(?:[^"\\]|\\(?:.|\Z)|"(?!""))*(?:"{3,5}|\Z)'
    r"|'''(?:[^']|'(?!''))*(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]|\\[^\n]|\\(?=\n|\Z))*(?:"|(?=\n)|\Z)'
    r"|'[^'\n]*(?:'|(?=\n)|\Z)"
    r"|#[^\n]*"
    r"|[A-Za-z0-9_+:.-]+"
    r"|[\n\[\]{}=,]"
)
_DEEPEST = 16
"""Parts of a path that are kept: no key of a manifest lies deeper."""
_ESCAPE = r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([btnfre"\\]))'
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
_MUSIC = "music"


class Lines:
    """Line numbers, from 1, of what a manifest says."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of(self, slot: str, key: str = "") -> int:
        """The line of a slot, or of one of its keys (dotted); 0 where there is none.

        With an empty slot, `key` is the whole path, such as `defaults.bpm`. What is not there has the line of
        the table that it would be in.
        """
        base = (_MUSIC, slot) if slot else ()
        if (*base, key) in self._first:  # a key that has a dot in its name
            return self._first[(*base, key)]
        path = (*base, *(part for part in key.split(".") if part))
        known = (path[:length] for length in range(len(path), 0, -1))
        return next((self._first[part] for part in known if part in self._first), 0)

    def of_slot(self, slot: str) -> int:
        """The line of a slot by a search: much cheaper than a scan where few slots are asked for."""
        if "_first" in self.__dict__:
            return self.of(slot)
        name = re.escape(slot)
        written = rf"""^[ \t]*(?:\[[ \t]*music[ \t]*\.[ \t]*)?(?:"{name}"|'{name}')[ \t]*[\]=]"""
        hits = [found.start() for found in re.finditer(written, self._text, re.MULTILINE)]
        return self._text.count("\n", 0, hits[0]) + 1 if len(hits) == 1 else self.of(slot)

    def at(self, line: int) -> tuple[str, str]:
        """Slot and key that are set in a line (the last of them), each empty where there is none."""
        path = next((path for path, where in reversed(self._all) if where == line), ())
        if path[:1] == (_MUSIC,) and len(path) > 1:
            return path[1], ".".join(path[2:])
        return "", ".".join(path)

    @cached_property
    def _all(self) -> list[tuple[_Path, int]]:
        found: list[tuple[_Path, int]] = []
        with suppress(RecursionError):  # brackets nested by the thousand: what stands before them is known
            found.extend(_tables(_tokens(self._text)))
        return found

    @cached_property
    def _first(self) -> dict[_Path, int]:
        first: dict[_Path, int] = {}
        for path, line in self._all:
            for length in range(1, len(path) + 1):
                first.setdefault(path[:length], line)
        return first


def _tokens(text: str) -> Iterator[_Token]:
    """Tokens with their lines; comments left out."""
    line = 1
    for found in re.finditer(_WRITTEN, text):
        word = found[0]
        if word[0] != "#":
            yield word, line
        if "\n" in word:
            line += word.count("\n")


def _tables(tokens: Iterator[_Token]) -> Iterator[tuple[_Path, int]]:
    """Every table and key with its line."""
    table: _Path = ()
    for word, line in tokens:
        if word == "[":
            table = _header(tokens)
            yield table, line
        elif word not in "\n]":
            yield from _pair(tokens, table, word, line)
            all(word != "\n" for word, _ in tokens)  # the rest of the line, such as the time of a date


def _header(tokens: Iterator[_Token]) -> _Path:
    """The path in `[a."b"]`, from after its bracket to the end of its line."""
    words = iter(lambda: next(tokens, _END)[0], "\n")
    path: _Path = ()
    for word in words:
        if not word:
            break
        path = path if word in "[]" else _deeper(path, word)
    return path


def _deeper(path: _Path, word: str) -> _Path:
    return (*path, *_plain(word))[:_DEEPEST] if len(path) < _DEEPEST else path


def _pair(tokens: Iterator[_Token], base: _Path, word: str, line: int) -> Iterator[tuple[_Path, int]]:
    """`key = value`, from after the key's first word, and whatever the value has inside."""
    path = _deeper(base, word)
    for more, _ in tokens:
        if more in "=\n":
            break
        path = _deeper(path, more)
    yield path, line
    yield from _inside(tokens, path, next(tokens, _END)[0])


def _inside(tokens: Iterator[_Token], path: _Path, word: str) -> Iterator[tuple[_Path, int]]:
    """What is inside of a value that begins with `word`."""
    if word == "[":
        yield from _array(tokens, path)
    elif word == "{":
        yield from _inline(tokens, path)


def _array(tokens: Iterator[_Token], path: _Path) -> Iterator[tuple[_Path, int]]:
    item = 0
    for word, line in tokens:
        if word == "]":
            return
        item += word == ","
        if word in "[{":
            yield (*path, str(item)), line
            yield from _inside(tokens, (*path, str(item))[:_DEEPEST], word)


def _inline(tokens: Iterator[_Token], path: _Path) -> Iterator[tuple[_Path, int]]:
    for word, line in tokens:
        if word == "}":
            return
        if word not in ",\n":
            yield from _pair(tokens, path, word, line)


def _plain(word: str) -> _Path:
    """The parts of a key as TOML reads them: quotes and escapes gone, bare words split at their dots."""
    if word[0] == "'":
        return (word[1:-1],)
    if word[0] == '"':
        return (re.sub(_ESCAPE, _unescape, word[1:-1]),)
    return tuple(part for part in word.split(".", _DEEPEST)[:_DEEPEST] if part)


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if not code:
        return _ESCAPED[found[4]]
    return chr(int(code, 16)) if int(code, 16) < 0x110000 else ""
