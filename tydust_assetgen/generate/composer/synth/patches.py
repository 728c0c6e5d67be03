"""The sound library: every patch that a score may name, as data.

Levels (`level_db`) are set so that a typical note at velocity 100 is equally loud within a role; `docs/synth.md` has
the table, and a test measures it.
"""

from __future__ import annotations

from tydust_assetgen.generate.composer.synth.patch_types import (
    Chip,
    Effect,
    Filter,
    Fm,
    Kick,
    Kit,
    Operator,
    Oscillator,
    Patch,
    Snare,
    Subtractive,
)
from tydust_assetgen.generate.composer.synth.signal import Adsr

_AH = ((700.0, 130.0, 1.0), (1_150.0, 160.0, 0.6), (2_700.0, 300.0, 0.28), (3_400.0, 400.0, 0.18))
"""Formants of a sung "ah", (centre, bandwidth, gain), after Peterson & Barney 1952, between man and woman."""


def _unison(wave: str, voices: int, cents: float, spread: float, straight: bool = False, **more: float) -> Oscillator:
    return Oscillator(wave, voices=voices, detune_cents=cents, spread=spread, straight=straight, **more)


_PADS = (
    Patch(
        "warm_pad",
        Subtractive(
            (
                _unison("saw", 4, 11.0, 0.85, low_cut_hz=110.0),
                # A square and a little saw just above it: the low end stands, what is over it moves.
                Oscillator("square", 0.26, -12.0),
                Oscillator("saw", 0.14, -11.95),
            ),
            Filter(1_250.0, 0.35, 0.12, 4, 0.9, Adsr(1.1, 2.5, 0.55, 1.5), 0.12, 0.17),
            Adsr(0.55, 2.0, 0.85, 1.3),
            breath=0.012,
            level_db=-14.9,
        ),
        chorus=0.5,
        ducks=1.0,
    ),
    Patch(
        "dark_pad",
        Subtractive(
            (
                _unison("saw", 4, 14.0, 0.85, low_cut_hz=110.0),
                Oscillator("square", 0.3, -12.0),
            ),
            Filter(860.0, 0.4, 0.2, 4, 0.9, Adsr(1.6, 3.0, 0.6, 2.0), 0.25, 0.11),
            Adsr(0.9, 2.0, 0.9, 1.9),
            breath=0.012,
            level_db=-14.1,
        ),
        chorus=0.8,
        ducks=1.0,
    ),
    Patch(
        "glass_pad",
        Subtractive(
            (_unison("glass", 4, 6.0, 0.9), Oscillator("triangle", 0.4)),
            Filter(4_500.0, 0.3, 0.05, 2, 0.6, Adsr(0.4, 2.0, 0.4, 1.5), 0.2, 0.23),
            Adsr(0.35, 2.5, 0.7, 1.8),
            breath=0.014,
            level_db=-15.6,
        ),
        chorus=0.6,
        ducks=0.8,
    ),
    Patch(
        "choir_pad",
        Subtractive(
            (
                _unison("saw", 3, 13.0, 0.8, level=0.775, low_cut_hz=90.0, straight=True),
                _unison("saw", 2, 9.0, 0.6, level=0.632, low_cut_hz=90.0),
            ),
            Filter(5_200.0, 0.0, 0.0, 2, 0.3, Adsr(0.8, 2.0, 0.7, 1.0), 0.1, 0.21),
            Adsr(0.45, 2.0, 0.9, 1.0),
            vibrato_cents=11.0,
            vibrato_hz=4.7,
            breath=0.006,
            formants=_AH,
            level_db=-1.2,
        ),
        chorus=0.6,
        ducks=0.8,
    ),
    Patch(
        "strings",
        Subtractive(
            (
                _unison("saw", 4, 13.0, 1.0, level=0.816, low_cut_hz=120.0, straight=True),
                _unison("saw", 2, 7.0, 0.7, level=0.577, low_cut_hz=120.0),
            ),
            Filter(4_600.0, 0.3, 0.04, 2, 0.4, Adsr(0.4, 2.0, 0.6, 0.8), 0.1, 0.27),
            Adsr(0.28, 1.5, 0.9, 0.7),
            vibrato_cents=7.0,
            vibrato_hz=5.1,
            breath=0.011,
            level_db=-16.1,
        ),
        chorus=0.6,
        ducks=0.8,
    ),
)

_BASSES = (
    Patch(
        "warm_bass",
        Subtractive(
            (_unison("saw", 3, 5.0, 0.0), Oscillator("square", 0.45)),
            Filter(620.0, 0.5, 0.28, 4, 1.7, Adsr(0.003, 0.32, 0.15, 0.1)),
            Adsr(0.004, 0.6, 0.75, 0.07),
            level_db=-19.1,
        ),
        ducks=0.6,
    ),
    Patch(
        "acid_bass",
        Subtractive(
            (Oscillator("saw", 0.8),),
            Filter(420.0, 0.3, 0.83, 4, 2.7, Adsr(0.003, 0.24, 0.05, 0.08)),
            Adsr(0.003, 0.5, 0.7, 0.05),
            drive=0.18,
            opens_octaves=1.6,
            level_db=-16.7,
        ),
        ducks=0.5,
    ),
    Patch(
        "sub_bass",
        Subtractive(
            (Oscillator("sine", 1.0), Oscillator("triangle", 0.35)),
            Filter(600.0, 0.5, 0.0, 2, 0.5, Adsr(0.003, 0.2, 0.3, 0.1)),
            Adsr(0.006, 0.6, 0.85, 0.09),
            level_db=-19.3,
        ),
        ducks=0.8,
    ),
    Patch(
        "reese_bass",
        Subtractive(
            (
                _unison("saw", 4, 17.0, 0.7, low_cut_hz=160.0),
                Oscillator("sine", 0.8),
            ),
            Filter(900.0, 0.4, 0.2, 4, 0.4, Adsr(0.02, 0.8, 0.6, 0.2), 0.45, 0.5),
            Adsr(0.006, 0.8, 0.9, 0.1),
            level_db=-12.0,
        ),
        ducks=0.6,
    ),
    Patch(
        "distorted_bass",
        Subtractive(
            (Oscillator("saw", 0.8), Oscillator("square", 0.45, 0.03)),
            Filter(900.0, 0.4, 0.45, 4, 1.5, Adsr(0.003, 0.28, 0.3, 0.1)),
            Adsr(0.003, 0.6, 0.85, 0.06),
            drive=0.7,
            level_db=-18.3,
        ),
        ducks=0.5,
    ),
)

_LEADS = (
    Patch(
        "saw_lead",
        Subtractive(
            (_unison("saw", 3, 9.0, 0.5), Oscillator("saw", 0.25, -12.0, width=0.4, pwm=0.1, pwm_hz=0.7)),
            Filter(2_600.0, 0.5, 0.2, 4, 1.0, Adsr(0.01, 0.5, 0.4, 0.25)),
            Adsr(0.008, 0.8, 0.8, 0.22),
            vibrato_cents=14.0,
            scoop_cents=25.0,
            level_db=-11.2,
        ),
        ducks=0.2,
    ),
    Patch(
        "square_lead",
        Subtractive(
            (_unison("square", 3, 6.0, 0.4), Oscillator("square", 0.2, 12.0)),
            Filter(2_400.0, 0.5, 0.18, 4, 0.8, Adsr(0.006, 0.4, 0.4, 0.2)),
            Adsr(0.006, 0.7, 0.75, 0.18),
            vibrato_cents=12.0,
            level_db=-14.0,
        ),
        ducks=0.2,
    ),
    Patch(
        "soft_lead",
        Subtractive(
            (_unison("triangle", 3, 5.0, 0.5), Oscillator("saw", 0.4)),
            Filter(2_700.0, 0.6, 0.1, 4, 0.6, Adsr(0.05, 0.6, 0.5, 0.4)),
            Adsr(0.045, 1.0, 0.85, 0.4),
            vibrato_cents=11.0,
            breath=0.003,
            level_db=-11.6,
        ),
        chorus=0.25,
        ducks=0.2,
    ),
    Patch(
        "bell",
        Fm(
            ((1.0, 0.7), (2.0, 0.2), (4.0, 0.08)),
            (Operator(3.5, 1.6, 1.2), Operator(11.0, 0.5, 0.12)),
            Adsr(0.003, 2.6, 0.0, 0.9),
            level_db=-14.3,
        ),
        ducks=0.2,
    ),
    Patch(
        "brass",
        Subtractive(
            (_unison("saw", 4, 9.0, 0.6), Oscillator("saw", 0.4)),
            Filter(900.0, 0.6, 0.12, 4, 2.0, Adsr(0.07, 0.6, 0.55, 0.2)),
            Adsr(0.035, 0.8, 0.85, 0.16),
            vibrato_cents=8.0,
            scoop_cents=30.0,
            level_db=-11.0,
        ),
        chorus=0.2,
        ducks=0.3,
    ),
)

_ARPS = (
    Patch(
        "pluck_arp",
        Subtractive(
            (_unison("saw", 3, 8.0, 0.6), Oscillator("square", 0.3, -12.0)),
            Filter(1_300.0, 0.6, 0.25, 4, 2.2, Adsr(0.003, 0.22, 0.0, 0.15)),
            Adsr(0.003, 0.55, 0.15, 0.18),
            level_db=-8.4,
        ),
        ducks=0.5,
    ),
    Patch(
        "pulse_arp",
        Subtractive(
            (Oscillator("saw", 0.8, width=0.3, pwm=0.12, pwm_hz=1.3), _unison("saw", 2, 7.0, 0.8, level=0.35)),
            Filter(1_700.0, 0.5, 0.3, 4, 1.6, Adsr(0.003, 0.26, 0.1, 0.15)),
            Adsr(0.003, 0.5, 0.35, 0.14),
            level_db=-9.8,
        ),
        ducks=0.5,
    ),
    Patch(
        "fm_arp",
        Fm(
            ((1.0, 0.75), (2.0, 0.18)),
            (Operator(2.0, 2.2, 0.35, 0.22), Operator(7.0, 0.8, 0.07)),
            Adsr(0.003, 0.7, 0.1, 0.25),
            level_db=-12.9,
        ),
        ducks=0.4,
    ),
)

_KITS = (
    Patch("kit_80s", Kit(Kick(), Snare(gate_s=0.2, gate=0.55), level_db=-5.5)),
    Patch(
        "kit_80s_soft",
        Kit(
            Kick(46.0, 95.0, 0.03, 0.26, 0.15, 0.0),
            Snare(175.0, 0.5, 0.12, 5_200.0, 0.15, 0.25),
            0.04,
            9_000.0,
            0.3,
            soft=0.5,
            level_db=-2.5,
        ),
    ),
    Patch(
        "kit_dark",
        Kit(
            Kick(43.0, 140.0, 0.04, 0.42, 0.25, 0.3),
            Snare(160.0, 0.7, 0.2, 5_000.0, 0.26, 0.4),
            0.055,
            7_600.0,
            0.45,
            soft=0.25,
            level_db=-7.0,
        ),
    ),
    Patch(
        "kit_industrial",
        Kit(
            Kick(50.0, 260.0, 0.03, 0.3, 0.7, 0.9),
            Snare(205.0, 0.6, 0.15, 8_500.0, 0.11, 0.4),
            0.04,
            8_200.0,
            0.75,
            drive=0.45,
            level_db=-13.0,
        ),
    ),
)

_EFFECTS = (
    Patch("riser", Effect("riser", level_db=-6.7)),
    Patch("impact", Effect("impact", level_db=-4.6)),
    Patch("noise_sweep", Effect("noise_sweep", level_db=-6.3)),
    Patch(
        "drone",
        Subtractive(
            (
                _unison("saw", 5, 9.0, 0.9, low_cut_hz=120.0),
                Oscillator("sine", 0.5),
                _unison("saw", 2, 5.0, 0.5, level=0.3, semitones=7.0, low_cut_hz=120.0),
            ),
            Filter(420.0, 0.3, 0.35, 4, 0.6, Adsr(3.0, 5.0, 0.7, 3.0), 0.6, 0.07),
            Adsr(1.8, 4.0, 0.9, 2.5),
            breath=0.01,
            level_db=-6.5,
        ),
        chorus=0.6,
        ducks=0.5,
    ),
)

_CHIPS = (
    Patch("chip_pulse12", Chip("pulse0.125", level_db=-13.7)),
    Patch("chip_pulse25", Chip("pulse0.25", level_db=-15.4)),
    Patch("chip_pulse50", Chip("square", level_db=-16.5)),
    Patch("chip_triangle", Chip("steps", amp=Adsr(0.002, 1.0, 1.0, 0.012), level_db=-13.9)),
    Patch("chip_noise", Chip("noise", level_db=-11.0)),
)

PATCHES: dict[str, Patch] = {
    patch.name: patch for patch in (*_PADS, *_BASSES, *_LEADS, *_ARPS, *_KITS, *_EFFECTS, *_CHIPS)
}
"""All patches by name. A score that names another one is our own mistake: `KeyError`."""
