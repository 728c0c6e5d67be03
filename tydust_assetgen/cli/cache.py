"""Commands about the cache that a team shares: cache status, cache push."""

from __future__ import annotations

import argparse
import sys

from tydust_assetgen import events
from tydust_assetgen.cli.progress import LineReporter, console, count_of
from tydust_assetgen.cli.query import print_json, project_of, verbosity_of
from tydust_assetgen.errors import UsageError
from tydust_assetgen.planning.survey import survey

_PUSH_LIMIT_S = 24 * 3600.0
_NO_CACHE = 'write `remote = "ADDRESS"` under `[cache]`, or set `ASSETGEN_CACHE_REMOTE`'


def status(arguments: argparse.Namespace) -> int:
    """What the store and each remote have of the manifest's slots."""
    from tydust_assetgen.cache.config import settings_of
    from tydust_assetgen.cache.status import overview

    seen = survey(project_of(arguments), slots=arguments.slots, thorough=True)
    paper = overview(seen, settings_of(seen.manifest.cache))
    if arguments.json:
        print_json(paper)
        return 1 if any(one.trouble for one in paper.remotes) else 0
    out = console(arguments.color, stderr=False)
    size = f"{paper.store_bytes / 1e6:.1f} MB"
    out.print(f"store    {paper.store_hits} of {paper.records} records ({size} in all)", markup=False)
    for one in paper.remotes:
        mode = ", read-only" if paper.read_only else ""
        signed = ", signed" if paper.signed else ""
        found = f"{one.hits} of {paper.records} records ({one.content_bytes / 1e6:.1f} MB)"
        out.print(f"remote   {one.address}: {found}{mode}{signed}", markup=False)
        if one.trouble:
            out.print(f"         warning: {one.trouble}", style="yellow", markup=False)
    if not paper.remotes:
        out.print(f"no cache is shared; {_NO_CACHE}", markup=False)
    return 1 if any(one.trouble for one in paper.remotes) else 0


def push(arguments: argparse.Namespace) -> int:
    """Send what the store has of the manifest's slots."""
    from tydust_assetgen.cache.config import settings_of
    from tydust_assetgen.cache.session import CacheSession

    seen = survey(project_of(arguments), slots=arguments.slots, thorough=True)
    settings = settings_of(seen.manifest.cache)
    if not settings.remotes:
        raise UsageError("there is no cache to send to", hint=_NO_CACHE)
    if settings.read_only:
        raise UsageError("the cache is read-only", hint="`read_only` or `ASSETGEN_CACHE_READ_ONLY` says so")
    session = CacheSession(seen.project, settings, _teller(arguments))
    for step in seen.plan.steps:
        session.upload(step)
    sent = session.finish(_PUSH_LIMIT_S)
    if arguments.json:
        from tydust_assetgen.cli.json_types import PushPaper

        print_json(PushPaper(**sent._asdict()))
    elif not arguments.quiet:
        left = f", {sent.left} not sent" if sent.left else ""
        sys.stderr.write(f"sent {count_of(sent.sent, 'record')}, {sent.there} were there{left}\n")
    return 1 if sent.left else 0


def _teller(arguments: argparse.Namespace) -> events.Emit:
    return LineReporter(arguments.color, 0 if arguments.json else verbosity_of(arguments))
