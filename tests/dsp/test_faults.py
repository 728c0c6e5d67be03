"""Faults of a signal: each planted where it is known, and counted to the number."""

from __future__ import annotations

import numpy as np
import pytest

from tests.dsp.sounds import RATE_HZ, audio, sine
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import (
    clipping_runs,
    dc_offset,
    flat_share,
    has_non_finite,
    leading_silence_s,
    longest_silence_s,
    silent_share,
    trailing_silence_s,
)


def gapped(*parts: tuple[float, float]) -> Audio:
    """A tone in stretches of (seconds, amplitude)."""
    wave = np.concatenate([amplitude * sine(441, seconds) for seconds, amplitude in parts])
    return audio(wave, wave)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_sample_is_found(value: float) -> None:
    wave = gapped((1, 0.5))
    assert not has_non_finite(wave)
    samples = wave.samples.copy()
    samples[1, 777] = value
    assert has_non_finite(Audio(samples, RATE_HZ))


def test_opposite_infinities_do_not_cancel() -> None:
    samples = np.zeros((1, 100), np.float32)
    samples[0, :2] = np.inf, -np.inf
    assert has_non_finite(Audio(samples, RATE_HZ))


def test_dc_of_the_worse_channel() -> None:
    wave = sine(441, 1, -20)
    assert dc_offset(audio(wave + 0.01, wave - 0.03)) == pytest.approx(0.03, abs=1e-4)
    assert dc_offset(audio(wave)) < 1e-6


def test_clipping_is_counted_by_flat_tops() -> None:
    wave = sine(441, 1)  # 100 frames a period, 441 periods
    assert clipping_runs(audio(0.999 * wave)) == 0
    assert clipping_runs(audio(np.clip(1.2 * wave, -1, 1))) == 882
    assert clipping_runs(audio(np.clip(1.2 * wave, -1, 1), np.clip(1.2 * wave, -2, 1))) == 882 + 882
    assert clipping_runs(audio(np.clip(1.2 * wave, -0.9, 0.9))) == 0


def test_two_samples_at_full_scale_are_a_crest_and_three_are_clipped() -> None:
    assert clipping_runs(audio(np.array([0, 1.0, 1.0, 0, -1.0, -1.0, 0]))) == 0
    assert clipping_runs(audio(np.array([0, 1.0, 1.0, 1.0, 0, -1.0, -1.0]))) == 1
    assert clipping_runs(audio(np.array([1.0, 1.0, -1.0, -1.0]))) == 0


def test_silences_are_measured_to_the_block() -> None:
    wave = gapped((0.2, 0.0), (0.5, 0.5), (0.7, 0.0005), (0.5, 0.5), (0.4, 0.0))
    assert leading_silence_s(wave) == pytest.approx(0.2, abs=0.011)
    assert longest_silence_s(wave) == pytest.approx(0.7, abs=0.011)
    assert trailing_silence_s(wave) == pytest.approx(0.4, abs=0.011)
    assert longest_silence_s(wave, floor_dbfs=-80) == pytest.approx(0.4, abs=0.011)


def test_a_loop_joins_the_silence_of_its_end_and_its_beginning() -> None:
    wave = gapped((0.3, 0.0), (1, 0.5), (0.4, 0.0))
    assert longest_silence_s(wave) == pytest.approx(0.4, abs=0.011)
    assert longest_silence_s(wave, wraps=True) == pytest.approx(0.7, abs=0.011)


def test_all_silent_is_silent_all_through() -> None:
    wave = gapped((1, 0.0))
    for heard in (longest_silence_s(wave, wraps=True), leading_silence_s(wave), trailing_silence_s(wave)):
        assert heard == pytest.approx(1.0)
    assert longest_silence_s(Audio(np.zeros((2, 0), np.float32), RATE_HZ)) == 0.0


def test_one_channel_with_sound_is_no_silence() -> None:
    tone, nothing = sine(441, 1, -6), np.zeros(RATE_HZ)
    assert longest_silence_s(audio(nothing, tone)) == 0.0


def test_flat_tops_are_counted_and_loud_crests_are_not() -> None:
    loud = sine(110, 2, 12.0)  # float samples may go over full scale
    assert flat_share(audio(loud)) == 0.0
    cut = np.clip(loud, -1, 1)
    expected = float((np.abs(loud) >= 1).mean())
    assert 0.5 < flat_share(audio(cut)) == pytest.approx(expected, abs=0.01)
    assert flat_share(audio(cut, 0 * cut)) == pytest.approx(expected / 2, abs=0.01)
    assert flat_share(audio(np.round(cut * 32767) / 32768)) == pytest.approx(expected, abs=0.01)


def test_two_full_samples_beside_each_other_are_a_crest() -> None:
    wave = np.zeros(100)
    wave[10:12] = wave[20:22] = 1.0
    assert flat_share(audio(wave)) == 0.0
    wave[30:33] = -1.0
    assert flat_share(audio(wave)) == pytest.approx(0.03)


def test_the_silent_share_counts_every_rest() -> None:
    wave = sine(440, 4, -6.0)
    wave[RATE_HZ : 2 * RATE_HZ] = 0
    wave[3 * RATE_HZ :] *= 1e-5
    assert silent_share(audio(wave)) == pytest.approx(0.5, abs=0.01)
    assert silent_share(audio(0 * wave)) == 1.0
