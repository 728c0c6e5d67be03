"""Decodes many tracks at once: when a track's window ends, its next window or another track takes the free row.

Each row has its own length, text, random numbers and sampling, and its own position; no row depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from tydust_assetgen.generate.musicgen.decoder.engine import Engine
from tydust_assetgen.generate.musicgen.decoder.requests import Track, WindowRequest


@dataclass
class _ActiveRow:
    """A row at work."""

    track: Track
    window: WindowRequest
    read: int
    """Columns that the transformer has read, conditions included."""
    left: int
    """Columns that it has still to read."""
    steps: int = 0

    def report(self) -> None:
        self.steps += 1
        self.track.report(self.steps, self.steps + self.left)


class BatchScheduler:
    """Decodes tracks on an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._active: list[_ActiveRow] = []

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def run(self, tracks: Iterable[Track]) -> Iterator[Track]:
        """Decode all tracks to their ends, as many at once as the engine has rows.

        Yields:
            Each track when it has ended.
        """
        waiting = iter(tracks)
        yield from self._fill_rows(waiting)
        while self._active:
            self._step()
            yield from self._finish_rows()
            yield from self._fill_rows(waiting)

    def _fill_rows(self, waiting: Iterator[Track]) -> Iterator[Track]:
        """Assign free rows; a track that has nothing to draw for ends at once."""
        while len(self._active) < self._engine.rows and (track := next(waiting, None)) is not None:
            if not self._start_window(track, len(self._active)):
                yield track

    def _start_window(self, track: Track, row: int) -> bool:
        """Begin the next window of a track in a row. False at its end."""
        while (window := track.next_window()) is not None:
            active = _ActiveRow(track, window, *self._engine.begin(row, window, track))
            active.report()
            if active.left:
                self._active[row:] = [active, *self._active[row + 1 :]]
                return True
            track.finish_window(self._engine.codes(row, window.length))
        return False

    def _step(self) -> None:
        """One column further in every row."""
        self._engine.step(len(self._active), max(row.read for row in self._active) + 1)
        for row in self._active:
            row.read, row.left = row.read + 1, row.left - 1
            row.report()

    def _finish_rows(self) -> Iterator[Track]:
        """Rows whose window has ended go on with the next one, or become free."""
        for index in range(len(self._active) - 1, -1, -1):
            row = self._active[index]
            if not row.left:
                row.track.finish_window(self._engine.codes(index, row.window.length))
                if not self._start_window(row.track, index):
                    self._release(index)
                    yield row.track

    def _release(self, index: int) -> None:
        """The last row moves to the free place, so that rows at work stay side by side."""
        last = self._active.pop()
        if index < len(self._active):
            self._engine.move_row(len(self._active), index, last.read)
            self._active[index] = last
        self._engine.release(len(self._active))
