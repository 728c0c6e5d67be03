"""A step that is recorded once and then replayed. In walks what a step does, out walk the same launches in one.

A step of a large model is some hundred kernels of a few microseconds each, more than a host can launch in that time.
A CUDA graph launches them all at once. It is bound to addresses, to a number of rows and to the most columns that it
reads, so there is one for each bucket of these, made when it is first needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch

ROWS = (1, 2, 4, 8, 16, 24, 32)
COLUMNS = 256
AHEAD = 32
"""Steps that the host may be ahead of the device: enough never to be waited for, and little to wait for at the end."""

Kind = TypeVar("Kind", bound=Hashable)


class Memory(Protocol):
    """What a graph has the addresses of."""

    @property
    def taken(self) -> int:
        """Changes whenever memory is taken anew."""


class Bucket(NamedTuple):
    """What steps have in common that one graph can run."""

    rows: int
    columns: int

    @classmethod
    def of(cls, rows: int, columns: int, most_rows: int) -> Bucket:
        """The smallest one that so many rows, of which none reads beyond so many columns, fit into."""
        wide = next((each for each in ROWS if each >= rows), rows)
        return cls(min(wide, most_rows), -(-columns // COLUMNS) * COLUMNS)


class Graphs(Generic[Kind]):
    """Runs steps, each as one launch.

    Args:
        run: a whole step: the rows it runs for, the most columns that any of them reads, and what kind of step it is.
            It must ask the device for nothing, and leave what it finds in memory that stays. What it does for rows at
            which nobody sits must come to no harm.
        kind: what the host must know of these rows for a step; another kind is another graph.
        memory: of the network.
        rows: how many there are.
    """

    def __init__(
        self, run: Callable[[slice, int, Kind], None], kind: Callable[[slice], Kind], memory: Memory, rows: int
    ) -> None:
        self._run, self._kind, self._memory, self._rows = run, kind, memory, rows
        self._taken = memory.taken
        self._graphs: dict[tuple[Bucket, Kind], torch.cuda.CUDAGraph] = {}
        self._side = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()
        self._under_way: deque[torch.cuda.Event] = deque()
        self.refused = ""
        """Why nothing is recorded; then all steps are launched kernel by kernel."""

    def step(self, rows: int, columns: int) -> None:
        """One step of the first rows, none of which reads beyond so many columns."""
        bucket = Bucket.of(rows, columns, self._rows)
        here = slice(0, bucket.rows)
        kind = self._kind(here)
        self._forget()
        if (graph := self._graphs.get((bucket, kind))) is not None:
            graph.replay()
        elif self.refused:
            self._run(here, bucket.columns, kind)
        else:
            self._first(bucket, kind)
        self._pace()

    def _forget(self) -> None:
        """Graphs of memory that is no more are of no use."""
        if self._taken != self._memory.taken:
            self._graphs.clear()
            self._taken = self._memory.taken

    def _first(self, bucket: Bucket, kind: Kind) -> None:
        """A step is run, on a stream beside so that libraries find themselves at home there, and recorded for all that
        follow. What is recorded does not run."""
        stream = torch.cuda.current_stream()
        self._side.wait_stream(stream)
        with torch.cuda.stream(self._side):
            self._run(slice(0, bucket.rows), bucket.columns, kind)
        stream.wait_stream(self._side)
        try:
            self._graphs[bucket, kind] = self._recorded(bucket, kind)
        except RuntimeError as error:
            self.refused = str(error).strip().splitlines()[0]

    def _recorded(self, bucket: Bucket, kind: Kind) -> torch.cuda.CUDAGraph:
        """One pool for all graphs: none of them needs after its end what it took."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._side, capture_error_mode="thread_local"):
            self._run(slice(0, bucket.rows), bucket.columns, kind)
        return graph

    def _pace(self) -> None:
        """Wait only when the host is too far ahead: else it could not be stopped, nor tell how far the music is."""
        if len(self._under_way) == AHEAD:
            self._under_way.popleft().synchronize()
        event = torch.cuda.Event(blocking=True)
        event.record()
        self._under_way.append(event)
