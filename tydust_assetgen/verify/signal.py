"""Checks of the signal: loudness, peaks, clipping, silence, DC, and the seam of a loop."""

from __future__ import annotations

import math
from typing import Literal

from tydust_assetgen import dsp
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.codec import Decoded
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
