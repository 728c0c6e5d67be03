"""The state of a batch beside the transformer's memory: sequences of codes, positions, sampling, random numbers.

All of it lies on the device, and nothing is asked back from the device until a row has ended. A row that no track is
assigned to may be sampled for like the others, and comes to no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.requests import Sampling
from tydust_assetgen.generate.musicgen.decoder.sampling import RowSampling, SamplingMode

_TO_DRAW = -1


class BatchState:
    """The state of all rows.

    Args:
        shape: the model's sizes.
        rows: how many.
        columns: of the longest sequence: frames of a window, the largest delay, and one.
        device: where all of it lies.
    """

    def __init__(self, shape: Shape, *, rows: int, columns: int, device: torch.device) -> None:
        books = shape.codebooks
        self._shape, self._columns = shape, columns
        self._sequences = torch.full((rows, books, columns), shape.card, dtype=torch.long, device=device)
        self._offsets = torch.zeros(rows, dtype=torch.long, device=device)
        self._read = torch.zeros(rows, dtype=torch.long, device=device)
        self._noise = torch.ones((rows, books, shape.card), device=device)
        self._sampling = RowSampling(rows, device)
        self._rngs: list[torch.Generator | None] = [None] * rows

    def assign(self, row: int, sequence: torch.Tensor, read: int, offset: int) -> None:
        """A window begins.

        Args:
            row: where.
            sequence: `[K, S]`, as `apply_delays` makes it.
            read: how many of its columns are known and read.
            offset: columns of conditions that stand before them.
        """
        self._sequences[row, :, : sequence.shape[1]] = sequence
        self._read[row], self._offsets[row] = read - 1, offset

    def set_sampling(self, row: int, sampling: Sampling, rng: torch.Generator) -> None:
        """From now on a row is sampled so, with these random numbers."""
        self._sampling.set(row, sampling)
        self._rngs[row] = rng

    def sampling_mode(self, rows: slice) -> SamplingMode:
        """What the host must know to sample these rows."""
        return self._sampling.mode(rows)

    def draw_noise(self, rows: slice) -> None:
        """New noise, a row at a time. All codebooks draw at every step, also those whose token is known already, as
        audiocraft's do."""
        for noise, rng in zip(self._noise[rows], self._rngs[rows], strict=True):
            if rng is not None:
                noise.exponential_(1, generator=rng)

    def next_codes(self, rows: slice) -> torch.Tensor:
        """The codes `[R, K]` of the column that the transformer is to read."""
        return self._column(rows, self._read[rows])

    def positions(self, rows: slice) -> torch.Tensor:
        """How many columns `[R]` the transformer has read, conditions included."""
        return self._offsets[rows] + self._read[rows]

    def sample(self, logits: torch.Tensor, rows: slice, mode: SamplingMode) -> None:
        """Fill the next column from logits `[2, R, K, card]`, where its tokens are not known."""
        column = (self._read[rows] + 1).clamp(max=self._columns - 1)
        tokens = self._sampling.sample(logits, self._noise[rows], rows, mode)
        known = self._column(rows, column)
        filled = torch.where(known == _TO_DRAW, tokens, known)
        self._sequences[rows].scatter_(2, self._index(column), filled[..., None])
        self._read[rows] = column

    def copy_row(self, source: int, target: int) -> None:
        """What is at one row is now at another as well."""
        for tensor in (self._sequences, self._offsets, self._read):
            tensor[target] = tensor[source]
        self._sampling.copy_row(source, target)
        self._rngs[target] = self._rngs[source]

    def release(self, row: int) -> None:
        """No track is assigned to it any more."""
        self._rngs[row] = None

    def codes(self, row: int, length: int) -> torch.Tensor:
        """The codes `[K, length]` of a window that has ended."""
        return remove_delays(self._sequences[row], length, self._shape.delays)

    def _column(self, rows: slice, column: torch.Tensor) -> torch.Tensor:
        return self._sequences[rows].gather(2, self._index(column))[..., 0]

    def _index(self, column: torch.Tensor) -> torch.Tensor:
        return column[:, None, None].expand(-1, self._shape.codebooks, 1)


def apply_delays(prompt: torch.Tensor, length: int, delays: Sequence[int], special: int) -> torch.Tensor:
    """The sequence `[K, length + largest delay + 1]` of a window: its prompt in place, -1 where tokens are to be drawn,
    the special token elsewhere. Codebook k has the token of frame t in column 1 + t + delays[k]."""
    books, known = prompt.shape
    sequence = torch.full((books, length + max(delays) + 1), special, dtype=torch.long, device=prompt.device)
    for book, delay in enumerate(delays):
        begin = 1 + delay
        sequence[book, begin : begin + length] = _TO_DRAW
        sequence[book, begin : begin + known] = prompt[book]
    return sequence


def remove_delays(sequence: torch.Tensor, length: int, delays: Sequence[int]) -> torch.Tensor:
    """The codes `[K, length]` of a full sequence."""
    return torch.stack([sequence[book, 1 + delay : 1 + delay + length] for book, delay in enumerate(delays)])
