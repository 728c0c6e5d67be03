"""Many tracks at once. In walk tracks, each a row of windows, out walk their codes; no row hears its neighbours.

A row has its own length, words, dice and sampling, and its own place in time. When one ends, the next window of its
track or another track takes its place at once, while the others play on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from tydust_assetgen.generate.musicgen.decoder.network import Network
from tydust_assetgen.generate.musicgen.decoder.sampling import Sampling, drawn


@dataclass(frozen=True)
class Stretch:
    """One window of a track."""

    prompt: torch.Tensor  # [K, P], codes that are heard first
    length: int
    """Frames, prompt included."""
    heard: torch.Tensor  # [L, dim], see `Network.begin`
    unheard: torch.Tensor


class Track(Protocol):
    """Plays windows one after the other, each knowing the codes of those before it."""

    @property
    def sampling(self) -> Sampling: ...

    @property
    def dice(self) -> torch.Generator: ...

    def begin(self) -> Stretch | None:
        """Its next window, or `None` at its end."""

    def end(self, codes: torch.Tensor) -> None:
        """The codes `[K, length]` of the window that was begun last."""

    @property
    def tell(self) -> Callable[[int, int], None]:
        """Called with how many steps of its window are done, and how many there are."""


@dataclass
class _Seat:
    """A row at work."""

    track: Track
    stretch: Stretch
    sequence: torch.Tensor  # [K, S], -1 where a token is still to be drawn
    before: int
    """Columns of conditions that stand before the codes."""
    first: int
    """The first column that was drawn."""
    read: int = field(default=0)
    """Columns of the sequence that the network has read."""

    @property
    def done(self) -> bool:
        return self.read + 1 == int(self.sequence.shape[1])


class Band:
    """Plays tracks on a network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._seats: list[_Seat] = []

    def play(self, tracks: Sequence[Track]) -> None:
        """Play all tracks to their ends, as many at once as the network has rows."""
        waiting = iter(tracks)
        with torch.inference_mode():
            while self._fill(waiting):
                self._step()
                self._rise()

    def _fill(self, waiting: Iterator[Track]) -> bool:
        while len(self._seats) < self._network.rows and (track := next(waiting, None)) is not None:
            self._sit(track, len(self._seats))
        return bool(self._seats)

    def _sit(self, track: Track, row: int) -> bool:
        """Begin the next window of a track in a row. False at its end."""
        while (stretch := track.begin()) is not None:
            seat = self._seated(track, stretch, row)
            self._seats[row:] = [seat, *self._seats[row + 1 :]]
            if not seat.done:
                return True
            track.end(self._codes(seat))
        return False

    def _seated(self, track: Track, stretch: Stretch, row: int) -> _Seat:
        shape = self._network.shape
        sequence = delayed(stretch.prompt, stretch.length, shape.delays, shape.card)
        first = stretch.prompt.shape[1] + 1
        logits = self._network.begin(row, sequence[:, :first], stretch.heard, stretch.unheard)
        seat = _Seat(track, stretch, sequence, 0 if shape.cross else len(stretch.heard), first)
        self._draw(seat, logits, first)
        return seat

    def _step(self) -> None:
        """One column further in every row."""
        seats = self._seats
        codes = torch.stack([seat.sequence[:, seat.read] for seat in seats])
        logits = self._network.step(codes, [seat.before + seat.read for seat in seats])
        for index, seat in enumerate(seats):
            self._draw(seat, logits[:, index], seat.read + 1)

    def _draw(self, seat: _Seat, logits: torch.Tensor, column: int) -> None:
        tokens = drawn(logits[0], logits[1], seat.track.sampling, seat.track.dice)
        here = seat.sequence[:, column]
        seat.sequence[:, column] = torch.where(here < 0, tokens, here)
        seat.read = column
        seat.track.tell(column + 1 - seat.first, seat.sequence.shape[1] - seat.first)

    def _codes(self, seat: _Seat) -> torch.Tensor:
        return aligned(seat.sequence, seat.stretch.length, self._network.shape.delays)

    def _rise(self) -> None:
        """Rows that have ended make room."""
        for row in range(len(self._seats) - 1, -1, -1):
            seat = self._seats[row]
            if seat.done:
                seat.track.end(self._codes(seat))
                if not self._sit(seat.track, row):
                    self._leave(row)

    def _leave(self, row: int) -> None:
        last = self._seats.pop()
        if row < len(self._seats):
            self._network.move(len(self._seats), row, last.before + last.read)
            self._seats[row] = last


@dataclass
class _Solo:
    """One window that is played alone."""

    stretch: Stretch
    sampling: Sampling
    dice: torch.Generator
    tell: Callable[[int, int], None]
    codes: torch.Tensor | None = None
    begun: bool = False

    def begin(self) -> Stretch | None:
        if self.begun:
            return None
        self.begun = True
        return self.stretch

    def end(self, codes: torch.Tensor) -> None:
        self.codes = codes


def solo(
    network: Network, stretch: Stretch, sampling: Sampling, dice: torch.Generator, tell: Callable[[int, int], None]
) -> torch.Tensor:
    """The codes `[K, length]` of one window that nobody plays beside; `tell` hears of each step."""
    alone = _Solo(stretch, sampling, dice, tell)
    Band(network).play([alone])
    assert alone.codes is not None
    return alone.codes.clone()  # out here it is a tensor like any other


def delayed(prompt: torch.Tensor, length: int, delays: Sequence[int], special: int) -> torch.Tensor:
    """The sequence `[K, length + lag + 1]` of a window: its prompt in place, -1 where tokens are to be drawn, the
    special token elsewhere. Codebook k has the token of frame t in column 1 + t + delays[k]."""
    books, known = prompt.shape
    sequence = torch.full((books, length + max(delays) + 1), special, dtype=torch.long, device=prompt.device)
    for book, delay in enumerate(delays):
        begin = 1 + delay
        sequence[book, begin : begin + length] = -1
        sequence[book, begin : begin + known] = prompt[book]
    return sequence


def aligned(sequence: torch.Tensor, length: int, delays: Sequence[int]) -> torch.Tensor:
    """The codes `[K, length]` of a full sequence."""
    return torch.stack([sequence[book, 1 + delay : 1 + delay + length] for book, delay in enumerate(delays)])
