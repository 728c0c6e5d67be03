"""The steps of finishing, in their order. A `Take` walks in, a `Master` walks out."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.finish.level import level
from tydust_assetgen.finish.looping import facts_of, find_loop, words_for
from tydust_assetgen.finish.shape import centred, folded, trimmed, with_channels
from tydust_assetgen.flow import Facts, Finish, Master, Take
from tydust_assetgen.resample import resample

_SILENT = 1e-5
"""-100 dBFS: a take whose highest sample is under this holds no music."""


def finished(take: Take, spec: Finish) -> Master:
    """See `finish`."""
    _refuse(take.audio)
    shaped, facts, notes = _shaped(take, spec)
    audio = Audio(_delivered(shaped, take.audio.rate_hz, spec), spec.sample_rate_hz)
    _refuse_silence(audio, "the take is silent at its delivery: one side cancels the other, or there is only an offset")
    levelled, said = level(audio, spec.target_lufs, spec.true_peak_dbtp, circular=spec.loop)
    facts = msgspec.structs.replace(facts, loop_frames=levelled.frames if spec.loop else 0)
    loop = LoopPoints(0, levelled.frames) if spec.loop else None
    return Master(levelled, loop, facts, take.provenance, (*take.notes, *notes, *said))


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
