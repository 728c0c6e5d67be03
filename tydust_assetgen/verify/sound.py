"""Checks of the sound: loudness, peaks, clipping, silence, DC and the seam of a loop; then key and tempo.

An asked key or tempo is a hypothesis, and the sound is its test: it holds when the asked key or tempo explains the
sound about as well as the best one does. For the composer, and for slots that are `strict`, another key or tempo
fails; for other generators it warns. Too little evidence only ever warns.
"""

from __future__ import annotations

import math
from typing import Literal

from tydust_assetgen import dsp
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.codec import Decoded
from tydust_assetgen.dsp import KeyEstimate, TempoEstimate
from tydust_assetgen.dsp.key import MARGIN as KEY_MARGIN
from tydust_assetgen.flow import Check, Facts, Output, Recipe
from tydust_assetgen.verify.checks import LOSSY, PADDED, judged

LOUDNESS_TOLERANCE_LU = 0.5
LOSSY_PEAK_DB = 2.0
"""What a lossy codec may add to the true peak. Vorbis, MP3 and Opus were seen to add up to 1.9 dB to music: that
is what the default of -2 dBTP leaves room for."""
LOSSY_CEILING_DBTP = -0.1
"""Whatever is asked, a decoder that works in whole numbers must not clip."""
LOSSLESS_PEAK_DB = 0.1
SILENCE_S = 0.5
ENDING_S = 2.0
"""How long a track that does not loop may be silent at its end, once its tail has died away."""
DC_LIMIT = 0.005


def finite_check(audio: Audio) -> Check:
    """Whether all samples are finite."""
    right = not dsp.has_non_finite(audio)
    return judged("finite", right, "finite" if right else "not finite", "finite", "it holds NaN or infinite samples")


def signal_checks(decoded: Decoded, output: Output, recipe: Recipe, facts: Facts) -> tuple[Check, ...]:
    """Loudness, true peak, clipping, silence, DC and, for a loop, the seam, in this order. Samples are finite."""
    audio = decoded.audio
    checks = (
        _loudness(audio, recipe),
        _true_peak(audio, output, recipe),
        _clipping(audio),
        _silence(audio, recipe, facts),
        _dc(audio),
    )
    return (*checks, _seam(decoded, output)) if recipe.finish.loop else checks


def _loudness(audio: Audio, recipe: Recipe) -> Check:
    target, heard = recipe.finish.target_lufs, dsp.integrated_lufs(audio)
    right = abs(heard - target) <= LOUDNESS_TOLERANCE_LU
    reason = f"it is {abs(heard - target):.1f} LU too {'quiet' if heard < target else 'loud'}"
    if heard < target:
        reason += f"; peaks may leave no room for {target:g} LUFS: ask for a lower loudness"
    if math.isinf(heard):
        reason = "it is silent"
    return judged("loudness", right, f"{heard:.1f} LUFS", f"{target:g} ± {LOUDNESS_TOLERANCE_LU} LUFS", reason)


def _true_peak(audio: Audio, output: Output, recipe: Recipe) -> Check:
    asked, heard = recipe.finish.true_peak_dbtp, dsp.true_peak_dbtp(audio)
    lossy = output.codec in LOSSY
    limit = min(asked + LOSSY_PEAK_DB, LOSSY_CEILING_DBTP) if lossy else asked + LOSSLESS_PEAK_DB
    reason = f"the wave is {heard - limit:.1f} dB too high between or at the samples"
    return judged("true_peak", heard <= limit, f"{heard:.1f} dBTP", f"at most {limit:.1f} dBTP", reason)


def _clipping(audio: Audio) -> Check:
    runs = dsp.clipping_runs(audio)
    return judged("clipping", runs == 0, f"{runs} runs", "0 runs", "the wave is cut flat at full scale")


def _silence(audio: Audio, recipe: Recipe, facts: Facts) -> Check:
    """A rest of one beat is music, even where a beat is longer than half a second."""
    allowed_s = max(SILENCE_S, 60 / facts.bpm if facts.bpm else 0.0)
    ending_s = 0.0 if recipe.finish.loop else dsp.trailing_silence_s(audio)
    inside = Audio(audio.samples[:, : audio.frames - round(ending_s * audio.rate_hz)], audio.rate_hz)
    longest_s = dsp.longest_silence_s(inside, wraps=recipe.finish.loop) if inside.frames > 0 else ending_s
    wanted = f"at most {allowed_s:.2f} s" + ("" if recipe.finish.loop else f", {ENDING_S:.0f} s at the end")
    right = longest_s <= allowed_s and ending_s <= ENDING_S
    return judged("silence", right, f"{max(longest_s, ending_s):.2f} s", wanted, "it is silent for too long")


def _dc(audio: Audio) -> Check:
    offset = dsp.dc_offset(audio)
    return judged("dc", offset <= DC_LIMIT, f"{offset:.4f}", f"at most {DC_LIMIT}", "the wave does not rest at zero")


def _seam(decoded: Decoded, output: Output) -> Check:
    """Where a codec can't be trimmed to the sample, a seam that is heard is the codec's, and warns."""
    audio = decoded.audio
    loop = decoded.loop or LoopPoints(0, audio.frames)
    if not 0 <= loop.start_frames < loop.end_frames <= audio.frames:
        return judged("seam", False, "none", "a wrap that is not heard", "the loop points lie outside the sound")
    heard = dsp.seam(audio, loop)
    measured = f"jump {heard.jump_ratio:.2f} of p99, rise {heard.rise_db:.1f} dB, fall {heard.fall_db:.1f} dB"
    wanted = f"no click, rise to {heard.rise_limit_db:.1f} dB, fall to {heard.fall_limit_db:.1f} dB"
    otherwise: Literal["warn", "fail"] = "warn" if output.codec in PADDED else "fail"
    return judged("seam", heard.ok, measured, wanted, heard.reason, otherwise=otherwise)


EVIDENCE_S = 8.0
"""Shorter sound has a handful of chords and beats: too little to call it wrong."""
CLEAR_KEY = 0.4
"""Where even the best key fits worse than this, the sound has no clear key."""
CLEAR_BEAT = 0.1
"""Where even the best tempo fits worse than this, the sound has no clear beat."""

_Severity = Literal["warn", "fail"]


def music_checks(audio: Audio, recipe: Recipe, facts: Facts) -> tuple[Check, ...]:
    """Key and tempo, each where it was asked for or where the generator claims one. Samples are finite."""
    brief = recipe.brief
    key, bpm = brief.key or facts.key, brief.bpm or facts.bpm
    key_severity, tempo_severity = (_severity(name, audio, recipe) for name in ("key", "tempo"))
    return (
        *((_key(dsp.estimate_key(audio), key, facts.key, key_severity),) if key else ()),
        *((_tempo(dsp.estimate_tempo(audio), bpm, facts.bpm, tempo_severity),) if bpm else ()),
    )


def _severity(name: str, audio: Audio, recipe: Recipe) -> _Severity:
    strict = recipe.brief.generator == "composer" or name in recipe.strict
    return "fail" if strict and audio.duration_s >= EVIDENCE_S else "warn"


def _key(heard: KeyEstimate, asked: str, claimed: str, severity: _Severity) -> Check:
    if not heard.ranking:
        return judged("key", False, "no pitch", asked, "nothing in it has a pitch", otherwise="warn")
    try:
        shortfall, relation = heard.shortfall(asked), dsp.key_relation(heard.name, asked)
        other = bool(claimed) and dsp.parse_key(claimed) != dsp.parse_key(asked)
    except ValueError as error:
        return judged("key", False, heard.name, asked, str(error), otherwise="warn")
    if other:
        return judged("key", False, claimed, asked, f"the generator says it played in {claimed}", otherwise=severity)
    unclear = heard.ranking[0][1] < CLEAR_KEY or relation == "relative"
    measured = heard.name if relation == "exact" else f"{heard.name} ({relation}), {asked} {shortfall:.2f} behind"
    reason = f"it sounds like {heard.name}" + (", which has the same notes" if relation == "relative" else "")
    return judged("key", shortfall <= KEY_MARGIN, measured, asked, reason, otherwise="warn" if unclear else severity)


def _tempo(heard: TempoEstimate, asked_bpm: float, claimed_bpm: float, severity: _Severity) -> Check:
    wanted = f"{asked_bpm:g} BPM"
    if not heard.bpm:
        return judged("tempo", False, "no beat", wanted, "nothing in it has a steady beat", otherwise="warn")
    if claimed_bpm and dsp.tempo_relation(claimed_bpm, asked_bpm) != "exact":
        claim = f"{claimed_bpm:g} BPM"
        return judged("tempo", False, claim, wanted, f"the generator says it played at {claim}", otherwise=severity)
    relation = dsp.tempo_relation(heard.bpm, asked_bpm)
    measured = f"{heard.bpm:.1f} BPM" + ("" if relation == "exact" else f" ({relation})")
    unclear = relation == "octave" or heard.confidence < CLEAR_BEAT
    reason = f"it sounds like {heard.bpm:.0f} BPM"
    right = heard.explains(asked_bpm)
    return judged("tempo", right, measured, wanted, reason, otherwise="warn" if unclear else severity)
