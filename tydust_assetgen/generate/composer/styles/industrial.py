"""Industrial: machine ostinati on the tonic, power chords, the flat second, metal and distortion."""

from __future__ import annotations

from tydust_assetgen.generate.composer.styles.style import Mix, Style

INDUSTRIAL = Style(
    name="industrial",
    bpm=(112, 140),
    tonics=(4, 2, 0, 9, 7, 5),
    mode="minor",
    energy=0.12,
    brightness=0.45,
    progressions={
        "minor": {
            "calm": ("i5 i5 i5 bII5", "i i VI/1 i", "i5 i5 iv5/1 i5"),
            "main": ("i5 i5 bII5 i5", "i i VI V", "i5 i5 VI5 V5", "i i iv V", "i5 VI5 i5 bII5"),
            "tense": ("i5 bII5 i5 V5", "i i bII V", "i5 bII5 v5 V5", "i ii° i V"),
        },
        "major": {
            "calm": ("I5 I5 IV5/1 I5", "I I bVI/1 I"),
            "main": ("I I bVI V", "I5 I5 bVII5 I5", "I I IV V"),
            "tense": ("I5 bII5 I5 V5", "I bVI I V"),
        },
    },
    cadences={"minor": ("VI5 V", "bII V", "iv5 V", "VI V"), "major": ("bVI V", "IV5 V", "bII V")},
    patches={
        "pad": ("dark_pad", "strings", "choir_pad"),
        "bass": ("distorted_bass", "acid_bass", "reese_bass"),
        "arp": ("pulse_arp", "fm_arp"),
        "lead": ("saw_lead", "square_lead", "brass"),
        "counter": ("brass", "square_lead"),
        "drums": ("kit_industrial",),
        "fx": ("riser",),
    },
    thresholds={"pad": 0.0, "bass": 0.05, "arp": 0.4, "lead": 0.6, "counter": 0.8, "drums": 0.15, "fx": 0.0},
    bass=(
        ("1-1-..1-1-1-....", "1-------1-1-1-..", "1.1...1.1.1....."),
        ("1.11..3.1.11..n.", "1.1.11.31.1.11.n", "11.11.3.11.11.8."),
        ("1111113111111381", "11811131118111n1", "1131151111311n11", "1113111811131118"),
    ),
    arps=(
        ("0-0-2-0-0-2-0-3-", "0...0...2...0..."),
        ("0020030200200302", "0203020402030204", "0000222200003322"),
    ),
    rhythms=(
        ("x-x-x---x-x-x---", "x-----x-x-------"),
        ("x--x--x-x-------", "x--x--x---------"),
        ("x---x---x---x---", "x-----x-----...."),
        ("....x-x-x---x---", "x--x--x-x-------"),
    ),
    drums=(
        (
            {"kick": "X.......X.......", "metal": "............x...", "hat": "x...x...x...x..."},
            {"kick": "X...X...X...X...", "metal": "......o.......o.", "shaker": "x.o.x.o.x.o.x.o."},
        ),
        (
            {"kick": "X...X...X...X...", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x.",
             "metal": "..........x....."},
            {"kick": "X..x....X..x....", "snare": "....X.......X...", "hat": "xoxoxoxoxoxoxoxo",
             "metal": "......x.......x."},
        ),
        (
            {"kick": "X...X...X...X...", "snare": "....X.......X..o", "hat": "xoxoxoxoxoxoxoxo",
             "metal": "..x..x....x..x..",
             "clap": "....x.......x..."},
            {"kick": "X.xxX...X.x.X...", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x.",
             "metal": "...x..x....x..x.",
             "open_hat": "..x...x...x...x."},
            {"kick": "X...X...X...X.xx", "snare": "....X..o.o..X...", "hat": "xxxxxxxxxxxxxxxx",
             "metal": "x.........x....."},
        ),
    ),
    fills=(
        {"snare": "X.X.X.X.XXXXXXXX", "kick": "X...X...X...X..."},
        {"metal": "X..X..X.X..X..X.", "kick": "X...X...X.X.XXXX"},
        {"low_tom": "........X.XXX.XX", "snare": "....X.......X...", "kick": "X...X..........."},
    ),
    mix={
        "pad": Mix(-9.5, 0.0, 0.35, 0.0),
        "bass": Mix(-3.0, 0.0, 0.03, 0.0),
        "arp": Mix(-11.0, 0.3, 0.18, 0.2),
        "lead": Mix(-8.0, 0.0, 0.22, 0.2),
        "counter": Mix(-12.0, -0.3, 0.3, 0.1),
        "drums": Mix(-7.0, 0.0, 0.12, 0.0),
        "fx": Mix(-15.0, 0.0, 0.35, 0.0),
    },
    reverb_size=0.4,
    delay_beats=0.5,
    drive=0.45,
    pedal=0.5,
)  # fmt: skip
