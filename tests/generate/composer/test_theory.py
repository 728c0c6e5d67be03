"""Keys, numerals, scales, voice leading: names and numbers that any book of harmony has."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.generate.composer.harmony import parallels, voice_lead
from tydust_assetgen.generate.composer.rng import Rng
from tydust_assetgen.generate.composer.styles import STYLES
from tydust_assetgen.generate.composer.theory import (
    SCALES,
    Key,
    ladder,
    nearest,
    parse_key,
    parse_numeral,
    parse_progression,
    scale_over,
    step,
    triad,
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("D minor", Key(2, "minor")), ("F# major", Key(6, "major")), ("Bbm", Key(10, "minor")),
        ("Cb", Key(11, "major")),
        ("e phrygian", Key(4, "minor")), ("A♭ minor", Key(8, "minor")), ("G Mixolydian", Key(7, "major")),
    ],
)  # fmt: skip
def test_keys_are_read(text: str, key: Key) -> None:
    assert parse_key(text) == key


@pytest.mark.parametrize("text", ["", "H minor", "D middle", "D minor seven", "minor"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        parse_key(text)


@pytest.mark.parametrize(
    ("numeral", "mode", "pcs"),
    [
        ("i", "minor", (0, 3, 7)), ("VI", "minor", (8, 0, 3)), ("bVI", "minor", (8, 0, 3)), ("V", "minor", (7, 11, 2)),
        ("v", "minor", (7, 10, 2)),
        ("bII", "minor", (1, 5, 8)), ("VImaj7", "minor", (8, 0, 3, 7)),
        ("i5", "minor", (0, 7)),
        ("ii°", "minor", (2, 5, 8)), ("iadd9", "minor", (0, 3, 7, 2)), ("V7sus4", "minor", (7, 0, 2, 5)),
        ("I", "major", (0, 4, 7)), ("vi", "major", (9, 0, 4)), ("bVII", "major", (10, 2, 5)),
        ("iii", "major", (4, 7, 11)),
        ("V7", "major", (7, 11, 2, 5)), ("IV", "minor", (5, 9, 0)),
        ("♭VI", "major", (8, 0, 3)), ("V+", "major", (7, 11, 3)),
    ],
)  # fmt: skip
def test_numerals_are_the_chords_of_the_books(numeral: str, mode: str, pcs: tuple[int, ...]) -> None:
    assert parse_numeral(numeral, mode).pcs == pcs  # type: ignore[arg-type]


def test_a_slash_puts_the_tonic_below() -> None:
    chord = parse_numeral("VII/1", "minor")
    assert (chord.root, chord.bass) == (10, 0)


def test_progressions_part_at_bars_and_halves() -> None:
    bars = parse_progression("i | VI, iv+V - I+", "minor")
    assert [[chord.numeral for chord in bar] for bar in bars] == [["i"], ["VI"], ["iv", "V"], ["I+"]]


@pytest.mark.parametrize("text", ["", " | ", "i ix", "i iv+V+i", "hello", "VIII", "i//5", "Imaj13"])
def test_what_is_no_progression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"roman numeral|empty|more than two"):
        parse_progression(text, "minor")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(1 <= len(bar) <= 2 for bar in parse_progression(text, "minor"))


ALL_CHORDS = sorted(
    {
        (chord, mode)
        for style in STYLES.values()
        for mode, colours in style.progressions.items()
        for texts in (*colours.values(), style.cadences[mode])
        for text in texts
        for bar in parse_progression(text, mode)
        for chord in bar
    }
)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_progressions_of_a_style_have_four_bars_and_cadences_two(style) -> None:
    for mode, colours in style.progressions.items():
        for text in (text for texts in colours.values() for text in texts):
            assert len(parse_progression(text, mode)) == 4, text
        for text in style.cadences[mode]:
            assert len(parse_progression(text, mode)) == 2, text
            assert parse_progression(text, mode)[-1][-1].root in (7, 10), text  # leads back to the tonic


@pytest.mark.parametrize(("chord", "mode"), ALL_CHORDS, ids=lambda value: getattr(value, "numeral", value))
def test_the_scale_over_a_chord_has_seven_notes_with_chord_and_tonic(chord, mode: str) -> None:
    scale = scale_over(chord, mode)
    assert len(scale) == 7
    assert set(chord.pcs) <= set(scale)
    assert 0 in scale
    assert len(set(scale) - set(SCALES[mode])) <= 2
    assert len(triad(chord, mode)) >= 3
    assert set(triad(chord, mode)) <= set(scale)


@given(st.integers(40, 90), st.integers(-10, 10))
def test_steps_go_and_come_back(pitch: int, steps: int) -> None:
    scale = SCALES["minor"]
    home = nearest(pitch, scale)
    assert step(step(home, steps, scale), -steps, scale) == home
    assert step(home, 7, scale) == home + 12


@given(st.integers(30, 90), st.integers(1, 12))
def test_a_ladder_climbs_chord_tones(low: int, count: int) -> None:
    rungs = ladder((0, 3, 7), low, count)
    assert len(rungs) == count
    assert all(below < above for below, above in pairwise(rungs))
    assert rungs[0] >= low
    assert {rung % 12 for rung in rungs} <= {0, 3, 7}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("mode", ["minor", "major"])
def test_pads_move_little_and_hardly_in_parallels(style, mode: str) -> None:
    chords = [
        chord
        for texts in style.progressions[mode].values()
        for text in texts
        for bar in parse_progression(text, mode)
        for chord in bar
    ]
    voicings = voice_lead(chords, 48, 70)
    for chord, voicing in zip(chords, voicings, strict=True):
        assert tuple(sorted(voicing)) == voicing  # voices never cross
        assert voicing[0] >= 48
        assert voicing[-1] <= 70
        assert {pitch % 12 for pitch in voicing} <= set(chord.pcs)
        assert len({pitch % 12 for pitch in voicing}) >= min(3, len(chord.pcs))
    moves = [(a, b) for a, b in pairwise(voicings) if len(a) == len(b)]
    motion = sum(abs(x - y) for a, b in moves for x, y in zip(a, b, strict=True)) / max(
        1, sum(len(a) for a, _ in moves)
    )
    assert motion <= 2.5  # semitones a voice, on average
    full = [(a, b) for a, b in moves if len(a) == 4]  # power chords are parallels by nature
    assert sum(parallels(a, b) > 0 for a, b in full) <= 0.1 * len(full)


def test_dice_are_splitmix64() -> None:
    """The first numbers of the published generator from state 1234567."""
    rng = Rng()
    rng._state = 1234567
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [rng.random() for _ in published] == [(number >> 11) / 2**53 for number in published]


def test_forks_depend_on_names_alone() -> None:
    rng = Rng("a", 1)
    before = rng.fork("b").random()
    rng.random()
    assert rng.fork("b").random() == before != rng.fork("c").random()


def test_dice_are_fair() -> None:
    rng = Rng("fair")
    rolls = [rng.integer(1, 6) for _ in range(6000)]
    assert min(rolls) == 1
    assert max(rolls) == 6
    assert all(850 <= rolls.count(side) <= 1150 for side in range(1, 7))
    assert sorted(rng.shuffled(range(20))) == list(range(20))
