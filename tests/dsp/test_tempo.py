"""Tempo on drums and music of known tempo, straight and syncopated, and on what has none."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.dsp.sounds import MINOR_LOOP, audio, chords, drums, sine
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import TempoEstimate, estimate_tempo, tempo_relation

RATE_HZ = 22_050
TEMPI = (60, 72, 84, 90, 97.5, 110, 120, 128, 140, 150, 174)
OTHERS = (0.7, 0.75, 0.8, 0.9, 0.95, 0.97, 1.03, 1.05, 1.1, 1.25, 4 / 3, 1.4)


def bars(bpm: float) -> int:
    return max(4, round(12 * bpm / 240))


def heard(bpm: float, pattern: str) -> TempoEstimate:
    arpeggio = chords(2, MINOR_LOOP, bpm, bars(bpm), arpeggio=True, rate_hz=RATE_HZ)
    beats = drums(bpm, bars(bpm), pattern, rate_hz=RATE_HZ) if pattern != "none" else 0.0
    return estimate_tempo(audio(0.3 * arpeggio + beats, rate_hz=RATE_HZ))


@pytest.fixture(scope="module")
def estimates() -> list[tuple[float, str, TempoEstimate]]:
    patterns = ("straight", "syncopated", "four", "none")
    return [(bpm, pattern, heard(bpm, pattern)) for bpm in TEMPI for pattern in patterns]


def test_the_tempo_or_its_octave_is_heard(estimates: list[tuple[float, str, TempoEstimate]]) -> None:
    count = Counter(tempo_relation(estimate.bpm, bpm) for bpm, _, estimate in estimates)
    assert count == {"exact": 28, "octave": 16}


def test_the_tempo_that_was_played_always_explains_the_sound(
    estimates: list[tuple[float, str, TempoEstimate]],
) -> None:
    assert [(bpm, pattern) for bpm, pattern, estimate in estimates if not estimate.explains(bpm)] == []


def test_other_tempi_never_do(estimates: list[tuple[float, str, TempoEstimate]]) -> None:
    believed = [
        (bpm, pattern, share)
        for bpm, pattern, estimate in estimates
        for share in OTHERS
        if 40 <= bpm * share <= 240 and estimate.explains(bpm * share)
    ]
    assert believed == []


@pytest.mark.parametrize("bpm", [88.8, 121.3, 133.7])
def test_the_reading_is_right_to_half_a_percent(bpm: float) -> None:
    assert heard(bpm, "straight").bpm == pytest.approx(bpm, rel=0.005)


def test_a_steady_click_is_sure_and_noise_is_not() -> None:
    click = np.zeros(12 * RATE_HZ)
    click[:: RATE_HZ // 2] = 1.0
    sure = estimate_tempo(audio(click, rate_hz=RATE_HZ))
    noise = estimate_tempo(audio(np.random.default_rng(1).standard_normal(12 * RATE_HZ) * 0.1, rate_hz=RATE_HZ))
    assert sure.bpm == pytest.approx(120, rel=0.005)
    assert sure.confidence > 0.8
    assert noise.confidence < 0.1


def test_no_onsets_no_tempo() -> None:
    for wave in (np.zeros(0), np.zeros(100), np.zeros(8 * RATE_HZ)):
        estimate = estimate_tempo(audio(wave, rate_hz=RATE_HZ))
        assert (estimate.bpm, estimate.confidence, estimate.explains(120)) == (0.0, 0.0, False)


def test_gain_and_channels_do_not_matter() -> None:
    beats = drums(120, 6, rate_hz=RATE_HZ)
    one = estimate_tempo(audio(beats, rate_hz=RATE_HZ))
    two = estimate_tempo(Audio(np.stack([beats, beats]).astype(np.float32) * np.float32(0.01), RATE_HZ))
    assert two.bpm == one.bpm
    assert two.grid_fit == pytest.approx(one.grid_fit, abs=1e-3)


def test_a_steady_tone_has_no_beat() -> None:
    assert estimate_tempo(audio(sine(441, 8, -6, RATE_HZ), rate_hz=RATE_HZ)).bpm == 0


@pytest.mark.parametrize(
    ("estimated", "relation"),
    [
        *((bpm, "exact") for bpm in (119, 120, 121)),
        *((bpm, "octave") for bpm in (30, 40, 60, 80, 180, 240, 360)),
        *((bpm, "wrong") for bpm in (0, 90, 100, 110, 123, 150, 160)),
    ],
)
def test_relations_of_tempi(estimated: float, relation: str) -> None:
    assert tempo_relation(estimated, 120) == relation


def test_no_tempo_asked_is_no_division_by_zero() -> None:
    assert tempo_relation(120, 0) == "wrong"
    estimate = heard(120, "straight")
    assert estimate.fit(0) == 0.0
    assert not estimate.explains(0)
