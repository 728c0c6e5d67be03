"""Names of slots in code: for each slot an identifier that every language takes and no other slot has.

A slot's name depends on no other slot, unless two come out alike: then each gets its extension, or a piece of its
digest. So a name stays when other slots come and go.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_RESERVED = frozenset({"none", "self", "pi", "tau", "inf", "nan", "all", "count", "track", "tracks", "mro"})
"""Words that some language keeps for itself in every case that is used here, and our own."""


def names_of(slots: Iterable[str]) -> dict[str, str]:
    """Lower case with `_`, by slot: `music/Phase 1.ogg` is `phase_1`. No two are alike without `_` and case."""
    wanted = {slot: _plain(slot.rpartition(".")[0]) for slot in slots}
    for more in (_extension, _digest):
        crowded = _crowded(wanted.values())
        wanted = {slot: more(slot, name) if _folded(name) in crowded else name for slot, name in wanted.items()}
    return wanted


def _plain(stem: str) -> str:
    """The first folder `music/` says nothing, and goes."""
    text = unicodedata.normalize("NFKD", stem.removeprefix("music/")).encode("ascii", "ignore").decode()
    name = "_".join(re.findall(r"[a-z0-9]+", text.lower())) or "track_"
    name = name if name[0].isalpha() else f"track_{name}"
    return f"{name}_" if name in _RESERVED else name


def _crowded(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(map(_folded, names)).items() if count > 1}


def _folded(name: str) -> str:
    return name.replace("_", "")


def _extension(slot: str, name: str) -> str:
    return f"{name.rstrip('_')}_{slot.rpartition('.')[2].lower()}"


def _digest(slot: str, name: str) -> str:
    return f"{name}_x{hashlib.sha256(slot.encode()).hexdigest()[:8]}"


def upper(name: str) -> str:
    return name.upper()


def pascal(name: str) -> str:
    """`phase_1_calm` is `Phase1Calm`."""
    return "".join(word.capitalize() for word in name.split("_")) + ("_" if name.endswith("_") else "")
