"""Checks a raw table against its struct: gives the values that are right, and a `Fault` for each that is not.

msgspec stops at the first mistake and speaks of types; here every key is checked on its own, and the words are
for people: what is expected, with its range, and what stands there instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

_BARE = re.compile(r"-?\d{1,9}(\.\d{1,9})?|true|false", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # tab and new line may stand in a text


class Fault(NamedTuple):
    """One thing that is wrong in a table: under which key (dotted), what, a hint."""

    key: str
    message: str
    hint: str = ""
    other: str = ""
    """Another key that this one contradicts; its place is shown too."""
    other_slot: str = ""
    """Another slot that this one clashes with; its place is shown too."""


class Checked(NamedTuple):
    """The values that are right, converted, and what is wrong with the others."""

    values: dict[str, Any]
    faults: tuple[Fault, ...]


@lru_cache(maxsize=64)
def fields_of(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """The keys of a table and their types."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(shape)}


def check_table(
    raw: object,
    shape: type[msgspec.Struct],
    inside: str = "",
    more: Iterable[str] = (),
    elsewhere: Callable[[str], str] = lambda _: "",
) -> Checked:
    """Checks each key of a table.

    Args:
        raw: what TOML gave.
        shape: the struct of the table.
        inside: dotted path of the table, for messages; empty at the top.
        more: keys that are known besides and checked by someone else.
        elsewhere: a hint where a key belongs that is not of this table; empty where it is of none.
    """
    if not isinstance(raw, dict):
        return Checked({}, (Fault(inside, f"`{inside}` must be a table, not {shown(raw)}"),))
    known, values, faults = fields_of(shape), {}, []
    for key, value in raw.items():
        where = f"{inside}.{key}" if inside else key
        if key in more:
            continue
        if key not in known:
            faults.append(unknown("key", key, [*known, *more], where, elsewhere(key)))
            continue
        value, wrong = _check_value(value, known[key], where)
        faults.extend(wrong)
        if not wrong:
            values[key] = value
    return Checked(values, tuple(faults))


def unknown(kind: str, name: str, known: Collection[str], key: str, hint: str = "") -> Fault:
    """A name that nothing has, with the nearest that something has where there is no better hint."""
    near, listed = nearest(name, known), ", ".join(f"`{one}`" for one in sorted(known)) or "none"
    guess = f"did you mean `{near}`?" if near else f"known here: {listed}"
    return Fault(key, f"unknown {kind} `{name[:80]}`", hint or guess)


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that a person most likely meant, or empty. Swapped letters are the likeliest slip."""
    from difflib import get_close_matches  # only where something is wrong

    typed = name.lower()[:80]
    swapped = (one for one in sorted(known) if sorted(one) == sorted(typed))
    close = get_close_matches(typed, sorted(known), n=1, cutoff=0.6)
    return next(swapped, close[0] if close else "")


def shown(value: object) -> str:
    """A value as a person wrote it, cut to a readable length."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a huge number"
    text = repr(value) if isinstance(value, str) else str(value)
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"


def printable(text: str) -> str:
    """The text with nothing in it that could steer a terminal or hide."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _check_value(value: Any, kind: Any, where: str) -> tuple[Any, tuple[Fault, ...]]:
    table, item = _table_type(kind), _item_type(kind)
    if table:
        return check_table(value, table, where)
    if item and isinstance(value, list) and value:
        return _check_items(value, item, where)
    wrong = _unfit(value, kind, where)
    if wrong:
        return None, (wrong,)
    try:
        return msgspec.convert({"value": value}, _holder(kind)).value, ()
    except (msgspec.ValidationError, OverflowError):
        hint = _without_quotes(value, kind)
        return None, (Fault(where, f"`{where}` must be {expected(kind)}, not {shown(value)}", hint),)


def _without_quotes(value: Any, kind: Any) -> str:
    """A hint where a number, `true` or `false` stands in quotes and would be right without them."""
    bare = value.strip().lower() if isinstance(value, str) else ""
    if not _BARE.fullmatch(bare):
        return ""
    try:
        msgspec.json.decode(f'{{"value":{bare}}}', type=_holder(kind))
    except msgspec.DecodeError:
        return ""
    return f"write it without quotes: `{bare}`"


def _check_items(items: list[Any], shape: type[msgspec.Struct], where: str) -> tuple[Any, tuple[Fault, ...]]:
    """A list of tables."""
    checked = [check_table(one, shape, f"{where}.{at}") for at, one in enumerate(items)]
    faults = tuple(fault for one in checked for fault in one.faults)
    absent = tuple(fault for at, one in enumerate(checked) for fault in missing(one, shape, f"{where}.{at}"))
    return [one.values for one in checked], faults + absent


def _unfit(value: Any, kind: Any, where: str) -> Fault | None:
    """What no type tells of a value: numbers that are none, texts that say nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return Fault(where, f"`{where}` is {value}, not a finite number", f"it takes {expected(kind)}")
    control = _CONTROL.search(" ".join(_texts(value)))
    if control:
        return Fault(where, f"`{where}` has a control character ({control[0]!a})", "remove it")
    if _is_blank(value, kind):
        return Fault(where, f"`{where}` is empty", f"it takes {expected(kind)}")
    return None


def _texts(value: Any) -> list[str]:
    """The texts in a value, which may be one or a list of them."""
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _is_blank(value: Any, kind: Any) -> bool:
    """Whether a text that must say something says nothing, alone or in a list."""
    blank = any(not text.strip() for text in _texts(value))
    return blank and any(_must_say(member) for member in _members(kind))


def _must_say(kind: Any) -> bool:
    if isinstance(kind, inspect.ListType):
        return _must_say(kind.item_type)
    return isinstance(kind, inspect.StrType) and bool(kind.min_length)


def missing(table: Checked, shape: type[msgspec.Struct], inside: str) -> tuple[Fault, ...]:
    """A fault for each key that a table must have and neither has nor has wrong."""
    tried = {fault.key for fault in table.faults}
    needed = [field.encode_name for field in msgspec.structs.fields(shape) if field.required]
    absent = [key for key in needed if key not in table.values and f"{inside}.{key}" not in tried]
    if inside in tried:
        return ()
    return tuple(
        Fault(inside, f"`{inside}` has no `{key}`", f"it takes {expected(fields_of(shape)[key])}") for key in absent
    )


def _members(kind: Any) -> list[Any]:
    """The alternatives of a type without None."""
    described = _described(kind)
    options = described.types if isinstance(described, inspect.UnionType) else (described,)
    plain = [option.type if isinstance(option, inspect.Metadata) else option for option in options]
    return [option for option in plain if not isinstance(option, inspect.NoneType)]


@cache
def _holder(kind: Any) -> Any:
    """A struct with one field of this type.

    To convert to a bare type is slower, and may crash msgspec (0.22) where a `Meta(pattern=...)` is in it.
    """
    return msgspec.defstruct("Holder", [("value", kind)])


@cache
def _described(kind: Any) -> Any:
    described = inspect.type_info(kind)
    return described.type if isinstance(described, inspect.Metadata) else described


def _table_type(kind: Any) -> type[msgspec.Struct] | None:
    members = _members(kind)
    only = members[0] if len(members) == 1 else None
    return only.cls if isinstance(only, inspect.StructType) else None


def _item_type(kind: Any) -> type[msgspec.Struct] | None:
    members = _members(kind)
    only = members[0] if len(members) == 1 else None
    if not isinstance(only, inspect.ListType):
        return None
    return only.item_type.cls if isinstance(only.item_type, inspect.StructType) else None


def expected(kind: Any) -> str:
    """What a key takes, in words: `a number from 20 to 300`."""
    return " or ".join(dict.fromkeys(_in_words(member) for member in _members(kind)))


def _in_words(kind: Any) -> str:
    if isinstance(kind, inspect.Metadata):
        return _in_words(kind.type)
    if isinstance(kind, inspect.BoolType):
        return "`true` or `false`"
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return f"a {'whole ' if isinstance(kind, inspect.IntType) else ''}number{_range(kind)}"
    if isinstance(kind, inspect.LiteralType):
        said = [f"`{value}`" for value in _choices(kind) if value]
        return f"one of {', '.join(said)}" if len(said) > 1 else "".join(said)
    if isinstance(kind, inspect.StrType):
        most = f" of at most {kind.max_length} characters" if kind.max_length else ""
        return f"a text{most} that is not empty" if kind.min_length else f"a text{most}"
    if isinstance(kind, inspect.ListType):
        least = f" of at least {kind.min_length}" if kind.min_length else ""
        most = f"{' and' if least else ' of'} at most {kind.max_length}" if kind.max_length else ""
        return f"a list{least}{most}, each {_in_words(kind.item_type)}"
    return "a table"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    low = kind.ge if kind.ge is not None else kind.gt
    high = kind.le if kind.le is not None else kind.lt
    if low is not None and high is not None:
        first = "from" if kind.ge is not None else "above"
        return f" {first} {low:g} to {high:g}" if abs(high) < 10**6 else f" {first} {low} to {high}"
    if low is not None:
        return f" of at least {low:g}" if kind.ge is not None else f" above {low:g}"
    return f" of at most {high:g}" if high is not None else ""


def _choices(kind: inspect.LiteralType) -> list[Any]:
    """The values of a literal, each once (16 and "16" are one), numbers in order."""
    return sorted(
        dict.fromkeys(str(value) for value in kind.values), key=lambda text: (not text.isdigit(), len(text), text)
    )
