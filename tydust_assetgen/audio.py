"""Sound in memory: `Audio` and `LoopPoints`. numpy is needed by those who make one, not by this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Audio:
    """Samples and their rate. Nothing changes `samples` in place."""

    samples: NDArray[np.float32]  # [channels, frames], full scale is ±1.0
    rate_hz: int

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz


class LoopPoints(msgspec.Struct, frozen=True):
    """Where a player jumps: from `end_frames` (exclusive) back to `start_frames`, at the file's own rate."""

    start_frames: int
    end_frames: int

    @property
    def length_frames(self) -> int:
        return self.end_frames - self.start_frames
