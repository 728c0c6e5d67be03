"""Marks for the signal: the seam of a loop, silence, clipping, and whether the asked loudness was reached."""

from __future__ import annotations

from tydust_assetgen import measure
from tydust_assetgen.audio import Audio
from tydust_assetgen.flow import Mark, Master, Take

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
    heard = measure.seam(master.audio, master.loop)
    fault = heard.reason and f"the seam is heard: {heard.reason}"
    return Mark(name="seam", score=1 + QUIET_WRAP - heard.share, measured=f"{heard.share:.0%} of limit", fault=fault)


def silence_mark(master: Master) -> Mark:
    """The longest rest, and how much of the track is silent."""
    audio, wraps = master.audio, master.loop is not None
    allowed_s = max(SILENCE_S, 60 / master.facts.bpm if master.facts.bpm else 0.0)
    ending_s = 0.0 if wraps else measure.trailing_silence_s(audio)
    inside = Audio(audio.samples[:, : max(audio.frames - round(ending_s * audio.rate_hz), 1)], audio.rate_hz)
    longest_s, share = measure.longest_silence_s(inside, wraps=wraps), measure.silent_share(inside)
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
    share = measure.flat_share(take.audio)
    fault = f"{share:.1%} of it is clipped" if share > CLIPPED_SHARE else ""
    return Mark(name="clipping", score=1 - share / CLIPPED_SHARE, measured=f"{share:.2%}", fault=fault)


def level_mark(master: Master, target_lufs: float) -> Mark:
    """Whether its peaks left room for the asked loudness."""
    heard_lufs = measure.integrated_lufs(master.audio)
    missed_lu = abs(heard_lufs - target_lufs)
    fault = f"its loudness is {missed_lu:.1f} LU off" if missed_lu > LOUDNESS_TOLERANCE_LU else ""
    return Mark(name="level", score=0.0 if fault else 1.0, measured=f"{heard_lufs:.1f} LUFS", fault=fault)
