"""The marks of a take: text, key and tempo; then seam, steadiness, silence, clipping and level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen import dsp
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import KeyEstimate, TempoEstimate
from tydust_assetgen.dsp.key import MARGIN as KEY_MARGIN
from tydust_assetgen.dsp.tempo import MARGIN as TEMPO_MARGIN
from tydust_assetgen.flow import Brief, Mark, Master, Recipe, Take

MATCHING_TEXT = 0.5
"""The cosine that gets full marks. With CLAP, music and a text that is about something else have 0 to 0.1, MusicGen
and its own prompts 0.3 on average (J. Copet et al., "Simple and Controllable Music Generation", 2023, table 1)."""
FAR_KEY = 1.0
"""How far behind the best key, beyond the margin, the asked one is when nothing of it is left: C and F# are 1.2 to
1.4 apart, a fifth and the parallel key 0.2 to 0.6."""
CLEAR_KEY = 0.4
"""A key that fits worse than this is hardly heard, though no other may fit better."""
CLEAR_BEAT = 0.1
"""Where even the best tempo fits worse than this, there is no beat that could be wrong: the mark goes to the middle."""

EVIDENCE_S = 8.0
"""Where a slot is strict, another key or tempo is a fault in sound that is at least this long. So has verifying it."""


def marks_of(take: Take, master: Master, recipe: Recipe, text_match: float | None) -> tuple[Mark, ...]:
    """See `score`. What was not asked for, or can't be told, has no mark."""
    found = (
        text_mark(text_match),
        key_mark(master, recipe),
        tempo_mark(master, recipe),
        seam_mark(master),
        steadiness_mark(master, recipe.brief),
        silence_mark(master),
        clipping_mark(take),
        level_mark(master, recipe.finish.target_lufs),
    )
    return tuple(mark for mark in found if mark is not None)


def text_mark(cosine: float | None) -> Mark | None:
    """How near the sound is to the prompt."""
    if cosine is None:
        return None
    return Mark(name="text", score=cosine / MATCHING_TEXT, measured=f"cosine {cosine:.2f}")


def key_mark(master: Master, recipe: Recipe) -> Mark | None:
    """How well the asked key explains the sound, against the best key and by itself."""
    asked = recipe.brief.key
    if not asked:
        return None
    if _written(master) and _same_key(master.facts.key, asked):
        return Mark(name="key", score=1.0, measured=f"{asked}, as written")
    heard = dsp.estimate_key(master.audio)
    if not heard.ranking:
        return Mark(name="key", score=0.0, measured="no pitch")
    try:
        shortfall = heard.shortfall(asked)
    except ValueError:
        return None  # nothing that could be heard, such as `atonal`
    behind = 1 - max(shortfall - KEY_MARGIN, 0.0) / FAR_KEY
    alone = (heard.ranking[0][1] - shortfall) / CLEAR_KEY
    wrong = _strict("key", master, recipe) and shortfall > KEY_MARGIN and _clear_key(heard, asked)
    fault = f"it sounds like {heard.name}, and the slot is strict" if wrong else ""
    return Mark(name="key", score=min(behind, alone), measured=heard.name, fault=fault)


def _clear_key(heard: KeyEstimate, asked: str) -> bool:
    return heard.ranking[0][1] >= CLEAR_KEY and dsp.key_relation(heard.name, asked) != "relative"


def _strict(name: str, master: Master, recipe: Recipe) -> bool:
    strict = recipe.brief.generator == "composer" or name in recipe.strict
    return strict and master.audio.duration_s >= EVIDENCE_S


def _written(master: Master) -> bool:
    """Whether it was played from a score. What a model plays must be listened to, also where it had a guide."""
    return not master.provenance.model


def _same_key(known: str, asked: str) -> bool:
    try:
        return bool(known) and dsp.parse_key(known) == dsp.parse_key(asked)
    except ValueError:
        return False


def tempo_mark(master: Master, recipe: Recipe) -> Mark | None:
    """How well the sound repeats at the asked tempo, as a share of how well it repeats at its best."""
    asked_bpm = recipe.brief.bpm
    if not asked_bpm:
        return None
    if _written(master) and master.facts.bpm and dsp.tempo_relation(master.facts.bpm, asked_bpm) == "exact":
        return Mark(name="tempo", score=1.0, measured=f"{asked_bpm:g} BPM, as written")
    heard = dsp.estimate_tempo(master.audio)
    best = max(heard.best_rival(asked_bpm), heard.fit(asked_bpm), 1e-6)
    clear = min(best / CLEAR_BEAT, 1.0)
    held = min(heard.fit(asked_bpm) / (TEMPO_MARGIN * best), 1.0)
    words = f"{heard.bpm:.0f} BPM" if heard.bpm else "no beat"
    wrong = _strict("tempo", master, recipe) and not heard.explains(asked_bpm) and _clear_beat(heard, asked_bpm)
    fault = f"it sounds like {words}, and the slot is strict" if wrong else ""
    return Mark(name="tempo", score=clear * held + (1 - clear) / 2, measured=words, fault=fault)


def _clear_beat(heard: TempoEstimate, asked_bpm: float) -> bool:
    octave = dsp.tempo_relation(heard.bpm, asked_bpm) == "octave"
    return heard.bpm > 0 and heard.confidence >= CLEAR_BEAT and not octave


QUIET_WRAP = 0.5
"""A wrap that uses up to half of its limits is as any other place of the track: full marks. All of them: half."""
SILENCE_S = 0.5
"""Silence that is music; a rest of a beat is, too. Verifying allows as much."""
ENDING_S = 2.0
"""How long a track that does not loop may be silent at its end. Verifying allows as much."""
SPARSE_SHARE, EMPTY_SHARE = 0.1, 0.5
"""Rests up to a tenth of a track cost nothing; a track that is silent half of the time is none."""
CLIPPED_SHARE = 0.001
"""The share of flat samples that is a fault: at 0.1 %, about what 1 dB too much leaves of dense music, it is heard."""
LOUDNESS_TOLERANCE_LU = 0.5
"""As verifying has it."""


def seam_mark(master: Master) -> Mark | None:
    """How far the wrap stays under the limits of a seam that is not heard."""
    if master.loop is None:
        return None
    heard = dsp.seam(master.audio, master.loop)
    fault = heard.reason and f"the seam is heard: {heard.reason}"
    return Mark(name="seam", score=1 + QUIET_WRAP - heard.share, measured=f"{heard.share:.0%} of limit", fault=fault)


def silence_mark(master: Master) -> Mark:
    """The longest rest, and how much of the track is silent."""
    audio, wraps = master.audio, master.loop is not None
    allowed_s = max(SILENCE_S, 60 / master.facts.bpm if master.facts.bpm else 0.0)
    ending_s = 0.0 if wraps else dsp.trailing_silence_s(audio)
    inside = Audio(audio.samples[:, : max(audio.frames - round(ending_s * audio.rate_hz), 1)], audio.rate_hz)
    longest_s, share = dsp.longest_silence_s(inside, wraps=wraps), dsp.silent_share(inside)
    measured = f"{longest_s:.1f} s, {share:.0%}"
    if share >= EMPTY_SHARE:
        fault = "half of it is silent"
    elif longest_s > allowed_s or ending_s > ENDING_S:
        fault = f"it is silent for {max(longest_s, ending_s):.1f} s"
    else:
        fault = ""
    rests = min(allowed_s / longest_s, 1.0) if longest_s else 1.0
    sparse = 1 - max(share - SPARSE_SHARE, 0.0) / (EMPTY_SHARE - SPARSE_SHARE)
    return Mark(name="silence", score=min(rests, sparse), measured=measured, fault=fault)


def clipping_mark(take: Take) -> Mark:
    """The share of samples that were cut flat before finishing could do anything about it."""
    share = dsp.flat_share(take.audio)
    fault = f"{share:.1%} of it is clipped" if share > CLIPPED_SHARE else ""
    return Mark(name="clipping", score=1 - share / CLIPPED_SHARE, measured=f"{share:.2%}", fault=fault)


def level_mark(master: Master, target_lufs: float) -> Mark:
    """Whether its peaks left room for the asked loudness."""
    heard_lufs = dsp.integrated_lufs(master.audio)
    missed_lu = abs(heard_lufs - target_lufs)
    fault = f"its loudness is {missed_lu:.1f} LU off" if missed_lu > LOUDNESS_TOLERANCE_LU else ""
    return Mark(name="level", score=0.0 if fault else 1.0, measured=f"{heard_lufs:.1f} LUFS", fault=fault)


SPREAD_LU = (6.0, 18.0)
"""From full marks to none. Within a section, music made for games stays inside about 6 LU."""
DRIFT_LU = (3.0, 12.0)
"""From full marks to none, over the whole track: 3 LU is what a build-up may well do."""
_WINDOW_S, _HOP_S = 3.0, 0.1
_LEAST_WINDOWS = 10
_FLOOR_LU = 20.0
"""Further than this under the mean it is silence, and silence has its own mark."""
_ENDING_S, _ENDING_SHARE = 5.0, 0.2
"""The end of a track that does not loop may die away."""

Span = tuple[float, float]
"""Begin and end, in seconds."""


class Steadiness(NamedTuple):
    """In LU: the 5th to the 95th percentile inside sections, and the change over the whole track."""

    spread_lu: float
    drift_lu: float


def steadiness_mark(master: Master, brief: Brief) -> Mark | None:
    """The worse of spread and drift; no mark where no section is long enough to tell."""
    found = steadiness(master.audio, _spans(master, brief))
    if found is None:
        return None
    score = min(_falling(found.spread_lu, SPREAD_LU), _falling(abs(found.drift_lu), DRIFT_LU))
    measured = f"spread {found.spread_lu:.1f} LU, drift {found.drift_lu:+.1f} LU"
    return Mark(name="steadiness", score=score, measured=measured)


def steadiness(audio: Audio, spans: Sequence[Span]) -> Steadiness | None:
    """Measure loudness inside each span, in windows of 3 s that lie in it whole; `None` where there are none."""
    levels = dsp.short_term_lufs(audio)
    starts_s: NDArray[np.float64] = np.arange(levels.size) * np.float64(_HOP_S)
    insides = [(starts_s >= begin) & (starts_s + _WINDOW_S <= end + 1e-6) for begin, end in spans]
    groups = [np.flatnonzero(inside) for inside in insides if inside.sum() >= _LEAST_WINDOWS]
    if not groups or not np.isfinite(levels).any():
        return None
    powers = 10 ** (levels / 10)
    floor = 10 * np.log10(float(powers.mean())) - _FLOOR_LU
    floored = np.asarray(np.maximum(levels, floor), dtype=np.float64)
    around = np.concatenate([floored[group] - np.median(floored[group]) for group in groups])
    low, high = np.percentile(around, (5, 95))
    return Steadiness(float(high - low), _drift_lu(starts_s, floored, groups))


def _drift_lu(starts_s: NDArray[np.float64], levels: NDArray[np.float64], groups: list[NDArray[np.intp]]) -> float:
    """A drift goes on inside every section and over all of them: the smaller slope of both, from first to last."""
    inside = _slope(
        np.concatenate([starts_s[group] - starts_s[group].mean() for group in groups]),
        np.concatenate([levels[group] - levels[group].mean() for group in groups]),
    )
    every = np.concatenate(groups)
    over_all = _slope(starts_s[every] - starts_s[every].mean(), levels[every] - levels[every].mean())
    steady = inside * over_all <= 0
    return 0.0 if steady else min(inside, over_all, key=abs) * float(starts_s[every[-1]] - starts_s[every[0]])


def _slope(times: NDArray[np.float64], levels: NDArray[np.float64]) -> float:
    return float(times @ levels / (times @ times))


def _spans(master: Master, brief: Brief) -> list[Span]:
    """The sections as they were played, or else as they were asked for; the whole track where there are none."""
    whole_s = master.audio.duration_s
    end_s = whole_s if master.loop else whole_s - min(_ENDING_S, _ENDING_SHARE * whole_s)
    if played := master.facts.sections:
        spans = [(section.start_s, section.start_s + section.length_s) for section in played]
    else:
        ends = np.cumsum([section.seconds for section in brief.sections]).tolist() or [whole_s]
        spans = list(zip([0.0, *ends[:-1]], ends, strict=True))
    return [(begin, min(end, end_s)) for begin, end in spans if begin < end_s]


def _falling(value: float, limits: tuple[float, float]) -> float:
    full, none = limits
    return min(max((none - value) / (none - full), 0.0), 1.0)
