"""What the hook finds: a `Verdict`, with one `Refusal` for each thing that a person has to fix."""

from __future__ import annotations

import msgspec


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must not be committed like this."""

    manifest: str
    """Relative to the repository, as `path`."""
    slot: str
    """Empty when it is about a file for all slots, such as the catalogue."""
    path: str
    """The file that it is about; empty when it is about the slot as a whole."""
    reason: str
    beside: bool = False
    """It is about a file beside the music: the catalogue, its code, or what an engine is told."""
    mend: tuple[str, ...] = ()
    """Commands, one after the other, as they are typed where `git commit` was."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """On all that is staged."""

    right: int = 0
    """Slots that are as the manifest and the lock file say."""
    refusals: tuple[Refusal, ...] = ()
