"""What several commands share: JSON on stdout, progress bars, tables of checks, and the options that all have."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tydust_assetgen.cli.progress import Color, console
from tydust_assetgen.project.project import MANIFEST_NAME, Project

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from tydust_assetgen.building.messages import InspectedFile
    from tydust_assetgen.operations.verify import SlotReport

_MARKS = {"pass": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


def project_of(arguments: argparse.Namespace) -> Project:
    """The project that `-C` and `--manifest` name. Where no manifest is named, and none is here, it is the one of the
    nearest folder above that has one, as with git."""
    here = Project.at(arguments.folder, arguments.manifest)
    if arguments.manifest != MANIFEST_NAME or here.manifest.exists():
        return here
    above = (folder for folder in here.root.parents if (folder / MANIFEST_NAME).is_file())
    return Project.at(next(above, here.root))


def verbosity_of(arguments: argparse.Namespace) -> int:
    """0 with `--quiet`, 2 with `--verbose`, else 1."""
    return 0 if arguments.quiet else 2 if arguments.verbose else 1


def print_json(result: Any) -> None:
    """Print one JSON object, indented, on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")


@contextlib.contextmanager
def with_bar(title: str, total: int, color: Color, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr while the block runs; yields what to call for each step done."""
    from rich.progress import Progress

    err = console(color)
    if quiet or not err.is_terminal:
        yield lambda: None
        return
    with Progress(console=err, transient=True) as bars:
        task = bars.add_task(title, total=total)
        yield lambda: bars.advance(task)


def print_reports(reports: list[SlotReport], out: Console, *, verbose: bool, quiet: bool = False) -> None:
    """A table for each file, `quiet`: for each that failed: every check with what was measured and what was wanted."""
    files = [file for report in reports for file in report.files]
    bad = [file for file in files if any(check.status == "fail" for check in file.checks)]
    for file in bad if quiet else files:
        _print_file(file, out, verbose=verbose)
    if bad or not quiet:
        out.print(f"{len(files) - len(bad)} of {len(files)} files verified" + (f", {len(bad)} failed" if bad else ""))


def _print_file(file: InspectedFile, out: Console, *, verbose: bool) -> None:
    from rich.table import Table

    table = Table(title=file.path, title_justify="left", box=None, padding=(0, 2, 0, 0), title_style="bold")
    for heading in ("", "check", "measured", "wanted"):
        table.add_column(heading)
    for check in file.checks:
        mark, style = _MARKS[check.status]
        table.add_row(mark, check.name, check.measured, check.wanted, style=style if mark != "ok" else None)
    out.print(table)
    for check in file.checks:
        if check.reason and (verbose or check.status != "pass"):
            out.print(f"  {check.name}: {check.reason}", style=_MARKS[check.status][1], markup=False)
    out.print()
