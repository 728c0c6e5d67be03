"""The command `watch`, and what a person sees of it: lines for what was done, below them every slot as it stands."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tydust_assetgen import events
from tydust_assetgen.cli.output import project_of, verbosity_of
from tydust_assetgen.cli.progress import Color, JsonReporter, LineReporter, clock, count_of, reporter

if TYPE_CHECKING:
    from rich.console import Group

_ORDER = ("working", "failed", "stopped", "blocked", "absent", "made", "restored", "fresh")
"""What matters most stands first."""
_STYLES = {"working": "yellow", "failed": "red", "stopped": "dim", "blocked": "magenta", "absent": "magenta"}
_WORDS = {"blocked": "by hand", "absent": "not here", "made": "new", "restored": "new"}
_BAR_CELLS = 20
_OFTEN_S = 0.1
"""The table of slots is drawn at most so often, and never when nothing happens."""


def watch(arguments: argparse.Namespace) -> int:
    """Ends by Ctrl-C, which is how a watch ends well: 0."""
    from tydust_assetgen.building.report import Options
    from tydust_assetgen.watching import watch as watch_project
    from tydust_assetgen.watching.exec_hook import command_of

    command = command_of(arguments.exec) if arguments.exec is not None else ()
    project, options = project_of(arguments), Options(slots=tuple(arguments.slots), jobs=arguments.jobs)
    with _reporter(arguments) as tell:
        try:
            watch_project(project, options, tell, poll=arguments.poll, command=command)
        except KeyboardInterrupt:
            return 0
    return 0


def _reporter(arguments: argparse.Namespace) -> JsonReporter | LineReporter:
    verbosity = verbosity_of(arguments)
    if arguments.json or verbosity == 0 or not sys.stderr.isatty():
        return reporter(json=arguments.json, color=arguments.color, verbosity=verbosity)
    return Board(arguments.color, verbosity)


class Board(LineReporter):
    """Lines, and below them a picture of every slot; of many, those that matter."""

    def __init__(self, color: Color = "auto", verbosity: int = 1) -> None:
        super().__init__(color, verbosity)
        from rich.live import Live

        self.slots: dict[str, str] = {}
        """The status of each slot."""
        self.notes: dict[str, str] = {}
        """What else there is to say of a slot."""
        self._shares: dict[str, float] = {}
        self._headline = "starting"
        self._broken = False
        self._drawn_s = 0.0
        self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Board:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, event: events.Event) -> None:
        again = isinstance(event, events.Blocked) and self.notes.get(event.slot) == "; ".join(event.reasons)
        self._note(event)
        if not again:  # it was printed before, and stands in the table
            super().__call__(event)
        often = isinstance(event, events.Progressed) and time.monotonic() - self._drawn_s < _OFTEN_S
        if not often:
            self.draw()

    def _note(self, event: events.Event) -> None:
        match event:
            case events.Started():
                self._set(event.slot, "working", event.action)
            case events.Progressed() if event.slot in self.slots:
                self._shares[event.slot] = event.share
                self.notes[event.slot] = f"{event.stage} {event.note}".strip()
            case events.Done():
                self._set(event.slot, "made", clock(event.seconds))
            case events.Failed():
                self._set(event.slot, "failed", event.message)
            case events.Blocked():
                self._set(event.slot, "blocked", "; ".join(event.reasons))
            case events.Stopped():
                self._set(event.slot, "stopped", "an edit made it pointless")
            case _:
                self._note_whole(event)

    def _note_whole(self, event: events.Event) -> None:
        """What is of no single slot."""
        match event:
            case events.Changed():
                self._headline, self._broken = f"changed: {', '.join(event.paths[:3])}", False
            case events.Planned() if event.work:
                self._headline = f"{count_of(event.work, 'slot')} to make"
            case events.Broken():
                self._headline, self._broken = "broken: the last good plan holds; correct it, and it goes on", True
            case events.Idle():
                self._headline = self._headline if self._broken else "watching; Ctrl-C ends it"
                self.slots = dict(event.slots)
                old = [slot for slot in self.notes if self.slots.get(slot, "fresh") == "fresh"]
                self.notes = {slot: note for slot, note in self.notes.items() if slot not in old}

    def _set(self, slot: str, status: str, note: str) -> None:
        self.slots[slot], self.notes[slot] = status, note
        self._shares.pop(slot, None)

    def draw(self) -> None:
        """Bring the picture up to date."""
        self._drawn_s = time.monotonic()
        self._live.update(self.picture(max(3, self.console.size.height - 4)), refresh=True)

    def picture(self, rows: int) -> Group:
        """Every slot, or as many as there are `rows` for."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        ordered = sorted(self.slots, key=lambda slot: _ORDER.index(self.slots[slot]))
        shown = ordered if len(ordered) <= rows else ordered[: rows - 1]
        for slot in shown:
            status = self.slots[slot]
            style = _STYLES.get(status, "green" if status in _WORDS else "dim")
            table.add_row(Text(slot), Text(_WORDS.get(status, status), style=style), Text(self._detail(slot)))
        if left := ordered[len(shown) :]:
            table.add_row(Text(f"… and {len(left)} more", style="dim"), Text(_counts(self.slots[s] for s in left)), "")
        return Group(table, Text(self._headline, style="bold"))

    def _detail(self, slot: str) -> str:
        note = self.notes.get(slot, "")
        if self.slots[slot] != "working":
            return note
        share = self._shares.get(slot, 0.0)
        full = round(share * _BAR_CELLS)
        return f"{'━' * full}{'╌' * (_BAR_CELLS - full)} {100 * share:3.0f} %  {note}"


def _counts(statuses: Iterable[str]) -> str:
    listed = [_WORDS.get(status, status) for status in statuses]
    return ", ".join(f"{listed.count(word)} {word}" for word in dict.fromkeys(listed))
