"""Measures the faults of a signal: clipping, DC offset, silence, and samples that are no numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio

SILENCE_DBFS = -60.0
CLIP_LEVEL = 0.9995
"""Full scale, less the half step by which 16-bit rounding and dither may miss it."""
CLIP_RUN_FRAMES = 3
"""Two full-scale samples beside each other may be a crest; three are a flat top."""
_ALIKE = 2.0**-16
"""Half the step of 16 bits: what was clipped and rounded stays within it; the crest of a wave does not."""
_BLOCK_S = 0.01


def has_non_finite(audio: Audio) -> bool:
    """Whether any sample is NaN or infinite."""
    return not bool(np.isfinite(audio.samples).all())


def dc_offset(audio: Audio) -> float:
    """The largest mean of a channel, as a share of full scale, 0 to 1."""
    if audio.frames == 0:
        return 0.0
    return float(np.abs(audio.samples.mean(axis=1, dtype=np.float64)).max())


def clipping_runs(audio: Audio, level: float = CLIP_LEVEL, run_frames: int = CLIP_RUN_FRAMES) -> int:
    """How many times `run_frames` or more samples in a row stand at or beyond `level`, on one side."""
    return sum(
        int((_run_lengths(channel >= level) >= run_frames).sum())
        + int((_run_lengths(channel <= -level) >= run_frames).sum())
        for channel in audio.samples
    )


def flat_share(audio: Audio, level: float = CLIP_LEVEL) -> float:
    """The share of all samples, 0 to 1, that lie in flat tops: three or more alike in a row, at `level` or beyond.

    What goes over full scale without being flat is not cut, in float samples, and is not counted.
    """
    if not audio.frames:
        return 0.0
    return sum(_flat_frames(channel, level) for channel in audio.samples) / (audio.channels * audio.frames)


def _flat_frames(channel: NDArray[np.float32], level: float) -> int:
    alike = (np.abs(channel[1:]) >= level) & (np.abs(np.diff(channel)) <= _ALIKE)
    runs = _run_lengths(alike) + 1
    return int(runs[runs >= CLIP_RUN_FRAMES].sum())


def longest_silence_s(audio: Audio, floor_dbfs: float = SILENCE_DBFS, *, wraps: bool = False) -> float:
    """The longest stretch below the floor in all channels, in seconds, to 10 ms.

    Args:
        audio: any sound.
        floor_dbfs: a 10 ms block is silent when no sample of it is above this.
        wraps: whether the end runs on into the beginning, as a loop's does.
    """
    silent = _silent_blocks(audio, floor_dbfs)
    if wraps and not silent.all():
        silent = np.roll(silent, -int(np.argmin(silent)))
    return float(_run_lengths(silent).max(initial=0)) * _BLOCK_S


def silent_share(audio: Audio, floor_dbfs: float = SILENCE_DBFS) -> float:
    """The share of 10 ms blocks below the floor in all channels, 0 to 1; 1 where there is nothing."""
    silent = _silent_blocks(audio, floor_dbfs)
    return float(silent.mean()) if silent.size else 1.0


def leading_silence_s(audio: Audio, floor_dbfs: float = SILENCE_DBFS) -> float:
    """Silence before the first block with sound, in seconds; the whole length where there is none."""
    silent = _silent_blocks(audio, floor_dbfs)
    return float(silent.size if silent.all() else np.argmin(silent)) * _BLOCK_S


def trailing_silence_s(audio: Audio, floor_dbfs: float = SILENCE_DBFS) -> float:
    """Silence after the last block with sound, in seconds; the whole length where there is none."""
    silent = _silent_blocks(audio, floor_dbfs)[::-1]
    return float(silent.size if silent.all() else np.argmin(silent)) * _BLOCK_S


def _silent_blocks(audio: Audio, floor_dbfs: float) -> NDArray[np.bool_]:
    """Whether each 10 ms block is silent, `[blocks]`; what is left at the end is a block too."""
    if audio.frames == 0:
        return np.zeros(0, dtype=bool)
    starts = np.arange(0, audio.frames, max(1, round(audio.rate_hz * _BLOCK_S)))
    highest = np.maximum.reduceat(audio.samples.max(axis=0), starts)
    lowest = np.minimum.reduceat(audio.samples.min(axis=0), starts)
    return np.asarray(np.maximum(highest, -lowest) <= 10 ** (floor_dbfs / 20))


def _run_lengths(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the runs of `True`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return edges[1::2] - edges[::2]
