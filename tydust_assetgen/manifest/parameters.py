"""A generator's own parameters, merged from the tables that name it, with defaults filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tydust_assetgen.manifest.precedence import Layers, merged
from tydust_assetgen.manifest.tables import DefaultsTable, GenreTable, TrackTable
from tydust_assetgen.manifest.validate import Checked, Fault, check_table

_TABLES = (TrackTable, DefaultsTable, GenreTable)
_SETTINGS = frozenset(key for table in _TABLES for key in table.__struct_encode_fields__)


def makers_in(raw: Iterable[str], generators: Mapping[str, type[msgspec.Struct]]) -> tuple[str, ...]:
    """The generators that have a table of their own among these keys. Only a key that is no setting is looked for:
    where there is none, nobody need know which generators there are."""
    return tuple(key for key in raw if key not in _SETTINGS and key in generators)


def taken_by(key: str, generators: Mapping[str, type[msgspec.Struct]]) -> str:
    """A hint where a key is one of a generator's own; empty where no generator has it."""
    owners = [name for name, shape in generators.items() if key in shape.__struct_encode_fields__]
    return f"it goes into a table of `{owners[0]}`: `{owners[0]} = {{ {key} = … }}`" if owners else ""


def parameter_faults(
    raw: Mapping[str, Any], generators: Mapping[str, type[msgspec.Struct]], dot: str
) -> Iterable[Fault]:
    """What is wrong with the generators' tables that stand in `raw`."""
    for name in makers_in(raw, generators):
        yield from check_table(raw[name], generators[name], f"{dot}{name}").faults


def parameters(generator: str, stack: Layers, generators: Mapping[str, type[msgspec.Struct]]) -> Checked:
    """All parameters of a slot's generator, as plain scalars; faults where they don't fit together."""
    shape = generators.get(generator)
    if not shape:
        return Checked({}, ())
    checked = check_table(merged(stack, generator), shape, generator)
    if checked.faults:
        return checked
    try:
        return Checked(msgspec.to_builtins(msgspec.convert(checked.values, shape)), ())
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        return Checked({}, (Fault(generator, f"`{generator}` is not right: {_lower(str(error))}"),))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
