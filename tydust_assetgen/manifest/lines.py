"""Where things stand. In walks the text of a manifest, out walk line numbers of slots and their keys.

A TOML parser gives no lines. `Lines` finds one slot by a search that costs a millisecond in a large
manifest, and falls back to a scan of all tokens, made once, where the search is not sure (multi-line strings,
dotted keys, escapes) or where many slots are asked for.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[A-Za-z0-9_+:-]+"
    r"|[\n\[\]{}=.,]",
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([btnfre"\\]))')
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
_MUSIC = "music"


class Lines:
    """Line numbers, from 1, of what a manifest says."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of(self, slot: str, key: str = "") -> int:
        """The line of a slot, or of one of its keys; 0 where there is none.

        With an empty slot, `key` is the whole dotted path, such as `defaults.bpm`. A key that the slot does not
        have gives the line of the slot.
        """
        path = (_MUSIC, slot, *key.split(".")) if slot else tuple(key.split("."))
        path = tuple(part for part in path if part)
        while path:
            if path in self._scanned:
                return self._scanned[path]
            path = path[:-1]
        return 0

    def of_slot(self, slot: str) -> int:
        """The line of a slot, by a search; much cheaper than a scan where few slots are asked for."""
        if "_scanned" in self.__dict__ or "'''" in self._text or '"""' in self._text:
            return self.of(slot)
        name = re.escape(slot)
        found = re.findall if False else re.finditer
        pattern = rf"""^[ \t]*(?:\[[ \t]*music[ \t]*\.[ \t]*)?(?:"{name}"|'{name}')[ \t]*[\]=]"""
        hits = [match.start() for match in found(pattern, self._text, re.MULTILINE)]
        return self._text.count("\n", 0, hits[0]) + 1 if len(hits) == 1 else self.of(slot)

    def at(self, line: int) -> tuple[str, str]:
        """Slot and key that are set in a line (the last one that is), each empty where it is none."""
        here = [path for path, at in self._all if at == line]
        path = here[-1] if here else ()
        if path[:1] == (_MUSIC,) and len(path) > 1:
            return path[1], ".".join(path[2:])
        return "", ".".join(path)

    @cached_property
    def _all(self) -> list[tuple[tuple[str, ...], int]]:
        return list(_scan(self._text))

    @cached_property
    def _scanned(self) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        for path, line in self._all:
            for length in range(1, len(path) + 1):
                found.setdefault(path[:length], line)
        return found


def _scan(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every key of a TOML text with its line, in order: tables, keys, and those of inline tables and arrays of them."""
    starts = [found.end() for found in re.finditer("\n", text)]
    table: tuple[str, ...] = ()
    scopes: list[tuple[str, tuple[str, ...], int]] = []  # open brackets: which, the path it belongs to, its item
    key: list[str] = []
    path: tuple[str, ...] = ()
    in_header, in_value = False, False
    line = 1
    for token in _TOKEN.finditer(text):
        word, first = token[0], token[0][0]
        line = bisect_right(starts, token.start()) + 1
        if first == "#" or word == ".":
            continue
        if in_header:
            if word == "]" or word == "\n":
                if key:
                    table, key = tuple(key), []
                    yield table, line
                in_header = False
            elif word != "[":
                key.append(_plain(word))
        elif word == "\n":
            if not scopes:
                in_value, key = False, []
        elif word == "[" and not in_value:
            in_header, key = True, []
        elif word == "=" and not in_value:
            base = scopes[-1][1] if scopes else table
            path, key, in_value = (*base, *key), [], True
            yield path, line
        elif word in "[{":
            inside = path
            if scopes and scopes[-1][0] == "[":
                inside = (*scopes[-1][1], str(scopes[-1][2]))
            scopes.append((word, inside, 0))
            in_value = word == "["
            path = inside
        elif word in "]}":
            if scopes:
                scopes.pop()
            in_value, key = True, []
        elif word == ",":
            if scopes and scopes[-1][0] == "[":
                kind, inside, item = scopes.pop()
                scopes.append((kind, inside, item + 1))
                in_value = True
            else:
                in_value, key = False, []
        elif not in_value:
            key.append(_plain(word))


def _plain(word: str) -> str:
    """A key as TOML reads it: quotes and escapes gone."""
    if word[0] == "'":
        return word[1:-1]
    if word[0] != '"':
        return word
    return _ESCAPE.sub(_unescape, word[1:-1])


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if not code:
        return _ESCAPED[found[4]]
    return chr(int(code, 16)) if int(code, 16) < 0x110000 else ""
