"""Synthwave: minor keys, octave-pumping bass, gated drums of the 1980s, wide arpeggios and a singing lead."""

from __future__ import annotations

from tydust_assetgen.generate.composer.styles.style import Mix, Style

SYNTHWAVE = Style(
    name="synthwave",
    bpm=(84, 118),
    tonics=(2, 9, 4, 0, 6, 7, 11),
    mode="minor",
    energy=0.0,
    brightness=0.5,
    progressions={
        "minor": {
            "calm": (
                "iadd9 VImaj7 iadd9 VII", "iadd9 VImaj7 i7 v7", "i VImaj7 iv7 i", "iadd9 iadd9 VImaj7 VIIsus2",
            ),
            "main": (
                "i VI i VII", "i VImaj7 iv V", "i VII VImaj7 V", "i iv VImaj7 V", "i i VI VII", "i v VImaj7 VII",
            ),
            "tense": ("i i VI V", "i iv i V", "i bII i V", "i ii° i V", "iv/1 i VI/1 V"),
        },
        "major": {
            "calm": ("Iadd9 IVmaj7 I Vsus4", "Imaj7 IVmaj7 Imaj7 vi7", "Iadd9 IVadd9 I V"),
            "main": ("I V vi IV", "I IV vi V", "I vi IV V", "I bVII IV I", "I iii IV V"),
            "tense": ("I bVI bVII I", "vi IV I V", "I iv I V"),
        },
    },
    cadences={
        "minor": ("VImaj7 V", "iv7 V", "iv V7sus4+V", "VImaj7 VII", "iv7 VII+V"),
        "major": ("IV V", "ii7 V7", "IV Vsus4+V", "bVII V"),
    },
    patches={
        "pad": ("warm_pad", "strings", "glass_pad"),
        "bass": ("warm_bass",),
        "arp": ("pluck_arp", "fm_arp", "pulse_arp"),
        "lead": ("saw_lead", "soft_lead", "square_lead"),
        "counter": ("bell", "soft_lead"),
        "drums": ("kit_80s",),
        "fx": ("riser",),
    },
    thresholds={"pad": 0.0, "bass": 0.2, "arp": 0.25, "lead": 0.48, "counter": 0.72, "drums": 0.3, "fx": 0.0},
    bass=(
        ("1---------------", "1-----------5---", "1-------1-------", "1-----1-8-------"),
        ("1-1-1-1-1-1-1-1-", "1-1-8-1-1-1-8-1-", "1-..1-1-..1-5-1-", "1-1-1-8-1-1-5-n-"),
        ("1.8.1.8.1.8.1.8.", "1.1.8.1.1.1.8.n.", "1181118111811181", "1.8.1.8.5.8.n.8."),
    ),
    arps=(
        ("0-2-3-2-4-2-3-2-", "0-1-2-3-4-3-2-1-", "0-2-1-3-2-4-3-2-", "0-3-2-4-3-5-4-3-"),
        ("0123432101234321", "0212324201213231", "0246024602460246", "0321432154326543", "0243024302430546"),
    ),
    rhythms=(
        ("x-----x-x-x-----", "x---x---x-------"),
        ("x--x--x---x---x-", "x-----x-x-------"),
        ("x-------x---x-x-", "x-----x-----....") ,
        ("....x-x-x--x----", "x---x-x-x-------"),
        ("x---x---x--x----", "x-x-x---x-------"),
        ("x-x---x---x-x---", "x-----x---------"),
    ),
    drums=(
        (
            {"kick": "X.......x.......", "hat": "x...o...x...o...", "rim": "....o.......o..."},
            {"kick": "X.........x.....", "shaker": "x.o.x.o.x.o.x.o.", "rim": "....o.......x..."},
        ),
        (
            {"kick": "X.......X.......", "snare": "....X.......X...", "hat": "x.o.x.o.x.o.x.o."},
            {"kick": "X.....x.X.......", "snare": "....X.......X..o", "hat": "x.x.x.x.x.x.x.x."},
            {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "xox.xox.xox.xoxo"},
        ),
        (
            {"kick": "X...X...X...X...", "snare": "....X.......X...", "hat": "xoxoxoxoxoxoxoxo",
             "open_hat": "..............x.", "clap": "....x.......x..."},
            {"kick": "X...X...X...X.x.", "snare": "....X.......X..o", "hat": "x.x.x.x.x.x.x.x.",
             "open_hat": "..x...x...x...x.", "clap": "............x..."},
            {"kick": "X.....x.X.x.....", "snare": "....X.......X...", "hat": "xoxoxoxoxoxoxoxo",
             "tambourine": "....x.......x...", "clap": "....x.......x..."},
        ),
    ),
    fills=(
        {"snare": "........x.x.xxXX", "kick": "X.......X......."},
        {"high_tom": "........XX......", "mid_tom": "..........XX....", "low_tom": "............XXXX",
         "kick": "X..............."},
        {"snare": "....X.......x.XX", "low_tom": "..........X..X..", "kick": "X.......X......."},
    ),
    mix={
        "pad": Mix(-8.5, 0.0, 0.45, 0.0),
        "bass": Mix(-4.0, 0.0, 0.04, 0.0),
        "arp": Mix(-10.0, 0.28, 0.3, 0.3),
        "lead": Mix(-7.0, 0.0, 0.32, 0.28),
        "counter": Mix(-12.0, -0.35, 0.45, 0.25),
        "drums": Mix(-7.0, 0.0, 0.14, 0.0),
        "fx": Mix(-15.0, 0.0, 0.4, 0.0),
    },
    reverb_size=0.6,
    delay_beats=0.75,
    drive=0.08,
)  # fmt: skip
