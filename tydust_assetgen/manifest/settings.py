"""Everything in a manifest that is not of one slot: `[game]`, `[policy]`, `[cache]`, `[defaults]`, `[genre.*]`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tydust_assetgen.manifest.parameters import makers_in, parameter_faults, taken_by
from tydust_assetgen.manifest.paths import path_fault, same_file
from tydust_assetgen.manifest.resolve import Surroundings, setting_faults
from tydust_assetgen.manifest.tables import CacheTable, DefaultsTable, GameTable, GenreTable, PolicyTable
from tydust_assetgen.manifest.validate import Checked, Fault, check_table, fields_of, missing, shown, unknown

if TYPE_CHECKING:
    from tydust_assetgen.remote.address import Address

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


class ExportSettings(NamedTuple):
    """Files beside the music, by their paths in the asset tree; nothing is written unless it is asked for."""

    catalog: str = ""
    code: tuple[Code, ...] = ()
    engine: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the files that have a name of their own."""
        return (*filter(None, (self.catalog,)), *(one.path for one in self.code))


def check_exports(game: Mapping[str, Any]) -> tuple[ExportSettings, tuple[Fault, ...]]:
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
    exports = ExportSettings(catalog, tuple(code), game.get("engine", ""))
    return exports, (*faults, *_twice(exports.paths))


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


TIMEOUT_S = 60.0


class Cache(NamedTuple):
    """Which caches a team shares, as the manifest has it; the environment may say otherwise."""

    remotes: tuple[Address, ...] = ()
    """To be asked in turn."""
    read_only: bool = False
    timeout_s: float = TIMEOUT_S
    """Limit of one request, in seconds."""


def check_cache(raw: object) -> tuple[Cache, tuple[Fault, ...]]:
    """The table, and what is wrong with it."""
    from tydust_assetgen.remote.address import Objection, read_address

    checked = check_table(raw, CacheTable, "cache")
    named = checked.values.get("remote", [])
    found = [read_address(text) for text in ([named] if isinstance(named, str) else named)]
    faults = tuple(
        Fault("cache.remote", f"`cache.remote` is not right: {one.message}", one.hint)
        for one in found
        if isinstance(one, Objection)
    )
    remotes = tuple(one for one in found if not isinstance(one, Objection))
    values = checked.values
    cache = Cache(remotes, values.get("read_only", False), float(values.get("timeout", TIMEOUT_S)))
    return cache, (*_discreet(checked.faults), *faults)


def _discreet(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Without the value of an address, which may hold a secret."""
    wrong = "`cache.remote` must be an address, or a list of up to 8"
    return tuple(fault._replace(message=wrong) if fault.key.startswith("cache.remote") else fault for fault in faults)


_GENRE_NAME = re.compile(r"[^\W_][\w &+-]{0,39}")
TABLES = ("cache", "defaults", "game", "genre", "music", "policy")


class Head(NamedTuple):
    """What slots stand in, the slots as TOML gave them, and what is wrong so far (keys are whole dotted paths)."""

    around: Surroundings
    assets: str
    music: Mapping[str, Any]
    commercial: bool
    faults: tuple[Fault, ...]
    cache: Cache = Cache()
    exports: ExportSettings = ExportSettings()


def check_head(tables: Mapping[str, Any], generators: Mapping[str, type[msgspec.Struct]]) -> Head:
    """Checks all tables but those of the slots."""
    game = _game(tables.get("game", {}))
    title = " ".join(game.values.get("name", "").split())
    names = _tables(tables.get("genre", {}), "genre")
    bare = Surroundings(title, {}, {name: {} for name in names.values}, generators)
    defaults = _settings(tables.get("defaults", {}), DefaultsTable, "defaults", bare)
    genres = {name: _settings(raw, GenreTable, f"genre.{name}", bare) for name, raw in names.values.items()}
    music = _tables(tables.get("music", {}), "music")
    policy = check_table(tables.get("policy", {}), PolicyTable, "policy")
    cache, of_cache = check_cache(tables["cache"]) if "cache" in tables else (Cache(), ())
    exports, of_exports = check_exports(game.values)
    around = bare._replace(defaults=defaults.values, genres={name: one.values for name, one in genres.items()})
    of_genres = (*_names(genres), *(fault for one in genres.values() for fault in one.faults))
    of_tables = (*game.faults, *of_exports, *policy.faults, *of_cache, *defaults.faults, *names.faults)
    faults = (*_strangers(tables), *of_tables, *of_genres, *music.faults)
    assets, commercial = game.values.get("assets", "assets"), policy.values.get("commercial", False)
    return Head(around, assets, music.values, commercial, faults, cache, exports)


def _game(raw: object) -> Checked:
    checked = check_table(raw, GameTable, "game")
    absent = missing(checked, GameTable, "game")
    faults = (*checked.faults, *(fault._replace(hint='write `name = "My game"` under `[game]`') for fault in absent))
    assets = checked.values.get("assets", "assets")
    if not _leads_out(assets):
        return Checked(checked.values, faults)
    hint = "name a folder beside the manifest, such as `assets`"
    outside = Fault("game.assets", f"`game.assets` lies outside the manifest's folder: {shown(assets)}", hint)
    return Checked({**checked.values, "assets": "assets"}, (*faults, outside))


def _leads_out(folder: str) -> bool:
    forbidden = any(mark in folder for mark in '\\:\0<>"|?*')
    return forbidden or folder.startswith(("/", "~")) or ".." in folder.split("/")


def _settings(raw: object, shape: type[msgspec.Struct], inside: str, around: Surroundings) -> Checked:
    """A table of settings, with the tables of generators in it."""
    own = makers_in(raw, around.generators) if isinstance(raw, dict) else ()
    checked = check_table(raw, shape, inside, own, lambda key: taken_by(key, around.generators))
    if not isinstance(raw, dict):
        return checked
    right = [name for name in own if not any(parameter_faults({name: raw[name]}, around.generators, ""))]
    faults = (*checked.faults, *setting_faults(raw, checked.values, around, inside))
    return Checked({**checked.values, **{name: raw[name] for name in right}}, faults)


def _tables(raw: object, name: str) -> Checked:
    """A table of tables, not looked into."""
    if isinstance(raw, dict):
        return Checked(raw, ())
    return Checked({}, (Fault(name, f"`{name}` must be a table, not {shown(raw)}"),))


def _names(genres: Iterable[str]) -> tuple[Fault, ...]:
    """Genres are found in texts by their name, so that it must be a plain word or two."""
    bad = [name for name in genres if not _GENRE_NAME.fullmatch(name)]
    hint = "use up to 40 letters, digits, spaces, `-`, `_`, `&`, `+`"
    return tuple(Fault(f"genre.{name}", f"a genre can't be named {shown(name)}", hint) for name in bad)


def _strangers(tables: Mapping[str, Any]) -> tuple[Fault, ...]:
    return tuple(_stranger(key, value) for key, value in tables.items() if key not in TABLES)


def _stranger(key: str, value: object) -> Fault:
    if not isinstance(value, dict) and key in fields_of(DefaultsTable):
        return Fault(key, f"`{key}` stands outside of any table", "write it under `[defaults]` or in a slot")
    return unknown("table" if isinstance(value, dict) else "key", key, TABLES, key)
