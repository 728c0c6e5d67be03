"""One step of the decoder, from codes to codes: a transformer and the state of the batch, working together.

`_run_step` is the whole of a step without a question to the device: on CUDA it is captured once as a graph and then
replayed.
"""

from __future__ import annotations

from typing import Protocol

import torch

from tydust_assetgen.generate.musicgen.decoder.batch_state import BatchState, apply_delays
from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cuda.graphs import StepGraphs
from tydust_assetgen.generate.musicgen.decoder.requests import Track, WindowRequest
from tydust_assetgen.generate.musicgen.decoder.sampling import SamplingMode


class Transformer(Protocol):
    """What a transformer must do, on whatever device."""

    @property
    def shape(self) -> Shape: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def allocations(self) -> int:
        """How often memory was allocated: addresses hold as long as this number."""

    @property
    def max_rows(self) -> int:
        """How many tracks it can decode at once, each with the same bits as alone."""

    @property
    def rows(self) -> int:
        """How many it has memory for."""

    def row_bytes(self, columns: int) -> int:
        """Memory of one row."""

    def reserve(self, rows: int, columns: int) -> None:
        """Have memory for so many rows of so many columns, conditions included; what is there stays."""

    def free(self) -> None:
        """Give the memory of all rows back."""

    def prefill(
        self, row: int, columns: torch.Tensor, conditional: torch.Tensor, unconditional: torch.Tensor
    ) -> torch.Tensor:
        """Read the first columns `[K, S]` of a row, and its conditions. Logits `[2, K, card]` of what follows."""

    def decode(self, codes: torch.Tensor, positions: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column `[R, K]` of the first rows, each at its position `[R]`; none is at `columns` or beyond.
        Logits `[2, R, K, card]` of what follows."""

    def move_row(self, source: int, target: int, length: int) -> None:
        """Give one row's memory to another."""


class Engine:
    """The rows of one batch.

    Args:
        transformer: whose memory is reserved here.
        rows: how many at once.
        frames: of the longest window.
    """

    def __init__(self, transformer: Transformer, *, rows: int, frames: int) -> None:
        self.transformer, self.rows = transformer, rows
        self._columns = frames + transformer.shape.max_delay + 1
        device = transformer.device
        self._state = BatchState(transformer.shape, rows=rows, columns=self._columns, device=device)
        on_cuda = device.type == "cuda"
        self._graphs = StepGraphs(self._run_step, self._state.sampling_mode, transformer, rows) if on_cuda else None

    def begin(self, row: int, window: WindowRequest, track: Track) -> tuple[int, int]:
        """A window begins in a row, and has its first column drawn.

        Returns:
            How many columns the transformer has read, conditions included, and how many are still to be read.
        """
        shape = self.transformer.shape
        sequence = apply_delays(window.prompt, window.length, shape.delays, shape.card)
        known = window.prompt.shape[1] + 1
        offset = 0 if shape.cross else len(window.conditional)
        self.transformer.reserve(self.rows, offset + self._columns)
        logits = self.transformer.prefill(row, sequence[:, :known], window.conditional, window.unconditional)
        self._state.assign(row, sequence, known, offset)
        self._state.set_sampling(row, track.sampling, track.rng)
        here = slice(row, row + 1)
        self._state.draw_noise(here)
        self._state.sample(logits[:, None], here, self._state.sampling_mode(here))
        return offset + known, sequence.shape[1] - known - 1

    def step(self, rows: int, columns: int) -> None:
        """One column further in each of the first rows, none of which is then beyond `columns`."""
        here = slice(0, rows)
        self._state.draw_noise(here)
        if self._graphs is None:
            self._run_step(here, columns, self._state.sampling_mode(here))
        else:
            self._graphs.step(rows, columns)

    def _run_step(self, rows: slice, columns: int, mode: SamplingMode) -> None:
        logits = self.transformer.decode(self._state.next_codes(rows), self._state.positions(rows), columns)
        self._state.sample(logits, rows, mode)

    def move_row(self, source: int, target: int, length: int) -> None:
        """A row goes on at another's place."""
        self.transformer.move_row(source, target, length)
        self._state.copy_row(source, target)

    def release(self, row: int) -> None:
        """No track is assigned to it any more."""
        self._state.release(row)

    def codes(self, row: int, length: int) -> torch.Tensor:
        """The codes `[K, length]` of the window that has ended in a row."""
        return self._state.codes(row, length)
