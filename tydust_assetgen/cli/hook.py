"""Commands for git: `check --staged`, `hook install`, `hook uninstall`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tydust_assetgen.cli.terminal import say
from tydust_assetgen.errors import AssetgenError, UsageError
from tydust_assetgen.git_hook.judge_staged import judge_staged

if TYPE_CHECKING:
    import argparse

    from tydust_assetgen.git_hook.install import Outcome
    from tydust_assetgen.git_hook.verdict import Verdict

_MOST_SHOWN = 50
"""Refusals that are shown: more than that, nobody reads."""


def try_fast_path(words: list[str]) -> int | None:
    """Answer `check --staged`, as git asks it, without loading the whole command line, which takes time.

    Returns:
        The exit code; `None` where the whole command has to look, or something is wrong.
    """
    if words != ["check", "--staged"]:
        return None
    try:
        found = judge_staged(briefly=True)
    except AssetgenError:
        return None
    if found is not None and found.refusals:
        _print_refusals(found)
        return 1
    return 0


def staged(arguments: argparse.Namespace) -> int:
    """`assetgen check --staged`."""
    if not arguments.staged:
        raise UsageError("`--all` goes with `--staged`", hint="without it `assetgen check` looks at all there is")
    found = judge_staged(arguments.folder, arguments.manifest, arguments.slots, everything=arguments.all)
    if arguments.json:
        _print_json(found)
    elif found is not None and found.refusals:
        _print_refusals(found)
    elif arguments.verbose and found is not None:
        say(f"all that is staged is right: {found.right} slots")
    return 1 if found is not None and found.refusals else 0


def _print_json(found: Verdict | None) -> None:
    from tydust_assetgen.cli.output import print_json
    from tydust_assetgen.git_hook.verdict import Verdict

    print_json(found or Verdict())


def _print_refusals(found: Verdict) -> None:
    for refusal in found.refusals[:_MOST_SHOWN]:
        slot = f"{refusal.slot}: " if refusal.slot else ""
        say(f"refused: {slot}{refusal.reason}")
        say(f"  hint: `{' && '.join(refusal.mend)}`")
    more = len(found.refusals) - _MOST_SHOWN
    if more > 0:
        say(f"refused: {more} more; `assetgen check --staged --json` lists them all")
    sys.stderr.write(_count(found))
    if os.path.basename(os.environ.get("GIT_INDEX_FILE", "")).startswith("next-index"):
        say("  hint: you named files to `git commit`: name these, too, or stage all and name none")


def _count(found: Verdict) -> str:
    slots = len({(refusal.manifest, refusal.slot) for refusal in found.refusals if refusal.slot and not refusal.beside})
    files = sum(refusal.beside for refusal in found.refusals)
    if slots:
        return f"{slots} of {slots + found.right} slots are not staged as the manifest and the lock file say\n"
    what = f"{files} of the files beside the music {'is' if files == 1 else 'are'} not staged as the lock file says\n"
    return what if files else ""


def install(arguments: argparse.Namespace) -> int:
    """`assetgen hook install`."""
    from tydust_assetgen.git_hook.install import install as put

    return _print_outcome(put(arguments.folder), arguments)


def uninstall(arguments: argparse.Namespace) -> int:
    """`assetgen hook uninstall`."""
    from tydust_assetgen.git_hook.install import uninstall as take_away

    return _print_outcome(take_away(arguments.folder), arguments)


def _print_outcome(outcome: Outcome, arguments: argparse.Namespace) -> int:
    if arguments.json:
        from tydust_assetgen.cli.output import print_json

        print_json({"hook": str(outcome.hook), "done": outcome.done.name.lower()})
    elif not arguments.quiet:
        say(f"`{outcome.hook}`: {outcome.done.value}")
    return 0
