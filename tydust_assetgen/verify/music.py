"""Checks of the music: is it in the key and at the tempo that were asked for.

What is asked is a hypothesis, and the sound is its test: it holds when the asked key or tempo explains the
sound about as well as the best one does. For the composer, and for slots that are `strict`, another key or
tempo fails; for other generators it warns. Too little evidence only ever warns.
"""

from __future__ import annotations

from typing import Literal

from tydust_assetgen import dsp
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import KeyEstimate, TempoEstimate
from tydust_assetgen.dsp.key import MARGIN as KEY_MARGIN
from tydust_assetgen.flow import Check, Facts, Recipe
from tydust_assetgen.verify.checks import judged

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
