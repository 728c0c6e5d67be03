"""Small scores to play."""

from __future__ import annotations

from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note, Part, Passage, Score

_CHORDS = ((50, (62, 65, 69)), (46, (62, 65, 70)))


def small_score(bpm: float = 120.0, loops: bool = True, style: str = "synthwave", drive: float = 0.0) -> Score:
    """Four bars of pad, bass, arpeggio and drums, 8 s at 120 BPM."""
    beat, bar = TICKS_PER_BEAT, 4 * TICKS_PER_BEAT
    pad, bass, arp, drums = [], [], [], []
    for number in range(4):
        root, chord = _CHORDS[number % 2]
        start = number * bar
        pad += [Note(start, bar - 20, pitch, 90) for pitch in chord]
        bass += [Note(start + i * beat // 2, beat // 2 - 40, root - 12, 100) for i in range(8)]
        arp += [Note(start + i * beat // 4, beat // 4 - 10, chord[i % 3] + 12, 90) for i in range(16)]
        drums += [Note(start + i * beat, 60, 38 if i % 2 else 36, 105) for i in range(4)]
        drums += [Note(start + i * beat // 2, 60, 46 if i == 7 else 42, 80) for i in range(8)]
    return Score(
        "small",
        style,
        "D minor",
        bpm,
        4,
        4,
        (Passage("one", 0, 2, 0.3, 0.3), Passage("two", 2, 2, 0.8, 0.7)),
        (
            Part("pad", "warm_pad", tuple(pad), -2.0, 0.0, 0.5),
            Part("bass", "warm_bass", tuple(bass), 0.0, 0.0, 0.02),
            Part("arp", "pluck_arp", tuple(arp), -2.0, 0.3, 0.25, 0.35),
            Part("drums", "kit_80s", tuple(sorted(drums)), 0.0, 0.0, 0.1),
        ),
        loops,
        drive=drive,
    )
