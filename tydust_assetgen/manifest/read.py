"""Reads a manifest: the `Manifest` gives recipes and fingerprints of slots.

`read_manifest` checks what is not of one slot alone; a slot is checked when its recipe is asked for. When anything is
wrong, all slots are checked too, so that a person sees every mistake at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from tydust_assetgen.errors import ManifestError, Problem
from tydust_assetgen.flow import Recipe, Scalar
from tydust_assetgen.manifest.locations import Lines
from tydust_assetgen.manifest.outputs import Claims, claim
from tydust_assetgen.manifest.paths import AssetTree, same_file
from tydust_assetgen.manifest.precedence import PROGRAM, built_in
from tydust_assetgen.manifest.references import named_in
from tydust_assetgen.manifest.resolve import Resolved, Surroundings, problem, resolve
from tydust_assetgen.manifest.settings import Cache, ExportSettings, check_head
from tydust_assetgen.manifest.toml_text import parse, read_text
from tydust_assetgen.manifest.validate import Fault
from tydust_assetgen.version import VERSION

_ALONE = Cache()
_BARE = ExportSettings()
_ENCODER = msgspec.json.Encoder(order="sorted")
_FEW = 8
"""Up to so many slots are searched for one by one; beyond, one scan of the whole text is cheaper."""


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read. Its slots are checked and resolved when they are asked for."""

    path: Path
    root: Path
    """The folder of the manifest."""
    game: str
    assets: Path
    """The asset tree, inside `root`."""
    slots: tuple[str, ...]
    """In the order of the manifest."""
    files: tuple[Path, ...] = ()
    """Other files that decide how its slots sound."""
    commercial: bool = False
    """The game is sold: what may not be used for that is refused."""
    linked: bool = False
    """Some slot follows another one."""
    cache: Cache = _ALONE
    """What the team shares."""
    exports: ExportSettings = _BARE
    """Which files are written beside the music."""
    _text: str = field(default="", repr=False)
    _music: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _around: Surroundings = field(default=Surroundings("", {}, {}, {}), repr=False)
    _claims: Claims = field(default=Claims({}, {}), repr=False)

    def resolve(self, slots: Iterable[str]) -> tuple[Recipe, ...]:
        """The recipes of these slots, in this order.

        Raises:
            ManifestError: with every problem of all these slots.
        """
        wanted = tuple(slots)
        found = [self.look(slot) for slot in wanted]
        problems = [one for slot, result in zip(wanted, found, strict=True) for one in self._problems(slot, result)]
        if problems:
            raise ManifestError.all(sorted(problems, key=_line))
        line = self._lines.of_slot if len(wanted) <= _FEW else self._lines.of
        recipes = (result.recipe for result in found if result.recipe)
        return tuple(
            msgspec.structs.replace(recipe, place=f"{self.path.name}:{line(recipe.slot)}") for recipe in recipes
        )

    def fingerprint(self, slot: str) -> bytes:
        """A digest (16 bytes) of everything that the slot's recipe is made from, except order, comments and formatting.

        Raises:
            KeyError: no such slot.
        """
        raw = self._music[slot]
        genre = raw.get("genre") if isinstance(raw, dict) else None
        base = self._bases.get(genre) if isinstance(genre, str) else None
        asked = self._whole if self.linked else _canonical(raw) or self._text.encode()
        return _digest(b"%b%b\0%b" % (base or self._bases[""], slot.encode(), asked))

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of every slot, hexadecimal."""
        return {slot: self.fingerprint(slot).hex() for slot in self.slots}

    @cached_property
    def tree_prefix(self) -> str:
        """What turns an output's path into one relative to the manifest's folder: `assets/`, or nothing."""
        tree = self.assets.relative_to(self.root).as_posix()
        return "" if tree == "." else f"{tree}/"

    def line_of(self, slot: str, key: str = "") -> int:
        """The line where a slot, or one of its keys, is set; 0 where there is none. An empty slot: any dotted path."""
        return self._lines.of(slot, key)

    def look(self, slot: str) -> Resolved:
        """One slot resolved, with its faults instead of an error.

        Raises:
            KeyError: no such slot.
        """
        found = resolve(slot, self._music[slot], self._around)
        paths = [output.path for output in found.recipe.outputs] if found.recipe else []
        faults = (*found.faults, *self._claims.faults(slot, paths))
        faults = faults or tuple(fault for path in paths for fault in self._tree.faults(path))
        return found._replace(recipe=None, faults=faults) if faults else found

    def owner_of(self, path: str) -> str:
        """The slot that writes this file of the asset tree; empty where none is known to, without a look at genres."""
        return self._claims.owners.get(same_file(path), "")

    def written_for(self, genre: str) -> Mapping[str, Any]:
        """What the manifest itself says for all slots of a genre: its `[defaults]`, and over them `[genre.NAME]`."""
        return {**self._around.defaults, **self._around.genres.get(genre, {})}

    def _problems(self, slot: str, found: Resolved) -> Iterable[Problem]:
        for fault in found.faults:
            other = self.line_of(fault.other_slot or slot, fault.other) if fault.other_slot or fault.other else 0
            yield problem(slot, fault, self.path.name, self.line_of(slot, fault.key), other)

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self._text)

    @cached_property
    def _whole(self) -> bytes:
        """All slots together: where one follows another, a change anywhere is worth a closer look everywhere."""
        return _digest(_canonical(self._music) or self._text.encode())

    @cached_property
    def _tree(self) -> AssetTree:
        return AssetTree(self.root, self.assets)

    @cached_property
    def makers(self) -> tuple[str, ...]:
        """The generators that its slots may be made by. Others are not looked for, which takes time."""
        around = self._around
        tables = (around.defaults, *around.genres.values(), *self._music.values())
        asked = (table.get("generator") for table in tables if isinstance(table, dict))
        names = {PROGRAM["generator"], *(name for name in asked if isinstance(name, str))}
        return tuple(sorted(name for name in names if name in around.generators))

    @cached_property
    def _bases(self) -> dict[str, bytes]:
        """What slots share, by the genre that they name; under "" for those that name none: their text may."""
        around = self._around
        shapes = {name: _defaults(around.generators[name]) for name in self.makers}
        tree = self.assets.relative_to(self.root).as_posix()
        shared = [VERSION, around.game, tree, self.commercial, around.defaults, shapes]
        genres = {name: [built_in().get(name), around.genres.get(name)] for name in around.known_genres}
        bases = {name: [shared, around.known_genres, genre] for name, genre in genres.items()}
        return {name: _digest(_canonical(base) or b"") for name, base in {**bases, "": [shared, genres]}.items()}


def read_manifest(path: Path, generators: Mapping[str, type[msgspec.Struct]], data: bytes | None = None) -> Manifest:
    """Reads and checks a manifest.

    Args:
        path: the file, usually `assets.toml`.
        generators: names of the generators that are here, each with the struct of its own parameters.
        data: its bytes, where they are not those of the file, such as those that git has staged.

    Raises:
        ManifestError: with every problem of the manifest, its slots included.
    """
    text = read_text(path, data)
    head = check_head(parse(text, path), generators)
    around = head.around
    tables = (raw for raw in head.music.values() if isinstance(raw, dict))
    named, linked = named_in((around.defaults, *around.genres.values(), *tables), generators)
    manifest = Manifest(
        path=path,
        root=path.parent,
        game=around.game,
        assets=path.parent / head.assets,
        slots=tuple(head.music),
        files=tuple(path.parent / name for name in named),
        commercial=head.commercial,
        linked=linked,
        cache=head.cache,
        exports=head.exports,
        _text=text,
        _music=head.music,
        _around=around,
        _claims=claim(head.music, around.defaults, around.genres),
    )
    faults = (*head.faults, *_tree_faults(manifest), *_export_faults(manifest))
    if faults or manifest._claims.clashes:
        raise ManifestError.all(sorted(_report(manifest, faults), key=_line))
    return manifest


def _tree_faults(manifest: Manifest) -> tuple[Fault, ...]:
    if not manifest._tree.escapes:
        return ()
    return (Fault("game.assets", "`game.assets` lies outside the manifest's folder: it is a link that leads out"),)


def _export_faults(manifest: Manifest) -> Iterable[Fault]:
    for path in manifest.exports.paths:
        key = "game.catalog" if path == manifest.exports.catalog else "game.catalog_code"
        for fault in manifest._tree.faults(path):
            yield Fault(key, f"`{path}` can't be written: {fault.message}", fault.hint)
        if owner := manifest.owner_of(path):
            yield Fault(key, f"`{path}` is also the file of a slot", "name another file", other_slot=owner)


def _report(manifest: Manifest, faults: Iterable[Fault]) -> Iterable[Problem]:
    """Every problem of a manifest that has some: of its head, of slots that clash, of each slot."""
    name = manifest.path.name
    for fault in faults:
        yield problem("", fault, name, manifest.line_of("", fault.key), 0)
    for slot in manifest.slots:
        yield from manifest._problems(slot, manifest.look(slot))


def _defaults(shape: type[msgspec.Struct]) -> dict[str, str]:
    """A generator's parameters with their defaults; of other defaults than plain values only that there is one."""
    fields = msgspec.structs.fields(shape)
    return {one.encode_name: str(one.default) if isinstance(one.default, Scalar) else "" for one in fields}


def _line(one: Problem) -> int:
    line = one.place.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _canonical(value: object) -> bytes | None:
    """Canonical JSON; None for what has none (absurdly large numbers, absurdly deep tables)."""
    try:
        return _ENCODER.encode(value)
    except (OverflowError, RecursionError, ValueError, TypeError):
        return None
