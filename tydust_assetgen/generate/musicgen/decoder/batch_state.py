"""What the rows have on their desk: their sequences, how far they are, how they draw. All of it lies on the device.

In walk logits, out walk the codes of the next column; nothing is asked back from the device until a row has ended. A
row that nobody sits in may be drawn for like the others, and comes to no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.requests import Sampling
from tydust_assetgen.generate.musicgen.decoder.sampling import Kind, Ways

_TO_DRAW = -1


class Desk:
    """The state of all rows but for the network's memory.

    Args:
        shape: the model's sizes.
        rows: how many.
        columns: of the longest sequence: frames of a window, the lag, and one.
        device: where all of it lies.
    """

    def __init__(self, shape: Shape, *, rows: int, columns: int, device: torch.device) -> None:
        books = shape.codebooks
        self._shape, self._columns = shape, columns
        self._sequences = torch.full((rows, books, columns), shape.card, dtype=torch.long, device=device)
        self._before = torch.zeros(rows, dtype=torch.long, device=device)
        self._read = torch.zeros(rows, dtype=torch.long, device=device)
        self._noise = torch.ones((rows, books, shape.card), device=device)
        self._ways = Ways(rows, device)
        self._dice: list[torch.Generator | None] = [None] * rows

    def sit(self, row: int, sequence: torch.Tensor, read: int, before: int) -> None:
        """A window begins.

        Args:
            row: where.
            sequence: `[K, S]`, as `delayed` makes it.
            read: how many of its columns are known and read.
            before: columns of conditions that stand before them.
        """
        self._sequences[row, :, : sequence.shape[1]] = sequence
        self._read[row], self._before[row] = read - 1, before

    def plays(self, row: int, how: Sampling, dice: torch.Generator) -> None:
        """From now on a row draws so, with these dice."""
        self._ways.set(row, how)
        self._dice[row] = dice

    def kind(self, rows: slice) -> Kind:
        """What the host must know to let these rows draw."""
        return self._ways.kind(rows)

    def shake(self, rows: slice) -> None:
        """New noise, a row at a time. All codebooks draw at every step, also those whose token is known already, as
        audiocraft's do."""
        for noise, dice in zip(self._noise[rows], self._dice[rows], strict=True):
            if dice is not None:
                noise.exponential_(1, generator=dice)

    def codes(self, rows: slice) -> torch.Tensor:
        """The codes `[R, K]` of the column that the network is to read."""
        return self._column(rows, self._read[rows])

    def at(self, rows: slice) -> torch.Tensor:
        """How many columns `[R]` the network has read, conditions included."""
        return self._before[rows] + self._read[rows]

    def draw(self, logits: torch.Tensor, rows: slice, kind: Kind) -> None:
        """Fill the next column from logits `[2, R, K, card]`, where its tokens are not known."""
        column = (self._read[rows] + 1).clamp(max=self._columns - 1)
        tokens = self._ways.drawn(logits, self._noise[rows], rows, kind)
        here = self._column(rows, column)
        filled = torch.where(here == _TO_DRAW, tokens, here)
        self._sequences[rows].scatter_(2, self._index(column), filled[..., None])
        self._read[rows] = column

    def move(self, source: int, target: int) -> None:
        """What lies at one row now lies at another as well."""
        for tensor in (self._sequences, self._before, self._read):
            tensor[target] = tensor[source]
        self._ways.move(source, target)
        self._dice[target] = self._dice[source]

    def leave(self, row: int) -> None:
        """Nobody sits there any more."""
        self._dice[row] = None

    def played(self, row: int, length: int) -> torch.Tensor:
        """The codes `[K, length]` of a window that has ended."""
        return aligned(self._sequences[row], length, self._shape.delays)

    def _column(self, rows: slice, column: torch.Tensor) -> torch.Tensor:
        return self._sequences[rows].gather(2, self._index(column))[..., 0]

    def _index(self, column: torch.Tensor) -> torch.Tensor:
        return column[:, None, None].expand(-1, self._shape.codebooks, 1)


def delayed(prompt: torch.Tensor, length: int, delays: Sequence[int], special: int) -> torch.Tensor:
    """The sequence `[K, length + lag + 1]` of a window: its prompt in place, -1 where tokens are to be drawn, the
    special token elsewhere. Codebook k has the token of frame t in column 1 + t + delays[k]."""
    books, known = prompt.shape
    sequence = torch.full((books, length + max(delays) + 1), special, dtype=torch.long, device=prompt.device)
    for book, delay in enumerate(delays):
        begin = 1 + delay
        sequence[book, begin : begin + length] = _TO_DRAW
        sequence[book, begin : begin + known] = prompt[book]
    return sequence


def aligned(sequence: torch.Tensor, length: int, delays: Sequence[int]) -> torch.Tensor:
    """The codes `[K, length]` of a full sequence."""
    return torch.stack([sequence[book, 1 + delay : 1 + delay + length] for book, delay in enumerate(delays)])
