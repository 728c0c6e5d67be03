"""Sounds that a slot follows: the `Reference`s that its parameters name, still without a digest.

A parameter that names one is annotated `Meta(extra={"reference": True})`. It is a file, relative to the manifest's
folder, or `slot:` and the name of another slot. Only names are judged here; whether the file is there, whoever
plans finds out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from tydust_assetgen.flow import Reference, Scalar
from tydust_assetgen.manifest.parameters import makers_in
from tydust_assetgen.manifest.paths import codec_of
from tydust_assetgen.manifest.precedence import Layer
from tydust_assetgen.manifest.validate import Fault

SLOT = "slot:"


@cache
def reference_fields(shape: type[msgspec.Struct]) -> tuple[str, ...]:
    """The parameters that name a sound."""
    return tuple(name for name, extra in _extras(shape).items() if extra.get("reference"))


@cache
def _folder_fields(shape: type[msgspec.Struct]) -> dict[str, tuple[str, ...]]:
    """The parameters that may name a folder, and its files that decide the sound."""
    return {name: extra["files"] for name, extra in _extras(shape).items() if extra.get("files")}


def _extras(shape: type[msgspec.Struct]) -> dict[str, dict[str, Any]]:
    fields = msgspec.inspect.type_info(shape).fields  # type: ignore[attr-defined]
    return {
        field.encode_name: field.type.extra or {}
        for field in fields
        if isinstance(field.type, msgspec.inspect.Metadata)
    }


def references(
    generator: str, parameters: Mapping[str, Scalar], generators: Mapping[str, type[msgspec.Struct]]
) -> tuple[Reference, ...]:
    """What the parameters of a slot name, in their order. Where one is wrong, the others may be missing."""
    fields = reference_fields(generators[generator]) if generator in generators else ()
    return tuple(Reference(str(parameters[name])) for name in fields if parameters.get(name))


def reference_faults(slot: str, heard: Iterable[Reference]) -> tuple[Fault, ...]:
    """What is wrong with the names."""
    return tuple(fault for reference in heard if (fault := _fault(slot, reference.path)))


def _fault(slot: str, path: str) -> Fault | None:
    if path.startswith(SLOT):
        own = path.removeprefix(SLOT) == slot
        return Fault("", "the slot is to follow itself", "name another slot, or a file") if own else None
    hint = "name a file beside the manifest or below, such as `references/theme.ogg`"
    if path.startswith(("/", "~")) or "\\" in path or re.match(r"[A-Za-z]:", path) or ".." in path.split("/"):
        return Fault("", f"`{path}` lies outside the manifest's folder", hint)
    return None if codec_of(path) or _only_read(path) else Fault("", f"`{path}` is no sound file by its name", hint)


def _only_read(path: str) -> bool:
    from tydust_assetgen.codec import ONLY_READ  # hardly ever asked, and it takes time to load

    return path.lower().endswith(ONLY_READ)


def named_in(tables: Iterable[Layer], generators: Mapping[str, type[msgspec.Struct]]) -> tuple[tuple[str, ...], bool]:
    """All files that raw tables name, and whether any names another slot. Quick: there may be thousands of slots."""
    files: dict[str, None] = {}
    linked = False
    for table in tables:
        for name in makers_in(table, generators):
            shape = generators[name]
            own = {key: said for key, said in table[name].items() if said} if isinstance(table[name], dict) else {}
            said = [own[key] for key in reference_fields(shape) if isinstance(own.get(key), str)]
            linked = linked or any(path.startswith(SLOT) for path in said)
            files |= dict.fromkeys(path for path in said if not path.startswith(SLOT) and not _fault("", path))
            files |= dict.fromkeys(_in_folders(own, _folder_fields(shape)))
    return tuple(files), linked


def _in_folders(own: Mapping[str, Any], fields: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The files of folders that are named. A name of no folder names files that are not there, which is no harm."""
    for key, files in fields.items():
        folder = own.get(key)
        if isinstance(folder, str) and folder.isprintable():
            yield from (f"{folder}/{file}" for file in files)
