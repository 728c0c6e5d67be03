"""Marks for the music: does it follow the text, the key and the tempo that were asked for?"""

from __future__ import annotations

from tydust_assetgen import dsp
from tydust_assetgen.dsp import KeyEstimate, TempoEstimate
from tydust_assetgen.dsp.key import MARGIN as KEY_MARGIN
from tydust_assetgen.dsp.tempo import MARGIN as TEMPO_MARGIN
from tydust_assetgen.flow import Mark, Master, Recipe

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
