"""Which remotes there are: what the manifest says, unless the environment says something else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tydust_assetgen.errors import UsageError
from tydust_assetgen.manifest import Cache
from tydust_assetgen.remote.address import Address, Objection, read_address

REMOTE, READ_ONLY, SECRET = "ASSETGEN_CACHE_REMOTE", "ASSETGEN_CACHE_READ_ONLY", "ASSETGEN_CACHE_SECRET"
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "": False, "0": False, "false": False, "no": False}
_WORDS["off"] = False


@dataclass(frozen=True)
class Settings:
    """Where to ask, in turn, and how."""

    remotes: tuple[Address, ...]
    read_only: bool
    timeout_s: float
    """Limit of one request."""
    secret: bytes = field(default=b"", repr=False)
    """What records are signed with; empty where they are not."""


def settings_of(cache: Cache, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a build.

    Raises:
        UsageError: a variable of the environment is not right.
    """
    around = os.environ if environment is None else environment
    named = around.get(REMOTE)
    read_only = around.get(READ_ONLY)
    return Settings(
        remotes=cache.remotes if named is None else tuple(map(_address, named.split())),
        read_only=cache.read_only if read_only is None else _yes(read_only),
        timeout_s=cache.timeout_s,
        secret=around.get(SECRET, "").encode(),
    )


def _address(text: str) -> Address:
    found = read_address(text, secrets=True)
    if isinstance(found, Objection):
        raise UsageError(f"`{REMOTE}` is not right: {found.message}", hint=found.hint)
    return found._replace(named_by_user=True)


def _yes(text: str) -> bool:
    answer = _WORDS.get(text.strip().lower())
    if answer is None:
        raise UsageError(f"`{READ_ONLY}` is neither yes nor no", hint=f"such as `{READ_ONLY}=1`")
    return answer
