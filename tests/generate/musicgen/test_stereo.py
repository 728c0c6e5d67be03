"""Width for a mono model, judged as a listener would: fold-down, bass, colour, correlation, attacks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from tydust_assetgen.generate.musicgen.post.stereo import widen

RATES_HZ = (32_000, 44_100, 48_000)
RATE_HZ = 32_000
Samples = NDArray[np.float32]


def noise(rate_hz: int = RATE_HZ, seconds: float = 8.0) -> Samples:
    return (0.2 * np.random.default_rng(1).standard_normal((1, round(seconds * rate_hz)))).astype(np.float32)


def click(rate_hz: int = RATE_HZ) -> Samples:
    samples = np.zeros((1, rate_hz), np.float32)
    samples[0, rate_hz // 4] = 1
    return samples


def band(channel: Samples, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    filtered: NDArray[np.float64] = signal.sosfiltfilt(
        signal.butter(4, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos"), channel.astype(np.float64)
    )
    return filtered


def correlation(samples: Samples) -> float:
    return float(np.corrcoef(samples.astype(np.float64))[0, 1])


@pytest.mark.parametrize("width", [0.0, 0.3, 1.0])
def test_the_fold_down_is_the_mono_sound(width: float) -> None:
    mono = noise()
    folded = widen(mono, RATE_HZ, width).astype(np.float64).mean(axis=0)
    assert np.abs(folded - mono[0]).max() < 1.5e-7 * 2 * np.abs(mono).max()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), max_size=300), st.floats(0, 1))
def test_whatever_walks_in_folds_down_to_itself(values: list[float], width: float) -> None:
    mono = np.array([values], np.float32)
    stereo = widen(mono, RATE_HZ, width)
    assert stereo.shape == (2, len(values))
    assert np.abs(stereo.astype(np.float64).mean(axis=0) - mono[0]).max(initial=0) < 1e-6


def test_no_width_is_dual_mono_to_the_bit() -> None:
    mono = noise()
    stereo = widen(mono, RATE_HZ, 0.0)
    assert np.array_equal(stereo[0], mono[0])
    assert np.array_equal(stereo[1], mono[0])


def test_width_goes_from_none_to_wide() -> None:
    widths = [correlation(widen(noise(), RATE_HZ, width)) for width in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert widths[0] == pytest.approx(1)
    assert all(after < before for before, after in itertools.pairwise(widths))
    assert 0.4 < widths[-1] < 0.6


def test_every_octave_above_the_bass_is_about_as_wide() -> None:
    left, right = widen(noise(), RATE_HZ, 1.0)
    for low_hz in (400, 800, 1600, 3200, 6400):
        pair = np.stack([band(side, low_hz, 2 * low_hz) for side in (left, right)])
        assert 0.3 < correlation(pair) < 0.65, low_hz


def test_the_bass_stays_in_the_middle() -> None:
    left, right = widen(noise(), RATE_HZ, 1.0)
    middle, side = left + right, left - right
    share = np.std(band(side, 30, 100)) / np.std(band(middle, 30, 100))
    assert 20 * np.log10(share) < -25


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_neither_side_is_coloured(rate_hz: int) -> None:
    """Each third of an octave is within 2 dB of what walked in, on both sides."""
    hz = np.fft.rfftfreq(rate_hz, 1 / rate_hz)
    for channel in widen(click(rate_hz), rate_hz, 1.0):
        power = np.square(np.abs(np.fft.rfft(channel.astype(np.float64))))
        for centre in 1000 * 2 ** (np.arange(-15, 13) / 3):
            third = (hz >= centre * 2 ** (-1 / 6)) & (hz < centre * 2 ** (1 / 6))
            if hz[third].max() < rate_hz / 2:
                assert -0.5 < 10 * np.log10(power[third].mean()) < 2, centre


def test_nothing_is_heard_before_an_attack_and_little_after_it() -> None:
    left, right = widen(click(), RATE_HZ, 1.0).astype(np.float64)
    side, at = np.square(left - right), RATE_HZ // 4
    assert side[:at].max() == 0
    frames_10_ms, frames_30_ms = RATE_HZ // 100, 3 * RATE_HZ // 100
    assert side[at : at + frames_10_ms].sum() > 0.93 * side.sum()
    assert side[at : at + frames_30_ms].sum() > 0.99 * side.sum()


def test_the_same_sound_gives_the_same_samples() -> None:
    assert np.array_equal(widen(noise(), RATE_HZ, 0.7), widen(noise(), RATE_HZ, 0.7))


def test_no_sound_has_no_width() -> None:
    assert widen(np.zeros((1, 0), np.float32), RATE_HZ, 1.0).shape == (2, 0)
