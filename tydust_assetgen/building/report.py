"""How to build, and what became of it: what programs hand in and get back."""

from __future__ import annotations

import msgspec

from tydust_assetgen import events


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to build."""

    slots: tuple[str, ...] = ()
    """Only these; all when empty."""
    force: bool = False
    """Make `slots` again, whatever is there."""
    jobs: int = 0
    """Worker processes; 0 for as many as there are cores."""
    prune: bool = False
    """Remove what the manifest no longer asks for."""
    picks: dict[str, int] = {}
    """Takes to pin, by slot; 0 takes the pin back and lets the best take win."""
    wait: bool = True
    """Wait for another build that is at work here."""
    frozen: bool = False
    """Fail, and change nothing, when a generator would have to make anything."""
    offline_ok: bool = False
    """What wants a GPU or a generator that is not here comes from a cache, or is left out and no failure."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one slot."""

    slot: str
    status: str
    """`fresh`, `made`, `restored`, `blocked`, `absent` or `failed`."""
    action: str
    reasons: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    bug: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a build: a summary, and a result for each slot that was asked for."""

    summary: events.Summary
    results: tuple[Result, ...]

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 a track failed, 3 a track failed by our own bug."""
        if any(result.bug for result in self.results):
            return 3
        return 1 if self.summary.failed else 0
