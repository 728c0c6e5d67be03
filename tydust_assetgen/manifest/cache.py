"""The `[cache]` table. In walks the raw table, out walks a `Cache`, with its addresses taken apart.

A manifest is read by everyone who has the game's sources: an address with a password in it is refused, and not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tydust_assetgen.manifest.check import Fault, check_table
from tydust_assetgen.manifest.tables import CacheTable

if TYPE_CHECKING:
    from tydust_assetgen.remote.address import Address

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
