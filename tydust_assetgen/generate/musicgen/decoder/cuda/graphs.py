"""CUDA graphs: a step of the decoder that is captured once and then replayed as one launch.

A step of a large model is some hundred kernels of a few microseconds each, more than a host can launch in that time.
A CUDA graph launches them all at once. It is bound to addresses, to a number of rows and to the most columns that it
reads, so there is one for each bucket of these, made when it is first needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch

_ROWS = (1, 2, 4, 8, 16, 24, 32)
_COLUMNS = 256
_MAX_STEPS_AHEAD = 32
"""Steps that the host may be ahead of the device: enough never to be waited for, and little to wait for at the end."""

Mode = TypeVar("Mode", bound=Hashable)


class Allocated(Protocol):
    """Memory whose addresses a graph has."""

    @property
    def allocations(self) -> int:
        """How often memory was allocated: addresses hold as long as this number."""


class Bucket(NamedTuple):
    """What steps have in common that one graph can run."""

    rows: int
    columns: int

    @classmethod
    def of(cls, rows: int, columns: int, most_rows: int) -> Bucket:
        """The smallest one that so many rows, of which none reads beyond so many columns, fit into."""
        wide = next((each for each in _ROWS if each >= rows), rows)
        return cls(min(wide, most_rows), -(-columns // _COLUMNS) * _COLUMNS)


class StepGraphs(Generic[Mode]):
    """Runs steps, each as one launch.

    Args:
        run: a whole step: the rows it runs for, the most columns that any of them reads, and in which mode. It must ask
            the device for nothing, and leave its results in memory that stays. For rows that no track is assigned to
            it must be harmless.
        mode: what the host must know of these rows for a step; another mode is another graph.
        memory: of the transformer.
        rows: how many there are.
    """

    def __init__(
        self, run: Callable[[slice, int, Mode], None], mode: Callable[[slice], Mode], memory: Allocated, rows: int
    ) -> None:
        self._run, self._mode, self._memory, self._rows = run, mode, memory, rows
        self._allocations = memory.allocations
        self._graphs: dict[tuple[Bucket, Mode], torch.cuda.CUDAGraph] = {}
        self._capture_stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()
        self._running: deque[torch.cuda.Event] = deque()
        self.refused = ""
        """Why nothing is captured; then all steps are launched kernel by kernel."""

    def step(self, rows: int, columns: int) -> None:
        """One step of the first rows, none of which reads beyond so many columns."""
        bucket = Bucket.of(rows, columns, self._rows)
        here = slice(0, bucket.rows)
        mode = self._mode(here)
        self._drop_stale()
        if (graph := self._graphs.get((bucket, mode))) is not None:
            graph.replay()
        elif self.refused:
            self._run(here, bucket.columns, mode)
        else:
            self._run_and_capture(bucket, mode)
        self._wait_for_device()

    def _drop_stale(self) -> None:
        """Graphs of memory that was freed are of no use."""
        if self._allocations != self._memory.allocations:
            self._graphs.clear()
            self._allocations = self._memory.allocations

    def _run_and_capture(self, bucket: Bucket, mode: Mode) -> None:
        """Run a step on the stream that captures, so that libraries are initialised there, and capture the same step
        for all that follow. What is captured does not run."""
        stream = torch.cuda.current_stream()
        self._capture_stream.wait_stream(stream)
        with torch.cuda.stream(self._capture_stream):
            self._run(slice(0, bucket.rows), bucket.columns, mode)
        stream.wait_stream(self._capture_stream)
        try:
            self._graphs[bucket, mode] = self._captured(bucket, mode)
        except RuntimeError as error:
            self.refused = str(error).strip().splitlines()[0]

    def _captured(self, bucket: Bucket, mode: Mode) -> torch.cuda.CUDAGraph:
        """One memory pool for all graphs: none of them needs after its end what it allocated."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._capture_stream, capture_error_mode="thread_local"):
            self._run(slice(0, bucket.rows), bucket.columns, mode)
        return graph

    def _wait_for_device(self) -> None:
        """Only when the host is too far ahead: else it could not be stopped, nor tell how far the music is."""
        if len(self._running) == _MAX_STEPS_AHEAD:
            self._running.popleft().synchronize()
        event = torch.cuda.Event(blocking=True)
        event.record()
        self._running.append(event)
