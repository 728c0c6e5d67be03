"""Sounds that a slot's generator is to hear. In walk its parameters, out walk `Reference`s, still without a digest.

A parameter that names one is annotated `Meta(extra={"reference": True})`. It is a file, relative to the manifest's
folder, or `slot:` and the name of another slot. Only names are judged here; whether the file is there, whoever
plans finds out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from tydust_assetgen.flow import Reference, Scalar
from tydust_assetgen.manifest.check import Fault
from tydust_assetgen.manifest.layers import Layer
from tydust_assetgen.manifest.paths import codec_of

SLOT = "slot:"


@cache
def reference_fields(shape: type[msgspec.Struct]) -> tuple[str, ...]:
    """The parameters that name a sound."""
    fields = msgspec.inspect.type_info(shape).fields  # type: ignore[attr-defined]
    return tuple(field.encode_name for field in fields if _is_reference(field.type))


def _is_reference(kind: Any) -> bool:
    return isinstance(kind, msgspec.inspect.Metadata) and bool((kind.extra or {}).get("reference"))


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
    return None if codec_of(path) else Fault("", f"`{path}` is no sound file by its name", hint)


def named_in(tables: Iterable[Layer], generators: Mapping[str, type[msgspec.Struct]]) -> tuple[tuple[str, ...], bool]:
    """All files that raw tables name, and whether any names another slot. Quick: there may be thousands of slots."""
    files: dict[str, None] = {}
    linked = False
    fields = {name: found for name, shape in generators.items() if (found := reference_fields(shape))}
    for table in tables:
        for name in fields.keys() & table.keys():
            own = table[name]
            said = [own[key] for key in fields[name] if isinstance(own.get(key), str)] if isinstance(own, dict) else []
            linked = linked or any(path.startswith(SLOT) for path in said)
            files |= dict.fromkeys(path for path in said if path and not path.startswith(SLOT) and not _fault("", path))
    return tuple(files), linked
