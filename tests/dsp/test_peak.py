"""True peak against waves whose height between the samples is known, and against a 8x reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from tests.dsp.sounds import RATE_HZ, audio, faded, sine
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import sample_peak_dbfs, true_peak_dbtp, true_peak_envelope


@pytest.mark.parametrize(
    ("share", "phase"),
    [(1 / 4, np.pi / 4), (1 / 4, 0.0), (1 / 6, np.pi / 3), (1 / 8, np.pi / 8), (1 / 3, np.pi / 6), (0.45, 0.2)],
)
def test_sines_read_their_amplitude(share: float, phase: float) -> None:
    """fs/4 at 45° is the classic: every sample is 3 dB under the wave (EBU Tech 3341, cases 15 to 19)."""
    wave = audio(faded(sine(share * RATE_HZ, 1, -6, phase=phase)))
    assert true_peak_dbtp(wave) == pytest.approx(-6.0, abs=0.1)


def test_samples_alone_would_miss_three_decibels() -> None:
    wave = audio(faded(sine(RATE_HZ / 4, 1, -6, phase=np.pi / 4)))
    assert sample_peak_dbfs(wave) == pytest.approx(-9.01, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_within_a_tenth_of_an_8x_reference(seed: int) -> None:
    """Noise up to 18 kHz, loud in places; the reference is scipy's 8x resampling with a long filter."""
    noise = np.random.default_rng(seed).standard_normal(RATE_HZ)
    band = signal.sosfiltfilt(signal.butter(8, 16_000, fs=RATE_HZ, output="sos"), noise)
    wave = faded(0.1 * band)
    reference = np.abs(signal.resample_poly(wave, 8, 1, window=signal.firwin(801, 1 / 8, window=("kaiser", 9)))).max()
    assert true_peak_dbtp(audio(wave)) == pytest.approx(20 * math.log10(reference), abs=0.1)


def test_a_crest_on_the_edge_of_a_chunk_is_not_missed() -> None:
    for frame in range(16_380, 16_390):
        samples = np.zeros((1, 40_000), np.float32)
        samples[0, frame : frame + 2] = 0.5  # the wave between two equal samples is higher than both
        assert true_peak_dbtp(Audio(samples, RATE_HZ)) == pytest.approx(-6.02 + 20 * math.log10(4 / np.pi), abs=0.1)


def test_silence_is_minus_infinity() -> None:
    for frames in (0, 1, 50_000):
        assert true_peak_dbtp(Audio(np.zeros((2, frames), np.float32), RATE_HZ)) == -math.inf
    assert sample_peak_dbfs(Audio(np.zeros((2, 0), np.float32), RATE_HZ)) == -math.inf


def test_the_envelope_stands_where_the_wave_is_high() -> None:
    samples = np.zeros((2, 40_000), np.float32)
    samples[1, 20_000:20_002] = -0.5
    envelope = true_peak_envelope(samples)
    assert envelope.shape == (40_000,)
    assert envelope.argmax() == 20_000
    assert envelope[20_000] == pytest.approx(0.5 * 4 / np.pi, rel=0.01)
    assert envelope[:19_900].max() == 0.0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), frames=st.integers(1, 600), gain=st.floats(0.01, 2.0))
def test_never_under_the_samples_and_gain_is_gain(seed: int, frames: int, gain: float) -> None:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, frames)).astype(np.float32)
    wave = Audio(samples, RATE_HZ)
    envelope = true_peak_envelope(samples)
    assert (envelope >= np.abs(samples).max(axis=0)).all()
    assert true_peak_dbtp(wave) >= max(sample_peak_dbfs(wave), 20 * math.log10(envelope.max())) - 1e-4
    louder = Audio(samples * np.float32(gain), RATE_HZ)
    assert true_peak_dbtp(louder) - true_peak_dbtp(wave) == pytest.approx(20 * math.log10(gain), abs=1e-3)
    assert true_peak_dbtp(Audio(samples[::-1], RATE_HZ)) == true_peak_dbtp(wave)
