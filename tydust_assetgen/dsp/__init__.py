"""Measures sound: loudness, peaks, key, tempo, loop seams and faults.

Pure functions of `Audio`, one module for each thing that is measured. Nothing here decides what is good enough: that is
the business of `verify` and `scoring`.
"""

from tydust_assetgen.dsp.beats import SoundFrames, sound_frames
from tydust_assetgen.dsp.faults import (
    clipping_runs,
    dc_offset,
    flat_share,
    has_non_finite,
    leading_silence_s,
    longest_silence_s,
    silent_share,
    trailing_silence_s,
)
from tydust_assetgen.dsp.key import KeyEstimate, estimate_key, parse_key
from tydust_assetgen.dsp.key import relation as key_relation
from tydust_assetgen.dsp.loudness import (
    integrated_lufs,
    loudness_range_lu,
    sample_peak_dbfs,
    short_term_lufs,
    true_peak_dbtp,
    true_peak_envelope,
)
from tydust_assetgen.dsp.seam import Seam, seam
from tydust_assetgen.dsp.tempo import TempoEstimate, estimate_tempo
from tydust_assetgen.dsp.tempo import relation as tempo_relation

__all__ = [
    "KeyEstimate",
    "Seam",
    "SoundFrames",
    "TempoEstimate",
    "clipping_runs",
    "dc_offset",
    "estimate_key",
    "estimate_tempo",
    "flat_share",
    "has_non_finite",
    "integrated_lufs",
    "key_relation",
    "leading_silence_s",
    "longest_silence_s",
    "loudness_range_lu",
    "parse_key",
    "sample_peak_dbfs",
    "seam",
    "short_term_lufs",
    "silent_share",
    "sound_frames",
    "tempo_relation",
    "trailing_silence_s",
    "true_peak_dbtp",
    "true_peak_envelope",
]
