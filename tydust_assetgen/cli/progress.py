"""Shows the events of a build: live bars on a terminal, plain lines elsewhere, one JSON object a line with `--json`.

Progress and messages go to stderr, data to stdout.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from tydust_assetgen import events
from tydust_assetgen.cli.terminal import escaped, redacted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Color: TypeAlias = Literal["auto", "always", "never"]


def console(color: Color = "auto", *, stderr: bool = True) -> Console:
    """A console that neither wraps nor highlights by itself, and that nothing from a file can steer."""
    from rich.console import Console
    from rich.text import Text

    class EscapingConsole(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(escaped(text), **options)

    force = {"auto": None, "always": True, "never": None}[color]
    return EscapingConsole(
        stderr=stderr,
        highlight=False,
        soft_wrap=True,
        emoji=False,
        force_terminal=force,
        no_color=color == "never" or None,
    )


def clock(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3:05 min`, `1:40 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    small, unit = (int(seconds), "min") if seconds < 5400 else (int(seconds) // 60, "h")
    return f"{small // 60}:{small % 60:02} {unit}"


class JsonReporter:
    """One event a line on stdout."""

    def __enter__(self) -> JsonReporter:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def __call__(self, event: events.Event) -> None:
        sys.stdout.write(redacted(msgspec.json.encode(event).decode()) + "\n")
        sys.stdout.flush()


class LineReporter:
    """Plain lines on stderr.

    `verbosity`: 0 tells only what a person must know, 1 also what was done, 2 also why.
    """

    def __init__(self, color: Color = "auto", verbosity: int = 1) -> None:
        self.console = console(color)
        self.verbosity = verbosity

    def __enter__(self) -> LineReporter:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.Planned():
                if event.work:
                    self.line(
                        1, f"{count_of(event.work, 'slot')} of {event.slots} to make, about {clock(event.estimate_s)}"
                    )
            case events.Waiting():
                self.line(0, event.message)
            case events.Fetching():
                self.fetching(event)
            case events.Sending():
                self.line(1, f"sending     {count_of(event.waiting, 'record')} to the cache")
            case events.Started():
                self.started(event)
            case events.Progressed():
                self.progressed(event)
            case events.Done():
                self.done(event)
            case events.Failed():
                self.failed(event)
            case events.Blocked():
                self.line(0, f"left alone  {event.slot}: {'; '.join(event.reasons)}", "yellow", event.hint)
            case events.Warned():
                self.line(0, f"warning: {event.message}", "yellow", event.hint)
            case events.Orphaned():
                self.orphaned(event)
            case events.Wrote():
                self.line(2 if event.slot else 1, f"wrote       {event.path}", "green")
            case events.Changed():
                self.line(2, f"changed     {', '.join(event.paths)}", "dim")
            case events.Stopped():
                self.line(1, f"stopped     {event.slot}: an edit made it pointless", "dim")
            case events.Broken():
                self.broken(event)
            case events.Watching():
                self.line(1, "looking twice a second" if event.polling else "watching", "dim", event.polling)
            case events.Ran():
                self.line(2, f"ran         for {event.path} ({clock(event.seconds)})", "dim")
            case events.Summary():
                self.line(1, summary_line(event), "bold red" if event.failed else "bold")

    def line(self, level: int, text: str, style: str = "", hint: str = "") -> None:
        if self.verbosity < level:
            return
        self.console.print(text, style=style or None, markup=False)
        if hint:
            self.console.print(f"  hint: {hint}", style="dim", markup=False)

    def started(self, event: events.Started) -> None:
        if self.verbosity >= 2:
            for reason in event.reasons:
                self.line(2, f"why         {event.slot}: {reason}", "dim")

    def fetching(self, event: events.Fetching) -> None:
        if event.done == event.slots and (event.found or self.verbosity >= 2):
            what = f"{event.found} of {count_of(event.slots, 'slot')} from the cache"
            self.line(1, f"fetched     {what} ({event.received_bytes / 1e6:.1f} MB)")

    def progressed(self, event: events.Progressed) -> None:
        """Plain lines don't show steps."""

    def done(self, event: events.Done) -> None:
        verb = {"restore": "restored", "relock": "relocked"}.get(event.action, "made")
        paths = ", ".join(event.paths) or event.slot
        self.line(1, f"{verb:<11} {paths} ({clock(event.seconds)})", "green")
        for note in event.notes:
            self.line(1, f"  note: {note}", "dim")

    def failed(self, event: events.Failed) -> None:
        place = f"{event.place}: " if event.place else ""
        self.line(0, f"failed      {place}{event.slot}: {event.message}", "red", event.hint)

    def broken(self, event: events.Broken) -> None:
        head = ": ".join(part for part in (event.place, event.slot, event.message) if part)
        self.line(0, f"error: {head}", "red", event.hint)

    def orphaned(self, event: events.Orphaned) -> None:
        if event.removed:
            self.line(1, f"removed     {event.path}")
        elif event.modified:
            self.line(0, f"orphan      {event.path}: no longer asked for, and modified by hand: left alone", "yellow")
        else:
            hint = "`assetgen build --prune` removes it"
            self.line(0, f"orphan      {event.path}: no longer asked for by the manifest", "yellow", hint)


class LiveReporter(LineReporter):
    """Lines, with a bar for each slot under way and one for all."""

    def __init__(self, color: Color = "auto", verbosity: int = 1) -> None:
        super().__init__(color, verbosity)
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

        self._bars: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[stage]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self.console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._total: TaskID | None = None
        self._fetch: TaskID | None = None
        self._ended = 0

    def __enter__(self) -> LiveReporter:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Planned) and event.work:
            self._total = self._bars.add_task("all", total=event.work, stage="")
        super().__call__(event)
        if isinstance(event, events.Done | events.Failed):
            self._forget(event.slot)

    def started(self, event: events.Started) -> None:
        super().started(event)
        self._tasks[event.slot] = self._bars.add_task(event.slot, total=1.0, stage="")

    def fetching(self, event: events.Fetching) -> None:
        if self._fetch is None:
            self._fetch = self._bars.add_task("cache", total=event.slots, stage="")
        self._bars.update(self._fetch, completed=event.done, stage=f"{event.received_bytes / 1e6:.1f} MB")
        if event.done == event.slots:
            self._bars.remove_task(self._fetch)
            self._fetch = None
        super().fetching(event)

    def progressed(self, event: events.Progressed) -> None:
        task = self._tasks.get(event.slot)
        if task is not None:
            self._bars.update(task, completed=event.share, stage=f"{event.stage} {event.note}")
            self._advance()

    def _forget(self, slot: str) -> None:
        task = self._tasks.pop(slot, None)
        if task is not None:
            self._bars.remove_task(task)
        self._ended += 1
        self._advance()

    def _advance(self) -> None:
        """The bar for all counts what has ended and the shares of what is under way."""
        if self._total is None:
            return
        under_way = sum(task.completed for task in self._bars.tasks if task.id in self._tasks.values())
        self._bars.update(self._total, completed=self._ended + under_way)


def summary_line(event: events.Summary) -> str:
    """Everything that happened, in one line."""
    done = [
        f"{count} {word}"
        for count, word in (
            (event.generated, "generated"),
            (event.finished - event.generated, "finished again"),
            (event.encoded - max(event.finished, event.generated), "encoded again"),
            (event.restored, "restored"),
            (event.pruned, "removed"),
            (event.failed, "failed"),
            (event.absent, "not to be had here"),
            (event.blocked, "left alone"),
        )
        if count > 0
    ]
    if not done:
        return nothing_to_do(event.fresh)
    return f"{', '.join(done)}, {event.fresh} fresh, in {clock(event.seconds)}"


def nothing_to_do(slots: int) -> str:
    return f"nothing to do: {count_of(slots, 'slot')} fresh"


def reporter(*, json: bool, color: Color, verbosity: int) -> JsonReporter | LineReporter:
    """The one that fits where the output goes."""
    if json:
        return JsonReporter()
    live = sys.stderr.isatty() and verbosity > 0
    return LiveReporter(color, verbosity) if live else LineReporter(color, verbosity)


def count_of(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
