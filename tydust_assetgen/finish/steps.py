"""The steps of finishing, in their order."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp.resample import resample
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.finish.level import level
from tydust_assetgen.finish.looping import facts_of, find_loop, words_for
from tydust_assetgen.flow import Facts, Finish, Master, Take

_SILENT = 1e-5
"""-100 dBFS: a take whose highest sample is under this holds no music."""


def finished(take: Take, spec: Finish) -> Master:
    """See `finish`."""
    _refuse(take.audio)
    shaped, facts, notes = _shaped(take, spec)
    audio = Audio(_delivered(shaped, take.audio.rate_hz, spec), spec.sample_rate_hz)
    _refuse_silence(audio, "the take is silent at its delivery: one side cancels the other, or there is only an offset")
    levelled, level_notes = level(audio, spec.target_lufs, spec.true_peak_dbtp, circular=spec.loop)
    facts = msgspec.structs.replace(facts, loop_frames=levelled.frames if spec.loop else 0)
    loop = LoopPoints(0, levelled.frames) if spec.loop else None
    return Master(levelled, loop, facts, take.provenance, (*take.notes, *notes, *level_notes))


def _refuse(audio: Audio) -> None:
    if audio.channels not in (1, 2):
        raise GenerationError(f"the take has {audio.channels} channels, where 1 or 2 are taken")
    if not np.isfinite(audio.samples).all():
        raise GenerationError("the take holds samples that are no numbers")
    _refuse_silence(audio, "the take is silent")


def _refuse_silence(audio: Audio, words: str) -> None:
    if max(audio.samples.max(initial=0.0), -audio.samples.min(initial=0.0)) < _SILENT:
        raise GenerationError(words, hint="another seed or another prompt may help")


def _shaped(take: Take, spec: Finish) -> tuple[NDArray[np.float32], Facts, tuple[str, ...]]:
    """One pass of the loop, or the whole piece with its tail, at the take's rate, without offset; and its facts."""
    samples, rate_hz = take.audio.samples, take.audio.rate_hz
    if not spec.loop:
        return centred(trimmed(samples, rate_hz), rate_hz, circular=False), take.facts, ()
    if 0 < take.facts.loop_frames <= samples.shape[1]:
        return centred(folded(samples, take.facts.loop_frames), rate_hz, circular=True), take.facts, ()
    found = find_loop(take.audio, take.facts)
    loop = centred(found.samples, rate_hz, circular=True)
    return loop, facts_of(found, take.facts, rate_hz), (words_for(found, rate_hz),)


def _delivered(samples: NDArray[np.float32], rate_hz: int, spec: Finish) -> NDArray[np.float32]:
    placed = with_channels(samples, spec.channels)
    return resample(placed, rate_hz, spec.sample_rate_hz, circular=spec.loop)


Samples = NDArray[np.float32]

_TAIL_FLOOR = 10 ** (-70 / 20)
"""A tail is over where it stays this far under the track's peak."""
_FADE_S = 0.05
_RAMP_S = 0.02


def folded(samples: Samples, loop_frames: int) -> Samples:
    """One pass of the loop, with all that rings after it added onto its start, round and round if it is long.

    Played in a circle, this is the sum of endless passes, each with its whole tail.
    """
    loop: Samples = samples[:, :loop_frames].copy()
    for start in range(loop_frames, samples.shape[1], loop_frames):
        tail = samples[:, start : start + loop_frames]
        loop[:, : tail.shape[1]] += tail
    return loop


def trimmed(samples: Samples, rate_hz: int) -> Samples:
    """Without what rings on under -70 dB of the peak; the last 50 ms fade out."""
    loud = np.abs(samples).max(axis=0)
    last = int(np.flatnonzero(loud >= loud.max() * _TAIL_FLOOR)[-1]) + 1
    fade = min(round(_FADE_S * rate_hz), samples.shape[1])
    end = min(last + fade, samples.shape[1])
    kept: Samples = samples[:, :end].copy()
    kept[:, end - fade :] *= np.float32(0.5) + np.float32(0.5) * np.cos(np.linspace(0, np.pi, fade), dtype=np.float32)
    return kept


def with_channels(samples: Samples, channels: int) -> Samples:
    """Mono from stereo is the mean of both sides; stereo from mono is the same on both sides."""
    if samples.shape[0] == channels:
        return samples
    if channels == 1:
        return np.asarray(samples.mean(axis=0, keepdims=True, dtype=np.float32))
    return np.repeat(samples, channels, axis=0)


def centred(samples: Samples, rate_hz: int, *, circular: bool) -> Samples:
    """Without offset. Where the sound has ends, the correction fades in and out, so that it makes no step."""
    offset = samples.mean(axis=1, keepdims=True, dtype=np.float64)
    if circular:
        return np.asarray(samples - offset.astype(np.float32))
    frames = samples.shape[1]
    ramp = min(round(_RAMP_S * rate_hz), frames // 2)
    weight = np.ones(frames)
    weight[:ramp] = np.sin((np.arange(ramp) + 0.5) / max(ramp, 1) * (np.pi / 2)) ** 2
    weight[frames - ramp :] = weight[:ramp][::-1]
    return np.asarray(samples - (offset * (frames / weight.sum()) * weight).astype(np.float32))
