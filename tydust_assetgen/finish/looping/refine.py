"""Moves the start and the end of a rough loop to the exact samples.

First the length: whole bars or beats where it is close to them, else where the onsets of both sides meet; then the
waves themselves are laid over each other (normalised cross-correlation) and have the last word where they are alike.
Then the place: just before an attack, if there is one; else where the two sides differ least.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import uniform_filter1d

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp.beats import STEPS_PER_DB, SoundFrames, sound_frames
from tydust_assetgen.finish.looping.loop import LoopTarget, Meter, Samples, Span, grid_spare
from tydust_assetgen.finish.looping.search import RoughLoop

_ONSETS_S = 1.5
"""Seconds on each side of the cut over which onsets are compared, and waves."""
_WAVE_S = 0.4
_SLACK_S = 0.012
"""The waves may pull the length so far from where the onsets meet: rhythm is heard before phase is."""
_ALIKE, _ALIKE_ON_BEAT = 0.3, 0.6
"""Waves that correlate less than this have no say; nor have those that correlate less, against whole beats."""
_SAME = 0.98
"""Waves that correlate so well are the same sound played again."""
_FAR_LOSES = 0.6
_MOVE_S = 0.06
_ATTACK_S = 0.004
_BEFORE_ATTACK_S = 0.008
_ATTACK_DB = 6.0


def refined(samples: Samples, sound: SoundFrames, rate_hz: int, rough: RoughLoop, wanted: LoopTarget) -> Span:
    """The loop to the sample: its length as long as is allowed, its ends inside the take."""
    beats = _on_meter(rough, wanted.meter, rate_hz)
    length = beats or _by_onsets(sound, rate_hz, rough)
    slack = round(max(_SLACK_S * rate_hz, grid_spare(length, rate_hz)))
    slide, alike = _by_waves(samples, Span(rough.start, rough.start + length), slack, round(_WAVE_S * rate_hz))
    length += slide if alike >= (_ALIKE_ON_BEAT if beats else _ALIKE) else 0
    length = min(max(length, wanted.shortest), wanted.longest)
    return _placed(samples, rate_hz, min(rough.start, samples.shape[1] - length), length)


def unlike_db(small: Audio, span: Span) -> float:
    """How far what surrounds the start, a second each way, is from what surrounds the end: mean over bands, in dB."""
    before, after = min(small.rate_hz, span.start), min(small.rate_hz, small.frames - span.end)
    sides = [small.samples[:, place - before : place + after] for place in span]
    levels = sound_frames(Audio(np.concatenate(sides, axis=1), small.rate_hz)).levels
    half = len(levels) // 2
    if before + after < small.rate_hz // 4:
        return 0.0
    apart = np.abs(levels[:half] - levels[len(levels) - half :]).mean(dtype=np.float64)
    return float(apart * np.sqrt(levels.shape[1]) / STEPS_PER_DB)


def _on_meter(rough: RoughLoop, meter: Meter | None, rate_hz: int) -> int:
    """The whole beats that the length may well be; 0 where it is none."""
    if meter is None:
        return 0
    length = meter.nearest(rough.length, meter.beat)
    return length if abs(length - rough.length) <= rough.doubt + grid_spare(length, rate_hz) else 0


def _by_onsets(sound: SoundFrames, rate_hz: int, rough: RoughLoop) -> int:
    """The length at which the levels around the start fit those around the end best, to about 10 ms."""
    hop = rate_hz / sound.per_second
    start, length = round(rough.start / hop), round(rough.length / hop)
    slack = max(round(rough.doubt / hop), 2) + 1
    reach = round(_ONSETS_S * sound.per_second)
    first = max(start - reach, slack - length, 0)
    last = min(start + reach, len(sound.levels) - length - slack)
    if last - first < 8:
        return rough.length
    here = sound.levels[first:last]
    there = [sound.levels[first + length + slide : last + length + slide] for slide in range(-slack, slack + 1)]
    apart = [float(np.square(here - other).sum(dtype=np.float64)) for other in there]
    return round((length + int(np.argmin(apart)) - slack) * hop)


def _by_waves(samples: Samples, span: Span, slack: int, reach: int) -> tuple[int, float]:
    """How much longer it must be for the waves around both ends to correlate best, and how well they do.

    Of several lengths as good, the nearest.
    """
    before = min(reach, span.start)
    after = min(reach, samples.shape[1] - span.end - slack)
    if before + after < 4 * slack or span.frames < 2 * slack:
        return 0, 0.0
    here = samples[:, span.start - before : span.start + after].astype(np.float64)
    there = samples[:, span.end - before - slack : span.end + after + slack].astype(np.float64)
    match = _match(here, there)
    if match.max() < _SAME:  # tones correlate at many places: then the rhythm says which
        match = match * (1 - _FAR_LOSES * np.square(np.linspace(-1, 1, match.size)))
    best = float(match.max())
    near = np.flatnonzero(match >= best - 1e-4)
    return int(near[np.argmin(np.abs(near - slack))]) - slack, best


def _match(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation, -1 to 1, of one side with each place of the other that it fits into."""
    size = fft.next_fast_len(there.shape[1])
    spectra = fft.rfft(there, size, axis=1) * np.conj(fft.rfft(here, size, axis=1))
    width = here.shape[1]
    products = fft.irfft(spectra.sum(axis=0), size)[: there.shape[1] - width + 1]
    energy = np.concatenate(([0.0], np.cumsum(np.square(there).sum(axis=0))))
    energies = np.maximum(energy[width:] - energy[:-width], 0.0) * np.square(here).sum()
    loud = energies > 1e-12
    return np.asarray(np.where(loud, products / np.sqrt(np.where(loud, energies, 1.0)), 0.0))


def _placed(samples: Samples, rate_hz: int, start: int, length: int) -> Span:
    """The same length, moved by up to 60 ms."""
    move = round(_MOVE_S * rate_hz)
    first, last = max(start - move, 0), min(start + move, samples.shape[1] - length)
    if start == 0 or last - first < 16:
        return Span(start, start + length)
    here = samples[:, first:last].astype(np.float64)
    attack = _attack(here, rate_hz)
    if attack is None:
        there = samples[:, first + length : last + length].astype(np.float64)
        attack = _calmest(np.square(here - there).sum(axis=0), rate_hz)
    return Span(first + attack, first + attack + length)


def _attack(here: NDArray[np.float64], rate_hz: int) -> int | None:
    """A moment before the steepest rise, if it is one."""
    width = max(round(_ATTACK_S * rate_hz), 1)
    power = uniform_filter1d(np.square(here).sum(axis=0), width) + 1e-9
    if power.size < 4 * width:
        return None
    rise = power[2 * width :] / power[: -2 * width]
    if 10 * np.log10(float(rise.max())) < _ATTACK_DB:
        return None
    return max(int(rise.argmax()) + width - round(_BEFORE_ATTACK_S * rate_hz), 0)


def _calmest(apart: NDArray[np.float64], rate_hz: int) -> int:
    """Where the two sides differ least over some milliseconds."""
    return int(uniform_filter1d(apart, max(round(_BEFORE_ATTACK_S * rate_hz), 1)).argmin())
