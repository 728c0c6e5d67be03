"""Chiptune: the four channels of an old console. Two pulses, one triangle, one noise, each one note at a time."""

from __future__ import annotations

from tydust_assetgen.generate.composer.styles.style import Mix, Style

CHIPTUNE = Style(
    name="chiptune",
    bpm=(120, 168),
    tonics=(0, 7, 2, 5, 9, 4),
    mode="major",
    energy=0.1,
    brightness=0.7,
    progressions={
        "minor": {
            "calm": ("i VI i VII", "i VI iv i"),
            "main": ("i VII VI V", "i VI iv V", "i iv i V", "i VI VII V"),
            "tense": ("i bII i V", "i iv ii° V", "i i VI V"),
        },
        "major": {
            "calm": ("I IV I V", "I vi IV V", "I IV ii V"),
            "main": ("I V vi IV", "I vi IV V", "I IV I V", "I V IV V", "I iii IV V"),
            "tense": ("I bVI bVII I", "vi IV I V", "I bVII IV V"),
        },
    },
    cadences={"minor": ("VI V", "iv V", "iv+VII V"), "major": ("IV V", "ii V7", "IV+iv V", "bVI bVII+V")},
    patches={
        "pad": ("chip_pulse12",),
        "bass": ("chip_triangle",),
        "arp": ("chip_pulse12",),
        "lead": ("chip_pulse50", "chip_pulse25"),
        "counter": ("chip_pulse12",),
        "drums": ("chip_noise",),
        "fx": ("chip_pulse12",),
    },
    thresholds={"pad": 9.0, "bass": 0.0, "arp": 0.1, "lead": 0.3, "counter": 9.0, "drums": 0.2, "fx": 9.0},
    bass=(
        ("1---5---8---5---", "1-------5-------", "1---3---5---8---"),
        ("1-5-8-5-1-5-8-5-", "1-8-5-8-1-8-5-8-", "1-3-5-3-8-5-3-5-", "1---1-1-5---5-n-"),
        ("1.8.1.8.1.8.1.8.", "1-1-8-1-5-1-8-n-", "1-3-5-8-1-3-5-n-", "1.1.8.8.5.5.8.n."),
    ),
    arps=(
        ("0-1-2-1-0-1-2-1-", "0-2-1-2-0-2-1-2-", "0-1-2-3-2-1-0-1-"),
        ("0120120120120120", "0123210101232101", "0121012101210121", "0123012301230123"),
    ),
    rhythms=(
        ("x-x-x---x-x-x---", "x-x-x-x-x-------"),
        ("x--x--x-x---x---", "x--x--x-x-------"),
        ("x---x-x-x---x-x-", "x-x-x---x-------"),
        ("x-xxx-x-x---x---", "x-xxx-x-x-------"),
        ("..x-x-x-x--x--x-", "x---x-x-x-------"),
    ),
    drums=(
        (
            {"kick": "X.......X.......", "hat": "..x...x...x...x."},
            {"kick": "X.......X.......", "hat": "x...x...x...x..."},
        ),
        (
            {"kick": "X.......X.......", "snare": "....X.......X...", "hat": "..x...x...x...x."},
            {"kick": "X.....x.X.......", "snare": "....X.......X...", "hat": "..x.......x...x."},
        ),
        (
            {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "..xo..xo..xo..xo"},
            {"kick": "X..x....X..x....", "snare": "....X.......X..o", "hat": "..x...x...x...x."},
        ),
    ),
    fills=(
        {"snare": "........x.x.xxXX", "kick": "X...X..........."},
        {"snare": "....X.xx..X.xxXX", "kick": "X..............."},
    ),
    mix={
        "pad": Mix(-12.0),
        "bass": Mix(-6.0, 0.0, 0.0, 0.0),
        "arp": Mix(-9.5, 0.22, 0.05, 0.0),
        "lead": Mix(-6.5, -0.12, 0.06, 0.0),
        "counter": Mix(-12.0, 0.22, 0.05, 0.0),
        "drums": Mix(-9.0, 0.0, 0.02, 0.0),
        "fx": Mix(-14.0),
    },
    reverb_size=0.15,
    delay_beats=0.75,
    drive=0.0,
)  # fmt: skip
