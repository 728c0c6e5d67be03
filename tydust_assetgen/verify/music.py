"""Checks of the music: is it in the key and at the tempo that were asked for.

What is asked is a hypothesis, and the sound is its test: it holds when the asked key or tempo explains the
sound about as well as the best one does. For the composer, and for slots that are `strict`, another key or
tempo fails; for other generators it warns. Too little evidence only ever warns.
"""

from __future__ import annotations

from typing import Literal

from tydust_assetgen import measure
from tydust_assetgen.audio import Audio
from tydust_assetgen.flow import Check, Facts, Recipe
from tydust_assetgen.measure import KeyEstimate, TempoEstimate
from tydust_assetgen.measure.key import MARGIN as KEY_MARGIN
from tydust_assetgen.verify.judge import judged

EVIDENCE_S = 8.0
"""Shorter sound has a handful of chords and beats: too little to call it wrong."""
CLEAR_KEY = 0.4
"""Where even the best key fits worse than this, the sound has no clear key."""
CLEAR_BEAT = 0.1
"""Where even the best tempo fits worse than this, the sound has no clear beat."""

_Otherwise = Literal["warn", "fail"]


def music_checks(audio: Audio, recipe: Recipe, facts: Facts) -> tuple[Check, ...]:
    """Key and tempo, each where it was asked for or where the generator claims one. Samples are finite."""
    key, bpm = recipe.brief.key or facts.key, recipe.brief.bpm or facts.bpm
    return (
        *((_key(measure.estimate_key(audio), key, _severity("key", audio, recipe)),) if key else ()),
        *((_tempo(measure.estimate_tempo(audio), bpm, _severity("tempo", audio, recipe)),) if bpm else ()),
    )


def _severity(name: str, audio: Audio, recipe: Recipe) -> _Otherwise:
    strict = recipe.brief.generator == "composer" or name in recipe.strict
    return "fail" if strict and audio.duration_s >= EVIDENCE_S else "warn"


def _key(heard: KeyEstimate, asked: str, severity: _Otherwise) -> Check:
    if not heard.ranking:
        return judged("key", False, "no pitch", asked, "nothing in it has a pitch", otherwise="warn")
    try:
        shortfall, relation = heard.shortfall(asked), measure.key_relation(heard.name, asked)
    except ValueError:
        return judged("key", False, heard.name, asked, f"`{asked}` is no key that can be measured", otherwise="warn")
    unclear = heard.ranking[0][1] < CLEAR_KEY or relation == "relative"
    measured = heard.name if relation == "exact" else f"{heard.name} ({relation}), {asked} {shortfall:.2f} behind"
    reason = f"it sounds like {heard.name}" + (", which has the same notes" if relation == "relative" else "")
    otherwise: _Otherwise = "warn" if unclear else severity
    return judged("key", shortfall <= KEY_MARGIN, measured, asked, reason, otherwise=otherwise)


def _tempo(heard: TempoEstimate, asked_bpm: float, severity: _Otherwise) -> Check:
    wanted = f"{asked_bpm:g} BPM"
    if not heard.bpm:
        return judged("tempo", False, "no beat", wanted, "nothing in it has a steady beat", otherwise="warn")
    relation = measure.tempo_relation(heard.bpm, asked_bpm)
    measured = f"{heard.bpm:.1f} BPM" + ("" if relation == "exact" else f" ({relation})")
    otherwise: _Otherwise = "warn" if relation == "octave" or heard.confidence < CLEAR_BEAT else severity
    reason = f"it sounds like {heard.bpm:.0f} BPM"
    return judged("tempo", heard.explains(asked_bpm), measured, wanted, reason, otherwise=otherwise)
