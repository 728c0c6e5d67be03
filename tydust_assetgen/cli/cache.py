"""Commands about the cache that a team shares: cache status, cache push."""

from __future__ import annotations

import argparse

from tydust_assetgen import events
from tydust_assetgen.cli.output import print_json, project_of, verbosity_of
from tydust_assetgen.cli.progress import LineReporter, console, count_of
from tydust_assetgen.cli.terminal import say
from tydust_assetgen.errors import UsageError
from tydust_assetgen.planning.plan import plan
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project

_PUSH_LIMIT_S = 24 * 3600.0
_NO_CACHE = 'write `remote = "ADDRESS"` under `[cache]`, or set `ASSETGEN_CACHE_REMOTE`'


def status(arguments: argparse.Namespace) -> int:
    """What the store and each remote have of the manifest's slots."""
    from tydust_assetgen.cache.config import settings_of
    from tydust_assetgen.cache.status import overview

    snapshot = observe_project(project_of(arguments), PlanRequest(slots=arguments.slots, thorough=True))
    result = overview(snapshot.project, plan(snapshot), settings_of(snapshot.manifest.cache))
    if arguments.json:
        print_json(result)
        return 1 if any(one.trouble for one in result.remotes) else 0
    out = console(arguments.color, stderr=False)
    size = f"{result.store_bytes / 1e6:.1f} MB"
    out.print(f"store    {result.store_hits} of {result.records} records ({size} in all)", markup=False)
    for one in result.remotes:
        mode = ", read-only" if result.read_only else ""
        signed = ", signed" if result.signed else ""
        found = f"{one.hits} of {result.records} records ({one.content_bytes / 1e6:.1f} MB)"
        out.print(f"remote   {one.address}: {found}{mode}{signed}", markup=False)
        if one.trouble:
            out.print(f"         warning: {one.trouble}", style="yellow", markup=False)
    if not result.remotes:
        out.print(f"no cache is shared; {_NO_CACHE}", markup=False)
    return 1 if any(one.trouble for one in result.remotes) else 0


def push(arguments: argparse.Namespace) -> int:
    """Send what the store has of the manifest's slots."""
    from tydust_assetgen.cache.config import settings_of
    from tydust_assetgen.cache.session import CacheSession

    snapshot = observe_project(project_of(arguments), PlanRequest(slots=arguments.slots, thorough=True))
    settings = settings_of(snapshot.manifest.cache)
    if not settings.remotes:
        raise UsageError("there is no cache to send to", hint=_NO_CACHE)
    if settings.read_only:
        raise UsageError("the cache is read-only", hint="`read_only` or `ASSETGEN_CACHE_READ_ONLY` says so")
    session = CacheSession(snapshot.project, settings, _reporter(arguments))
    for step in plan(snapshot).steps:
        session.upload(step)
    sent = session.finish(_PUSH_LIMIT_S)
    if arguments.json:
        from tydust_assetgen.cli.json_schema import PushResult

        print_json(PushResult(**sent._asdict()))
    elif not arguments.quiet:
        left = f", {sent.left} not sent" if sent.left else ""
        say(f"sent {count_of(sent.sent, 'record')}, {sent.there} were there{left}")
    return 1 if sent.left else 0


def _reporter(arguments: argparse.Namespace) -> events.Emit:
    return LineReporter(arguments.color, 0 if arguments.json else verbosity_of(arguments))
