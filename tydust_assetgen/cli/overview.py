"""What `assetgen` says by itself: where the project stands and what to do next; and `assetgen help`."""

from __future__ import annotations

import argparse
import sys

from tydust_assetgen.cli.output import project_of
from tydust_assetgen.cli.progress import console, count_of
from tydust_assetgen.planning.plan import Plan, plan
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project

_WITHOUT = (
    ("assetgen init", "writes a first `assets.toml`, with comments"),
    ("assetgen build", "makes the music that stands in it"),
    ("assetgen help", "lists all commands"),
)


def overview(arguments: argparse.Namespace) -> int:
    """No command was named."""
    out = console(arguments.color, stderr=False)
    project = project_of(arguments)
    if not project.manifest.is_file():
        out.print(f"there is no `{arguments.manifest}` here, so no music yet", markup=False)
        steps: tuple[tuple[str, str], ...] = _WITHOUT
    else:
        todo = plan(observe_project(project, PlanRequest()))
        out.print(_state(todo), style="bold", markup=False)
        steps = _next_steps(todo)
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        out.print(f"  {command:<{width}}  {what}", markup=False)
    return 0


def _state(todo: Plan) -> str:
    slots = todo.fresh + sum(step.action != "fresh" for step in todo.steps)
    parts = [f"{todo.fresh} of {count_of(slots, 'slot')} fresh"]
    blocked = sum(step.action == "blocked" for step in todo.steps)
    parts += [f"{len(todo.work)} to be made or written"] if todo.work else []
    parts += [f"{blocked} changed by hand"] if blocked else []
    parts += [f"{count_of(len(todo.orphans), 'file')} no longer asked for"] if todo.orphans else []
    return ", ".join(parts)


def _next_steps(todo: Plan) -> tuple[tuple[str, str], ...]:
    """The three most likely ones."""
    if todo.work:
        build = ("assetgen build", "makes what is missing or stale, and nothing else")
        return (build, ("assetgen status", "says why, slot by slot"), ("assetgen help", "lists all commands"))
    watch = ("assetgen watch", "builds again whenever you save `assets.toml`")
    verify = ("assetgen verify", "decodes and measures what is there")
    return (watch, verify, ("assetgen help", "lists all commands"))


def help_of(arguments: argparse.Namespace) -> int:
    """`assetgen help`, and `assetgen help COMMAND`."""
    top = arguments.top
    if arguments.about in (None, "help"):
        sys.stdout.write(top.format_help())
        return 0
    return int(arguments.top.parse_args([arguments.about, "--help"]) is None)
