"""Many tracks at once. In walk tracks, each a row of windows, out walk their codes; no row hears its neighbours.

A row has its own length, words, dice and sampling, and its own place in time. When one ends, the next window of its
track or another track takes its place at once, while the others play on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from tydust_assetgen.generate.musicgen.decoder.engine import Engine
from tydust_assetgen.generate.musicgen.decoder.requests import Stretch, Track


@dataclass
class _Seat:
    """A row at work."""

    track: Track
    stretch: Stretch
    read: int
    """Columns that the network has read, conditions included."""
    left: int
    """Columns that it has still to read."""
    steps: int = 0

    def tell(self) -> None:
        self.steps += 1
        self.track.tell(self.steps, self.steps + self.left)


class Band:
    """Plays tracks on an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seats: list[_Seat] = []

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def play(self, tracks: Iterable[Track]) -> Iterator[Track]:
        """Play all tracks to their ends, as many at once as the engine has rows.

        Yields:
            Each track when it has ended.
        """
        waiting = iter(tracks)
        yield from self._fill(waiting)
        while self._seats:
            self._step()
            yield from self._rise()
            yield from self._fill(waiting)

    def _fill(self, waiting: Iterator[Track]) -> Iterator[Track]:
        """Free rows are taken; a track that has nothing to draw for ends at once."""
        while len(self._seats) < self._engine.rows and (track := next(waiting, None)) is not None:
            if not self._sit(track, len(self._seats)):
                yield track

    def _sit(self, track: Track, row: int) -> bool:
        """Begin the next window of a track in a row. False at its end."""
        while (stretch := track.begin()) is not None:
            seat = _Seat(track, stretch, *self._engine.begin(row, stretch, track))
            seat.tell()
            if seat.left:
                self._seats[row:] = [seat, *self._seats[row + 1 :]]
                return True
            track.end(self._engine.played(row, stretch.length))
        return False

    def _step(self) -> None:
        """One column further in every row."""
        self._engine.step(len(self._seats), max(seat.read for seat in self._seats) + 1)
        for seat in self._seats:
            seat.read, seat.left = seat.read + 1, seat.left - 1
            seat.tell()

    def _rise(self) -> Iterator[Track]:
        """Rows that have ended make room."""
        for row in range(len(self._seats) - 1, -1, -1):
            seat = self._seats[row]
            if not seat.left:
                seat.track.end(self._engine.played(row, seat.stretch.length))
                if not self._sit(seat.track, row):
                    self._leave(row)
                    yield seat.track

    def _leave(self, row: int) -> None:
        last = self._seats.pop()
        if row < len(self._seats):
            self._engine.move(len(self._seats), row, last.read)
            self._seats[row] = last
        self._engine.leave(len(self._seats))
