"""Finishing. A `Take` walks in, a `Master` walks out: looped or trimmed, at the delivery rate, at the wanted loudness.

The order matters: the tail is folded (or trimmed) at the take's own rate, then the sound is resampled, then it gets
its channels, loses its offset, and last its loudness is set and its peaks are limited, so that nothing after the
limiter can raise a peak.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.finish.level import level
from tydust_assetgen.finish.shape import centred, folded, joined, trimmed, with_channels
from tydust_assetgen.flow import Finish, Master, Take
from tydust_assetgen.resample import resample

FINISH_VERSION = "1"
"""Goes into the master key: a new version means another master from the same take."""

_SILENT = 1e-5
"""-100 dBFS: a take whose highest sample is under this holds no music."""


def finish(take: Take, spec: Finish) -> Master:
    """Make a master of a take. The same take and spec give the same samples to the bit.

    Raises:
        GenerationError: the take is silent, empty, or holds values that are no numbers.
    """
    _refuse(take.audio)
    shaped, notes = _shaped(take, spec)
    audio = Audio(_delivered(shaped, take.audio.rate_hz, spec), spec.sample_rate_hz)
    levelled, said = level(audio, spec.target_lufs, spec.true_peak_dbtp, circular=spec.loop)
    facts = msgspec.structs.replace(take.facts, loop_frames=levelled.frames if spec.loop else 0)
    loop = LoopPoints(0, levelled.frames) if spec.loop else None
    return Master(levelled, loop, facts, take.provenance, (*notes, *said))


def _refuse(audio: Audio) -> None:
    if audio.channels not in (1, 2):
        raise GenerationError(f"the take has {audio.channels} channels, where 1 or 2 are taken")
    if not np.isfinite(audio.samples).all():
        raise GenerationError("the take holds samples that are no numbers")
    if audio.frames == 0 or max(audio.samples.max(), -audio.samples.min()) < _SILENT:
        raise GenerationError("the take is silent", hint="another seed or another prompt may help")


def _shaped(take: Take, spec: Finish) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """One pass of the loop, or the whole piece with its tail, at the take's rate."""
    samples, rate_hz = take.audio.samples, take.audio.rate_hz
    if not spec.loop:
        return trimmed(samples, rate_hz), ()
    if 0 < take.facts.loop_frames <= samples.shape[1]:
        return folded(samples, take.facts.loop_frames), ()
    shaped = joined(samples, rate_hz)
    overlap_s = (samples.shape[1] - shaped.shape[1]) / rate_hz
    return shaped, (f"loop closed by a cross-fade of {overlap_s:.2f} s",)


def _delivered(samples: NDArray[np.float32], rate_hz: int, spec: Finish) -> NDArray[np.float32]:
    placed = with_channels(samples, spec.channels)
    moved = resample(placed, rate_hz, spec.sample_rate_hz, circular=spec.loop)
    return centred(moved, spec.sample_rate_hz, circular=spec.loop)
