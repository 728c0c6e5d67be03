"""The resampler's stop band, pass band, delay and circle, measured with sines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tydust_assetgen.dsp.resample import resample

PAIRS = [(48_000, 44_100), (32_000, 44_100), (44_100, 48_000), (96_000, 44_100)]


def sine(hz: float, rate_hz: int, duration_s: float = 0.6) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hz / rate_hz * np.arange(round(rate_hz * duration_s))).astype(np.float32)[None]


def spectrum_db(samples: NDArray[np.float32], rate_hz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    middle = samples[rate_hz // 50 : -rate_hz // 50].astype(np.float64)
    window = np.kaiser(middle.size, 20)
    level = np.abs(np.fft.rfft(middle * window)) * 2 / window.sum()
    return np.fft.rfftfreq(middle.size, 1 / rate_hz), 20 * np.log10(level + 1e-20)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_the_pass_band_is_flat_and_its_images_are_gone(from_hz: int, to_hz: int) -> None:
    for hz in np.linspace(100, min(from_hz, to_hz) / 2 * 0.95, 12):
        made = resample(sine(hz, from_hz), from_hz, to_hz)[0]
        wanted = sine(hz, to_hz)[0]
        inside = slice(to_hz // 50, -to_hz // 50)
        assert np.abs(made - wanted)[inside].max() < 1e-5  # level, phase and delay at once
        frequencies, level = spectrum_db(made, to_hz)
        assert level[np.abs(frequencies - hz) > 60].max() < -120


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_the_stop_band_is_under_100_db(from_hz: int, to_hz: int) -> None:
    for hz in np.linspace(to_hz / 2 * 1.001, from_hz / 2 * 0.999, 12):
        made = resample(sine(hz, from_hz), from_hz, to_hz)[0]
        assert spectrum_db(made, to_hz)[1].max() < -120


@pytest.mark.parametrize("frames", [48_000, 47_981, 12_345])
def test_a_loop_stays_a_circle(frames: int) -> None:
    """Turning before resampling is turning after it, where both turns are whole frames."""
    sound = np.random.default_rng(1).standard_normal((1, frames * 160)).astype(np.float32)[:, : frames - frames % 160]
    made = resample(sound, 48_000, 44_100, circular=True)
    turned = resample(np.roll(sound, 160 * 7, axis=1), 48_000, 44_100, circular=True)
    assert np.abs(np.roll(turned, -147 * 7, axis=1) - made).max() < 1e-5


@pytest.mark.parametrize("circular", [True, False])
@pytest.mark.parametrize("frames", [1, 2, 3, 100, 4801])
def test_the_length_is_the_nearest_whole_frame(circular: bool, frames: int) -> None:
    for from_hz, to_hz in PAIRS:
        made = resample(np.ones((2, frames), np.float32), from_hz, to_hz, circular=circular)
        assert made.shape == (2, max((frames * to_hz + from_hz // 2) // from_hz, 1))
        assert made.dtype == np.float32


def test_an_open_end_does_not_leak_into_the_beginning() -> None:
    sound = np.zeros((1, 48_000), np.float32)
    sound[0, -1] = 1.0
    assert np.abs(resample(sound, 48_000, 44_100)[0, :40_000]).max() < 1e-6


def test_the_same_rate_is_left_alone() -> None:
    sound = np.ones((1, 10), np.float32)
    assert resample(sound, 44_100, 44_100) is sound
