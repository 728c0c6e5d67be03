"""Darkwave: slow dark chords over a tonic that will not move, bells and choirs, drums far away."""

from __future__ import annotations

from tydust_assetgen.generate.composer.styles.style import Mix, Style

DARKWAVE = Style(
    name="darkwave",
    bpm=(76, 112),
    tonics=(2, 4, 9, 0, 11, 6),
    mode="minor",
    energy=-0.05,
    brightness=0.3,
    progressions={
        "minor": {
            "calm": ("iadd9 iadd9 iv/1 i", "i VImaj7/1 iv/1 i", "i i VImaj7 VImaj7", "isus2 i iv/1 VImaj7/1"),
            "main": ("i VImaj7 iv V", "i iv VI v", "i v VI iv", "i VI i v", "i iv i VII", "i7 iv7 VImaj7 V"),
            "tense": ("i bII i V", "i ii° V i", "i i bII bII", "i bII/1 iv/1 V", "i VI ii° V"),
        },
        "major": {
            "calm": ("Iadd9 Iadd9 iv/1 I", "I IVmaj7/1 iv/1 I"),
            "main": ("I iii IV iv", "I vi IV V", "I IV iv I"),
            "tense": ("I bVI I V", "I iv bVI V"),
        },
    },
    cadences={
        "minor": ("iv V", "VImaj7 V", "iv v", "bII V", "iv Vsus4+V"),
        "major": ("iv V", "IV V", "bVI V"),
    },
    patches={
        "pad": ("dark_pad", "choir_pad", "strings"),
        "bass": ("sub_bass", "reese_bass"),
        "arp": ("fm_arp", "pulse_arp", "pluck_arp"),
        "lead": ("soft_lead", "bell", "square_lead"),
        "counter": ("bell", "brass"),
        "drums": ("kit_dark",),
        "fx": ("riser",),
    },
    thresholds={"pad": 0.0, "bass": 0.1, "arp": 0.3, "lead": 0.45, "counter": 0.7, "drums": 0.3, "fx": 0.0},
    bass=(
        ("1---------------", "1-----------5---", "1-----------1---"),
        ("1-----1-1-----1-", "1---1---3---5---", "1-..1---..1-1---", "1-1-1-1-1-1-1-1-"),
        ("1-1-1-1-1-1-1-1-", "1.1.3.1.1.1.5.n.", "1.1.1.8.1.1.1.n.", "1-1-8-1-5-1-8-n-"),
    ),
    arps=(
        ("0---2---3---2---", "0-2-3-2-0-2-3-2-", "0-..3-..2-..3-..", "0-2-4-2-3-2-4-2-"),
        ("0232023202320232", "0-2-3-4-3-2-4-2-", "0324032403240324", "0213021302130213"),
    ),
    rhythms=(
        ("x-------x---x---", "x-----------...."),
        ("x-----x-x-------", "x-------x-------"),
        ("....x---x---x---", "x---x-------...."),
        ("x---x-------x---", "x-------x-------"),
        ("x-----x---x-----", "x---x---x-------"),
    ),
    drums=(
        (
            {"kick": "X.......o.......", "rim": "............o...", "hat": "o...o...o...o..."},
            {"kick": "X.........o.....", "shaker": "o...o...o...o...", "rim": "........x......."},
        ),
        (
            {"kick": "X.......x.......", "snare": "....x.......X...", "hat": "x.o.x.o.x.o.x.o."},
            {"kick": "X.....x...x.....", "snare": "........X.......", "hat": "x...x...x...x.o."},
            {"kick": "X...x...X...x...", "clap": "....X.......X...", "shaker": "x.o.x.o.x.o.x.o."},
        ),
        (
            {"kick": "X...X...X...X...", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.xo",
             "low_tom": "..............x."},
            {"kick": "X..x..x.X.......", "snare": "....X.......X...", "hat": "xoxoxoxoxoxoxoxo",
             "clap": "............x..."},
            {"kick": "X.....x.X.x.....", "snare": "....X.......X..o", "ride": "x...x...x...x...",
             "hat": "..x...x...x...x."},
        ),
    ),
    fills=(
        {"low_tom": "........X..X..X.", "kick": "X.......x......."},
        {"mid_tom": "........X.X.....", "low_tom": "............X.XX", "kick": "X..............."},
        {"snare": "....X.......X.xX", "kick": "X.......X......."},
    ),
    mix={
        "pad": Mix(-8.0, 0.0, 0.55, 0.0),
        "bass": Mix(-3.5, 0.0, 0.06, 0.0),
        "arp": Mix(-11.0, -0.3, 0.45, 0.35),
        "lead": Mix(-7.5, 0.05, 0.5, 0.3),
        "counter": Mix(-12.5, 0.4, 0.6, 0.3),
        "drums": Mix(-7.5, 0.0, 0.3, 0.0),
        "fx": Mix(-16.0, 0.0, 0.6, 0.0),
    },
    reverb_size=0.85,
    delay_beats=1.5,
    drive=0.1,
    pedal=0.35,
)  # fmt: skip
