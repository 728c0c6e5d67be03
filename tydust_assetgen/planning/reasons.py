"""Why a slot is stale: typed reasons, down to the field with its old and its new value."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from tydust_assetgen.flow import Brief, Output, Recipe, Scalar
from tydust_assetgen.project.keys import Versions
from tydust_assetgen.project.lockfile import LockEntry

Kind: TypeAlias = Literal[
    "never built",
    "recipe changed",
    "output missing",
    "output damaged",
    "older build",
    "lock entry lost",
    "generator upgraded",
    "finishing upgraded",
    "encoder upgraded",
    "scoring upgraded",
    "modified by hand",
    "in the way",
    "hand-made",
    "hand-made and missing",
    "unreadable",
    "not fetched",
    "forced",
]
_LONGEST_VALUE = 60
_DIGITS = 12
"""Of a digest that a person may compare with another."""
_CONTEXT = 2
"""Unchanged words shown on each side of a change in a long text."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. `field`, `old` and `new` are filled where something changed."""

    kind: Kind
    path: str = ""
    field: str = ""
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "recipe changed":
                return f"{self.field}: {self.old} -> {self.new}"
            case "generator upgraded" | "finishing upgraded" | "encoder upgraded" | "scoring upgraded":
                return f"{self.kind}: {self.old} -> {self.new}"
            case "output damaged":
                return f"`{self.path}` is damaged: {self.new}"
            case _:
                return _SENTENCES[self.kind].format(path=self.path)


_SENTENCES: dict[str, str] = {
    "never built": "`{path}` was never built",
    "output missing": "`{path}` is missing",
    "older build": "`{path}` is an older build of ours",
    "lock entry lost": "the lock file does not know `{path}`, but the store does",
    "modified by hand": "`{path}` was modified by hand",
    "in the way": "`{path}` is a file that assetgen did not make",
    "hand-made": "`{path}` is hand-made, and its recipe has changed since",
    "hand-made and missing": "`{path}` is hand-made, and missing",
    "unreadable": "`{path}` can't be read",
    "not fetched": "`{path}` is only a pointer of Git LFS, which has not fetched the file yet",
    "forced": "asked for by `--force`",
}


class Wanted(NamedTuple):
    """What is asked of one output."""

    recipe: Recipe
    output: Output
    versions: Versions
    key_parameters: dict[str, Scalar]


def changes(entry: LockEntry | None, wanted: Wanted, old_output: Output) -> tuple[Reason, ...]:
    """What differs between what was built and what is asked: every field, then the versions."""
    if entry is None:
        return ()
    recipe, new_output, versions, more = wanted
    same_maker = entry.brief.generator == recipe.brief.generator
    fields = [
        *_differences("", {"title": entry.title, "game": entry.game}, {"title": recipe.title, "game": recipe.game}),
        *_differences("", _in_words(entry.brief), _in_words(recipe.brief)),
        *_differences("", msgspec.to_builtins(entry.finish), msgspec.to_builtins(recipe.finish)),
        *_differences(f"{new_output.codec}.", msgspec.to_builtins(old_output), msgspec.to_builtins(new_output)),
        *(_differences("", entry.key_parameters, more) if same_maker else ()),
    ]
    upgrades = _upgrades(entry.versions, versions) if same_maker else ()
    return (*dict.fromkeys(fields), *upgrades) or (Reason(kind="older build", path=new_output.path),)


def _upgrades(old: Versions, new: Versions) -> tuple[Reason, ...]:
    named: tuple[tuple[Kind, str, str], ...] = (
        ("generator upgraded", old.generator, new.generator),
        ("finishing upgraded", old.finish, new.finish),
        ("encoder upgraded", old.codec, new.codec),
        *((("scoring upgraded", old.scoring, new.scoring),) if old.scoring and new.scoring else ()),
    )
    return tuple(Reason(kind=kind, old=before, new=after) for kind, before, after in named if before != after)


def _in_words(brief: Brief) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(brief)
    heard = {one.path: one.digest[:_DIGITS] for one in brief.references}
    return {**plain, "references": heard, "pick": plain["pick"] or "the best"}


def _differences(prefix: str, old: object, new: object) -> list[Reason]:
    """Walk two plain values side by side and name each place where they part."""
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        names = [*old, *(name for name in new if name not in old)]
        pairs = [(name, old.get(name), new.get(name)) for name in names]
        return [found for name, a, b in pairs for found in _differences(f"{prefix}{name}.", a, b)]
    if isinstance(old, list | tuple) and isinstance(new, list | tuple) and len(old) == len(new):
        pairs = [(str(index + 1), a, b) for index, (a, b) in enumerate(zip(old, new, strict=True))]
        return [found for name, a, b in pairs for found in _differences(f"{prefix}{name}.", a, b)]
    old, new = _around_the_change(old, new)
    return [Reason(kind="recipe changed", field=prefix.rstrip("."), old=_short(old), new=_short(new))]


def _around_the_change(old: object, new: object) -> tuple[object, object]:
    """Two long texts without the words at their beginning and end that did not change."""
    if not (isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _LONGEST_VALUE):
        return old, new
    before, after = old.split(" "), new.split(" ")
    same_at = [a == b for a, b in zip(before, after, strict=False)]
    head = same_at.index(False) if False in same_at else len(same_at)
    ends = [a == b for a, b in zip(reversed(before[head:]), reversed(after[head:]), strict=False)]
    tail = ends.index(False) if False in ends else len(ends)
    first, last = max(head - _CONTEXT, 0), max(tail - _CONTEXT, 0)
    return _excerpt(before, first, last), _excerpt(after, first, last)


def _excerpt(words: list[str], first: int, last: int) -> str:
    kept = words[first : len(words) - last]
    return " ".join([*(["…"] if first else []), *kept, *(["…"] if last else [])])


def _short(value: object) -> str:
    """A value in a line: texts in quotes, long ones cut in the middle."""
    if value is None or value in ("", [], ()):
        return "nothing"
    if isinstance(value, float):
        return f"{value:g}"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_VALUE else f"{text[:36]} … {text[-20:]}"
