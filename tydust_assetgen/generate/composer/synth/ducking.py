"""The side chain: the kick pushes the others down for a moment, as a compressor keyed by it would.

In walk the tracks, out walks a gain curve for any span of time. It follows from the kick's notes alone.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from tydust_assetgen.generate.composer.synth.instruments import Kit
from tydust_assetgen.generate.composer.synth.signal import Floats, frames
from tydust_assetgen.generate.composer.synth.timeline import Clock, Track

_KICKS = (35, 36)
_DOWN_S = 0.006
_UP_S = 0.22


def _dip() -> Floats:
    """Depth over time of one stroke: down within 6 ms, back up on a raised cosine."""
    down = 0.5 - 0.5 * np.cos(np.pi * np.arange(frames(_DOWN_S)) / frames(_DOWN_S))
    up = 0.5 + 0.5 * np.cos(np.pi * np.arange(frames(_UP_S)) / frames(_UP_S))
    return np.concatenate([down, up]).astype(np.float32)


@dataclass(frozen=True)
class Ducking:
    """Strokes of the kick as (frame, level), in order, on one pass."""

    strokes: tuple[tuple[int, float], ...]
    depth: float
    clock: Clock
    dip: Floats

    @classmethod
    def of(cls, tracks: list[Track], clock: Clock, depth: float) -> Ducking:
        """Collects the kicks of all drum parts."""
        strokes = sorted(
            (event.start, min(1.0, event.level))
            for track in tracks
            if isinstance(track.patch.instrument, Kit)
            for event in track.events
            if event.key.pitch in _KICKS
        )
        return cls(tuple(strokes), depth if strokes else 0.0, clock, _dip())

    def gain(self, first: int, end: int, share: float) -> Floats:
        """Gain of each frame from `first` to `end`; `share` is how much of the depth a patch takes."""
        pushed = np.zeros(end - first, np.float32)
        period = self.clock.loop_frames
        turns = range((first - len(self.dip)) // period, (end - 1) // period + 1) if self.clock.loops else (0,)
        for turn in turns:
            low = bisect_left(self.strokes, (first - len(self.dip) - turn * period, 0.0))
            high = bisect_left(self.strokes, (end - turn * period, 0.0))
            for frame, level in self.strokes[low:high]:
                self._push(pushed, frame + turn * period - first, level)
        return np.float32(1.0) - np.float32(self.depth * share) * pushed

    def _push(self, pushed: Floats, start: int, level: float) -> None:
        low, stop = max(start, 0), min(start + len(self.dip), len(pushed))
        if stop > low:
            dip = self.dip[low - start : stop - start] * np.float32(level)
            np.maximum(pushed[low:stop], dip, out=pushed[low:stop])
