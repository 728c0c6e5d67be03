"""The commands `models` and `models pull`: which models there are, which are here, and how to get one."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tydust_assetgen.cli.output import print_json
from tydust_assetgen.cli.progress import console
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.generate.musicgen.hub.doctor import size_of
from tydust_assetgen.generate.musicgen.hub.download import Tell
from tydust_assetgen.generate.musicgen.hub.pull import Pulled
from tydust_assetgen.generate.musicgen.spec import checkpoint
from tydust_assetgen.generate.musicgen.spec.models import KNOWN, LICENCE, Source, all_here, find


def listing(arguments: argparse.Namespace) -> int:
    """The known models, those in the hub cache, and the folders that were named."""
    rows = [_row_of(source) for source in _sources(arguments)]
    if arguments.json:
        print_json({"models": rows})
        return 0
    out = console(arguments.color, stderr=False)
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        size = f"{row['size'] / 1e9:.1f} GB" if row["here"] else "not here"
        what = f"{row['family']}, {'stereo' if row['channels'] == 2 else 'mono'}" if row["family"] else ""
        line = f"{row['name']:<{width}}  {what:<15} {size:<9} {row['revision'][:12]:<13} {row['licence']}"
        out.print(line.rstrip(), style=None if row["here"] else "dim", markup=False)
        if row["problem"]:
            out.print(f"  {row['problem']}", style="yellow", markup=False)
    if not any(row["here"] for row in rows) and not arguments.quiet:
        console(arguments.color).print("  hint: `assetgen models pull medium` fetches one", style="dim", markup=False)
    return 0


def _sources(arguments: argparse.Namespace) -> list[Source]:
    """Known names first, in their order, then what else is in the cache, then folders."""
    here = all_here()
    known: list[Source] = []
    for model in KNOWN.values():
        mine = [source for source in here if source.repository == model.repository]
        known += [Source(model.name, model.repository, found.revision, found.folder, LICENCE) for found in mine] or [
            Source(model.name, model.repository, "", None, LICENCE)
        ]
    others = [source for source in here if source.repository not in {model.repository for model in KNOWN.values()}]
    folders = [find(str(Path(folder).expanduser().resolve()), "", Path.cwd()) for folder in arguments.folders]
    return known + others + folders


def _row_of(source: Source) -> dict[str, Any]:
    """What a program wants to know of a model."""
    row: dict[str, Any] = {
        "name": source.name,
        "repository": source.repository,
        "here": source.folder is not None,
        "revision": source.revision,
        "folder": str(source.folder or ""),
        "size": size_of(source.folder) if source.folder else 0,
        "family": source.known.family if source.known else "",
        "channels": source.known.channels if source.known else 0,
        "parameters": source.known.parameters if source.known else 0,
        "licence": source.licence or "unknown",
        "problem": "",
    }
    if source.folder is None:
        return row | ({} if source.repository else {"problem": "there are no MusicGen weights in it"})
    with contextlib.suppress(AssetgenError):
        row["problem"] = checkpoint.refusal(source.folder)
        if not row["problem"]:
            traits = checkpoint.traits(source.folder)
            row |= {"family": traits.family, "channels": traits.channels, "parameters": traits.parameters}
    return row


def pull(arguments: argparse.Namespace) -> int:
    """Fetch a model and what it needs, and say how to pin it."""
    from tydust_assetgen.generate.musicgen.hub.pull import pull as fetch

    with _bars(arguments) as tell:
        pulled = fetch(arguments.name, arguments.revision, tell)
    if arguments.json:
        print_json({"pulled": [_pulled_row(one) for one in pulled]})
        return 0
    out = console(arguments.color, stderr=False)
    for one in pulled:
        out.print(f"{one.repository}  {one.revision}  {one.size / 1e6:.1f} MB, checked", markup=False)
    if pulled[0].weights and not arguments.quiet:
        out.print("to keep to these weights, write into assets.toml:", markup=False)
        out.print(f'\n[defaults.musicgen]\nmodel = "{arguments.name}"\nrevision = "{pulled[0].revision}"', markup=False)
    return 0


def _pulled_row(one: Pulled) -> dict[str, Any]:
    return {"repository": one.repository, "revision": one.revision, "folder": str(one.folder), "size": one.size}


@contextlib.contextmanager
def _bars(arguments: argparse.Namespace) -> Iterator[Tell]:
    """A bar for each file, on stderr; nothing where nobody looks."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    err = console(arguments.color)
    if arguments.quiet or arguments.json or not err.is_terminal:
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, Remaining(compact=True), console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done)

        yield tell
