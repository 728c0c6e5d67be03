"""A project with many finished slots, made without composing them: real manifest, real lock file, tiny real files.

The files are 0.1 s WAVs with the number of the slot in them; the lock file is as their build would have left it.
"""

from __future__ import annotations

import struct
from pathlib import Path

from tydust_assetgen.codec import CODEC_VERSION
from tydust_assetgen.finish import FINISH_VERSION
from tydust_assetgen.flow import Facts, Provenance, Recipe
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import generator, parameter_types
from tydust_assetgen.manifest import read_manifest
from tydust_assetgen.project.keys import Versions, keys_of
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry, LockFile
from tydust_assetgen.system import digest_bytes

HEAD = '[game]\nname = "Many"\n{keys}\n[music]\n'


def slot_name(number: int) -> str:
    return f"music/zone{number // 100:03}/track{number:05}.wav"


def write_manifest(root: Path, slots: int, stale: int = -1, seconds: float = 8, keys: str = "") -> None:
    """A slot in the short form on each line; slot `stale` asks for another length than was built. `keys` are more of
    the game's."""
    lines = [
        f'"{slot_name(number)}" = "Synthwave theme number {number}, D minor, {90 + number % 40} BPM, warm analog bass, '
        f'a {seconds if number == stale else 4} second loop"\n'
        for number in range(slots)
    ]
    (root / "assets.toml").write_text(HEAD.format(keys=keys) + "".join(lines))


def make_project(root: Path, slots: int, other: int = -1, keys: str = "") -> None:
    """A project whose first build finds everything fresh; slot `other` is longer than it usually is."""
    root.mkdir(parents=True, exist_ok=True)
    write_manifest(root, slots, other, keys=keys)
    manifest = read_manifest(root / "assets.toml", parameter_types())
    recipes = manifest.resolve(manifest.slots)
    entries = [_finished(manifest.assets, recipe, number) for number, recipe in enumerate(recipes)]
    (root / "assets.lock").write_bytes(LockFile().with_entries(entries).data)


def _finished(tree: Path, recipe: Recipe, number: int) -> LockEntry:
    data = _wav(number)
    path = tree / recipe.slot
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    made_by = generator(recipe.brief.generator)
    versions = Versions(generator=made_by.version, finish=FINISH_VERSION, codec=CODEC_VERSION)
    keys = keys_of(recipe, versions, made_by.key_parameters(recipe.brief, Shelf(Path())))
    output = recipe.outputs[0]
    locked = LockedOutput(output=output, key=keys.outputs[0], digest=digest_bytes(data), size=len(data))
    return LockEntry(
        slot=recipe.slot,
        title=recipe.title,
        game=recipe.game,
        take_key=keys.take,
        master_key=keys.master,
        outputs=(locked,),
        brief=recipe.brief,
        finish=recipe.finish,
        facts=Facts(),
        provenance=Provenance(generator=made_by.name, version=made_by.version, licence=made_by.licence(recipe.brief)),
        versions=versions,
    )


def _wav(number: int) -> bytes:
    samples = struct.pack("<400h", *([number % 30_000, -(number % 30_000)] * 200))
    fields = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        8000,
        16000,
        2,
        16,
        b"data",
        len(samples),
    )
    return fields + samples
