"""Key on small pieces whose key is known: 24 keys, four timbres, loops and cadences, held and broken, with drums."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dsp.sounds import (
    MAJOR_CADENCE,
    MAJOR_LOOP,
    MINOR_CADENCE,
    MINOR_LOOP,
    Progression,
    audio,
    chords,
    drums,
    sine,
)
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import KeyEstimate, estimate_key, key_relation, parse_key
from tydust_assetgen.dsp.key import MARGIN, PITCH_CLASSES

RATE_HZ = 22_050
KEYS = [f"{tonic} {mode}" for mode in ("major", "minor") for tonic in PITCH_CLASSES]


def heard(tonic: int, progression: Progression, timbre: str, *, arpeggio: bool) -> KeyEstimate:
    beats = drums(150, 4, rate_hz=RATE_HZ)
    piece = chords(tonic, progression, 150, 4, timbre, arpeggio=arpeggio, rate_hz=RATE_HZ)
    return estimate_key(audio(piece + 0.7 * beats, rate_hz=RATE_HZ))


@pytest.fixture(scope="module")
def estimates() -> list[tuple[str, KeyEstimate]]:
    """192 pieces: 12 tonics, two modes, a loop and a cadence, four timbres, held and broken by turns."""
    cases = {"minor": (MINOR_LOOP, MINOR_CADENCE), "major": (MAJOR_LOOP, MAJOR_CADENCE)}
    return [
        (
            f"{PITCH_CLASSES[tonic]} {mode}",
            heard(tonic, progression, timbre, arpeggio=(tonic + number) % 2 == 0),
        )
        for mode, progressions in cases.items()
        for progression in progressions
        for number, timbre in enumerate(("sine", "saw", "square", "pulse"))
        for tonic in range(12)
    ]


def test_the_key_ranks_first(estimates: list[tuple[str, KeyEstimate]]) -> None:
    assert Counter(key_relation(estimate.name, asked) for asked, estimate in estimates) == {"exact": 190, "wrong": 2}


def test_the_key_is_always_within_the_margin(estimates: list[tuple[str, KeyEstimate]]) -> None:
    assert [asked for asked, estimate in estimates if estimate.shortfall(asked) > MARGIN] == []


def test_other_keys_are_outside_the_margin(estimates: list[tuple[str, KeyEstimate]]) -> None:
    """Of 4416 wrong answers to the question `is it in this key` 18 are believed; none is parallel or a fifth away."""
    believed = Counter(
        key_relation(other, asked)
        for asked, estimate in estimates
        for other in KEYS
        if parse_key(other) != parse_key(asked) and estimate.shortfall(other) <= MARGIN
    )
    assert believed == {"relative": 11, "wrong": 7}


def test_tuning_is_found_and_does_not_matter() -> None:
    """The same piece played 30 cents sharp."""
    piece = chords(2, MINOR_LOOP, 150, 4, rate_hz=RATE_HZ)
    position = np.arange(int(piece.size / 2 ** (30 / 1200))) * 2 ** (30 / 1200)
    sharp = np.interp(position, np.arange(piece.size), piece)
    estimate = estimate_key(audio(sharp, rate_hz=RATE_HZ))
    assert estimate.name == "D minor"
    assert estimate.tuning_cents == pytest.approx(30, abs=4)


def test_gain_rate_and_channels_do_not_matter() -> None:
    piece = chords(9, MAJOR_LOOP, 150, 4)
    one = estimate_key(audio(piece))
    two = estimate_key(audio(0.01 * piece, 0.01 * piece))
    assert one.name == two.name == "A major"
    assert dict(two.ranking) == pytest.approx(dict(one.ranking), abs=1e-3)


def test_sound_without_pitch_has_no_key() -> None:
    for frames in (0, 100, RATE_HZ):
        estimate = estimate_key(Audio(np.zeros((2, frames), np.float32), RATE_HZ))
        assert (estimate.name, estimate.confidence) == ("", 0.0)
    with pytest.raises(ValueError, match="no key"):
        estimate_key(audio(sine(440, 1))).shortfall("H minor")


def test_noise_is_less_sure_than_music(estimates: list[tuple[str, KeyEstimate]]) -> None:
    noise = np.random.default_rng(5).standard_normal(8 * RATE_HZ)
    unsure = estimate_key(audio(0.1 * noise, rate_hz=RATE_HZ))
    assert unsure.ranking[0][1] < 0.4 < min(estimate.ranking[0][1] for _, estimate in estimates)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("D minor", (2, "minor")),
        ("f# major", (6, "major")),
        ("Gb major", (6, "major")),
        ("Bb", (10, "major")),
        ("Am", (9, "minor")),
        ("AM", (9, "major")),
        ("C♯ min", (1, "minor")),
        ("E dorian", (4, "minor")),
        ("B-flat minor", (10, "minor")),
        ("Cb major", (11, "major")),
    ],
)
def test_names_of_keys_are_read(name: str, wanted: tuple[int, str]) -> None:
    assert parse_key(name) == wanted


@pytest.mark.parametrize("name", ["", "H minor", "D minr", "minor", "D minor 7", "7"])
def test_what_is_no_key_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        parse_key(name)


@pytest.mark.parametrize(
    ("estimated", "relation"),
    [
        ("D minor", "exact"),
        ("F major", "relative"),
        ("A minor", "fifth"),
        ("G minor", "fifth"),
        ("D major", "parallel"),
        ("Eb minor", "wrong"),
        ("B major", "wrong"),
    ],
)
def test_relations_of_keys(estimated: str, relation: str) -> None:
    assert key_relation(estimated, "D minor") == relation


@given(st.sampled_from(KEYS), st.sampled_from(KEYS))
def test_relations_are_mutual(one: str, other: str) -> None:
    assert key_relation(one, other) == key_relation(other, one)
    assert (key_relation(one, other) == "exact") == (one == other)


@given(st.text(max_size=12))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        pitch_class, mode = parse_key(text)
    except ValueError:
        return
    assert pitch_class in range(12)
    assert mode in {"major", "minor"}
