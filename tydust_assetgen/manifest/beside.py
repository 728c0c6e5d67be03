"""What is written beside the music: a catalogue for the game at run time, code for it, settings for an engine.

In walk the keys of `[game]`, out walks `Beside`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tydust_assetgen.manifest.check import Fault, shown
from tydust_assetgen.manifest.paths import path_fault, same_file

CODE = {
    "c": "music.h",
    "cpp": "music.hpp",
    "csharp": "Music.cs",
    "gdscript": "music.gd",
    "rust": "music.rs",
    "python": "music.py",
}
"""Languages, and the file that each writes unless another one is named."""
_SUFFIXES = {name.rpartition(".")[2]: language for language, name in CODE.items()}


class Code(NamedTuple):
    """A file of code: its language and its path in the asset tree."""

    language: str
    path: str


class Beside(NamedTuple):
    """Files beside the music, by their paths in the asset tree; nothing is written unless it is asked for."""

    catalog: str = ""
    code: tuple[Code, ...] = ()
    engine: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the files that have a name of their own."""
        return (*filter(None, (self.catalog,)), *(one.path for one in self.code))


def check_beside(game: Mapping[str, Any]) -> tuple[Beside, tuple[Fault, ...]]:
    """`game` holds values whose types are right already."""
    catalog = game.get("catalog", "")
    faults = list(_faults(catalog, "game.catalog")) if catalog else []
    if catalog and not faults and not catalog.endswith(".json"):
        faults.append(Fault("game.catalog", f"`game.catalog` is no JSON file: {shown(catalog)}", "end it with `.json`"))
    asked = game.get("catalog_code") or []
    code = []
    for one in [asked] if isinstance(asked, str) else asked:
        path = CODE.get(one, one)
        wrong = _code_faults(path)
        faults += wrong
        if not wrong:
            code.append(Code(_SUFFIXES[path.rpartition(".")[2]], path))
    beside = Beside(catalog, tuple(code), game.get("engine", ""))
    return beside, (*faults, *_twice(beside.paths))


def _code_faults(path: str) -> list[Fault]:
    key = "game.catalog_code"
    wrong = list(_faults(path, key))
    if not wrong and path.rpartition(".")[2] not in _SUFFIXES:
        known = ", ".join(f"`{name}`" for name in CODE)
        hint = f"known: {known}; or a file that ends with {', '.join(f'`.{suffix}`' for suffix in _SUFFIXES)}"
        wrong.append(Fault(key, f"`{key}` names no language that code is written in: {shown(path)}", hint))
    return wrong


def _faults(path: str, key: str) -> Iterable[Fault]:
    fault = path_fault(path)
    if fault is not None:
        yield Fault(key, f"`{key}` is no path in the asset tree: {fault.message.removeprefix('slot ')}", fault.hint)


def _twice(paths: Iterable[str]) -> Iterable[Fault]:
    seen: set[str] = set()
    for path in paths:
        if same_file(path) in seen:
            yield Fault("game.catalog_code", f"`{path}` is written twice", "name another file")
        seen.add(same_file(path))
