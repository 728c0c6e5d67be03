"""Commands about the takes of a slot: takes, pick."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen.cli.output import print_json, project_of, verbosity_of
from tydust_assetgen.cli.progress import console, reporter
from tydust_assetgen.cli.terminal import say

if TYPE_CHECKING:
    from rich.table import Table

    from tydust_assetgen.operations.takes import KnownTake, KnownTakes


_WIDE = 200
"""A table wider than the terminal is wrapped by it, and not cut."""


def takes(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.operations.takes import export, takes_of

    project = project_of(arguments)
    known = takes_of(project, arguments.slot)
    places = export(project, arguments.slot, Path(arguments.export)) if arguments.export else ()
    if arguments.json:
        print_json({"slot": known.slot, "published": known.published, "takes": known.takes})
        return 0
    out = console(arguments.color, stderr=False)
    out.print(_table(known), width=_WIDE, crop=False)
    for take in known.takes:
        if why := _fault(take):
            out.print(f"  take {take.number}: {why}", style="yellow", markup=False)
        if arguments.verbose and take.scores:
            heard = ", ".join(f"{mark.name} {mark.measured}" for mark in take.scores.marks)
            out.print(f"  take {take.number}: {heard}", style="dim", markup=False)
    for hint in _hints(known):
        out.print(f"  hint: {hint}", style="dim", markup=False)
    for place in places:
        say(f"wrote {place}")
    return 0


def _table(known: KnownTakes) -> Table:
    from rich.table import Table

    names = list(dict.fromkeys(mark.name for take in known.takes if take.scores for mark in take.scores.marks))
    table = Table(title=known.slot, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("take", justify="right")
    table.add_column("seed", justify="right")
    for name in ("total", *names):
        table.add_column(name, justify="right")
    table.add_column("")
    for take in known.takes:
        marks = {mark.name: mark.score for mark in take.scores.marks} if take.scores else {}
        total = f"{take.scores.total:.2f}" if take.scores else "-"
        cells = [f"{marks[name]:.2f}" if name in marks else "-" for name in names]
        style = "bold green" if take.number == known.published else None
        table.add_row(str(take.number), str(take.seed), total, *cells, _words(take), style=style)
    return table


def _words(take: KnownTake) -> str:
    said = ("picked" if take.picked else "", "best" if take.best else "", "faulty" if _fault(take) else "")
    return ", ".join(filter(None, (*said, "" if take.here else "not in the store")))


def _fault(take: KnownTake) -> str:
    return take.trouble or (take.scores.fault if take.scores else "")


def _hints(known: KnownTakes) -> list[str]:
    if len(known.takes) == 1:
        return ["`takes = 4` in the manifest makes four to choose from"]
    if not any(take.scores or take.trouble for take in known.takes):
        force = "--force " if known.published else ""
        return [f"they were not judged here; `assetgen build {force}{known.slot}` makes and judges them all"]
    return [f"`assetgen takes {known.slot} --export DIR` writes them out to listen to"]


def pick(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.operations.takes import pick as pick_take

    with reporter(json=arguments.json, color=arguments.color, verbosity=verbosity_of(arguments)) as tell:
        return pick_take(project_of(arguments), arguments.slot, arguments.take, tell).exit_code
