"""A network and a desk, working together. In walk windows, out walk their codes; what runs is told by counters alone.

`_run` is the whole of a step, from codes to codes, without a question to the device: on CUDA it is captured once as a
graph and then replayed.
"""

from __future__ import annotations

from typing import Protocol

import torch

from tydust_assetgen.generate.musicgen.decoder.batch_state import Desk, delayed
from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cuda.graphs import Graphs
from tydust_assetgen.generate.musicgen.decoder.requests import Stretch, Track
from tydust_assetgen.generate.musicgen.decoder.sampling import Kind


class Plays(Protocol):
    """What a network must be, on whatever device."""

    @property
    def shape(self) -> Shape: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def taken(self) -> int:
        """Changes whenever memory is taken anew."""

    @property
    def most_rows(self) -> int:
        """How many tracks it can play at once, each with the same bits as alone."""

    @property
    def rows(self) -> int:
        """How many it has memory for."""

    def row_bytes(self, columns: int) -> int:
        """Memory of one row."""

    def reserve(self, rows: int, columns: int) -> None:
        """Have memory for so many rows of so many columns, conditions included; what is there stays."""

    def clear(self) -> None:
        """Nobody plays any more: give the memory of all rows back."""

    def begin(self, row: int, columns: torch.Tensor, heard: torch.Tensor, unheard: torch.Tensor) -> torch.Tensor:
        """Read the first columns `[K, S]` of a row, and what leads it. Logits `[2, K, card]` of what follows."""

    def step(self, codes: torch.Tensor, at: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column `[R, K]` of the first rows, each at its place `[R]`; none is at `columns` or beyond.
        Logits `[2, R, K, card]` of what follows."""

    def move(self, source: int, target: int, length: int) -> None:
        """Give one row's memory to another."""


class Engine:
    """The rows of one band.

    Args:
        network: plays; its memory is taken here.
        rows: how many at once.
        frames: of the longest window.
    """

    def __init__(self, network: Plays, *, rows: int, frames: int) -> None:
        self.network, self.rows = network, rows
        self._columns = frames + network.shape.lag + 1
        self._desk = Desk(network.shape, rows=rows, columns=self._columns, device=network.device)
        self._graphs = Graphs(self._run, self._desk.kind, network, rows) if network.device.type == "cuda" else None

    def begin(self, row: int, stretch: Stretch, track: Track) -> tuple[int, int]:
        """A window begins in a row, and has its first column drawn.

        Returns:
            How many columns the network has read, conditions included, and how many are still to be read.
        """
        shape = self.network.shape
        sequence = delayed(stretch.prompt, stretch.length, shape.delays, shape.card)
        known = stretch.prompt.shape[1] + 1
        before = 0 if shape.cross else len(stretch.heard)
        self.network.reserve(self.rows, before + self._columns)
        logits = self.network.begin(row, sequence[:, :known], stretch.heard, stretch.unheard)
        self._desk.sit(row, sequence, known, before)
        self._desk.plays(row, track.sampling, track.dice)
        here = slice(row, row + 1)
        self._desk.shake(here)
        self._desk.draw(logits[:, None], here, self._desk.kind(here))
        return before + known, sequence.shape[1] - known - 1

    def step(self, rows: int, columns: int) -> None:
        """One column further in each of the first rows, none of which is then beyond `columns`."""
        here = slice(0, rows)
        self._desk.shake(here)
        if self._graphs is None:
            self._run(here, columns, self._desk.kind(here))
        else:
            self._graphs.step(rows, columns)

    def _run(self, rows: slice, columns: int, kind: Kind) -> None:
        logits = self.network.step(self._desk.codes(rows), self._desk.at(rows), columns)
        self._desk.draw(logits, rows, kind)

    def move(self, source: int, target: int, length: int) -> None:
        """A row sits down at another's place."""
        self.network.move(source, target, length)
        self._desk.move(source, target)

    def leave(self, row: int) -> None:
        """Nobody sits there any more."""
        self._desk.leave(row)

    def played(self, row: int, length: int) -> torch.Tensor:
        """The codes `[K, length]` of the window that has ended in a row."""
        return self._desk.played(row, length)
