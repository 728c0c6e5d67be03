"""Loudness against the facts of ITU-R BS.1770-4 and EBU Tech 3341/3342, pyloudnorm, and ffmpeg's `ebur128`."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dsp.sounds import MINOR_LOOP, RATE_HZ, audio, chords, drums, sine
from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import integrated_lufs, loudness_range_lu, short_term_lufs, true_peak_dbtp
from tydust_assetgen.dsp.loudness import k_weighting


def levels(*parts: tuple[float, float], hz: float = 1000.0) -> Audio:
    """A stereo sine in stretches of (seconds, dBFS), as EBU Tech 3341 makes its cases."""
    wave = np.concatenate([sine(hz, seconds, dbfs) for seconds, dbfs in parts])
    return audio(wave, wave)


def test_k_weighting_at_48_khz_is_the_table_of_bs1770() -> None:
    shelf, high_pass = k_weighting(48_000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585], abs=1e-12
    )
    assert high_pass == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-12)


@pytest.mark.parametrize("rate_hz", [22_050, 32_000, 44_100, 48_000, 96_000])
def test_full_scale_sine_in_one_channel_is_minus_3_01(rate_hz: int) -> None:
    assert integrated_lufs(audio(sine(997, 3, rate_hz=rate_hz), rate_hz=rate_hz)) == pytest.approx(-3.01, abs=0.03)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        pytest.param([(20, -23)], -23.0, id="3341 case 1"),
        pytest.param([(20, -33)], -33.0, id="3341 case 2"),
        pytest.param([(10, -36), (60, -23), (10, -36)], -23.0, id="3341 case 3"),
        pytest.param([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23.0, id="3341 case 4"),
        pytest.param([(20, -26), (20.1, -20), (20, -26)], -23.0, id="3341 case 5"),
    ],
)
def test_gating_cases_of_ebu_tech_3341(parts: list[tuple[float, float]], wanted: float) -> None:
    assert integrated_lufs(levels(*parts)) == pytest.approx(wanted, abs=0.1)


def test_surround_channels_weigh_more_and_the_lfe_nothing() -> None:
    """EBU Tech 3341 case 6: 5.0 with -28, -28, -24, -30, -30 dBFS reads -23 LUFS; an LFE changes nothing."""
    left, right, centre, left_back, right_back = (sine(1000, 10, dbfs) for dbfs in (-28, -28, -24, -30, -30))
    without = audio(left, right, centre, left_back, right_back)
    loud_lfe = audio(left, right, centre, sine(1000, 10, -6), left_back, right_back)
    assert integrated_lufs(without) == pytest.approx(-23.0, abs=0.1)
    assert integrated_lufs(loud_lfe) == integrated_lufs(without)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        pytest.param([(20, -20), (20, -30)], 10.0, id="3342 case 1"),
        pytest.param([(20, -20), (20, -15)], 5.0, id="3342 case 2"),
        pytest.param([(20, -40), (20, -20)], 20.0, id="3342 case 3"),
        pytest.param([(20, -50), (20, -35), (20, -20), (20, -35), (20, -50)], 15.0, id="3342 case 4"),
    ],
)
def test_loudness_range_cases_of_ebu_tech_3342(parts: list[tuple[float, float]], wanted: float) -> None:
    assert loudness_range_lu(levels(*parts)) == pytest.approx(wanted, abs=1.0)


def test_short_term_follows_the_level() -> None:
    heard = short_term_lufs(levels((5, -30), (5, -20)))
    assert heard.size == 71  # (10 s - 3 s) / 0.1 s + 1
    assert heard[:20] == pytest.approx(np.full(20, -30.0), abs=0.05)
    assert heard[-19:] == pytest.approx(np.full(19, -20.0), abs=0.05)


def test_silence_and_nothing_are_minus_infinity() -> None:
    for frames in (0, 1, 100, RATE_HZ):
        assert integrated_lufs(Audio(np.zeros((2, frames), np.float32), RATE_HZ)) == -math.inf
    assert loudness_range_lu(Audio(np.zeros((2, RATE_HZ), np.float32), RATE_HZ)) == 0.0


def test_sound_shorter_than_a_block_is_one_block_of_its_own_length() -> None:
    assert integrated_lufs(levels((0.35, -20))) == pytest.approx(-20.0, abs=0.3)
    assert short_term_lufs(levels((1.0, -20))) == pytest.approx([-20.0], abs=0.1)


@pytest.fixture(scope="module")
def piece() -> Audio:
    music = 0.3 * (chords(2, MINOR_LOOP, 120, 4, arpeggio=True) + drums(120, 4))
    return audio(music, 0.7 * np.roll(music, 300))


def test_music_reads_as_in_pyloudnorm(piece: Audio) -> None:
    meter = pyloudnorm.Meter(RATE_HZ, filter_class="DeMan")
    assert integrated_lufs(piece) == pytest.approx(meter.integrated_loudness(piece.samples.T.astype(float)), abs=0.02)


def test_music_reads_as_in_ffmpeg(piece: Audio, tmp_path: Path) -> None:
    file = tmp_path / "piece.wav"
    soundfile.write(file, piece.samples.T, RATE_HZ, subtype="FLOAT")
    command = ["ffmpeg", "-nostats", "-i", str(file), "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split("Summary:")[1]
    loudness, peak = (float(re.search(rf"{word}:\s+(-?[\d.]+)", said)[1]) for word in ("I", "Peak"))
    assert integrated_lufs(piece) == pytest.approx(loudness, abs=0.06)  # it prints one digit
    assert true_peak_dbtp(piece) == pytest.approx(peak, abs=0.15)


@settings(max_examples=25, deadline=None)
@given(gain_db=st.floats(-20, 20), seed=st.integers(0, 99))
def test_gain_shifts_loudness_by_itself_and_swapped_channels_do_not(gain_db: float, seed: int) -> None:
    """Loud enough to be far from the absolute gate, where gain may change what counts."""
    noise = 0.05 * np.random.default_rng(seed).standard_normal((2, RATE_HZ))
    plain, louder = audio(*noise), audio(*(noise * 10 ** (gain_db / 20)))
    assert integrated_lufs(louder) - integrated_lufs(plain) == pytest.approx(gain_db, abs=1e-4)
    assert integrated_lufs(audio(*noise[::-1])) == pytest.approx(integrated_lufs(plain), abs=1e-9)
    assert integrated_lufs(audio(*-noise)) == pytest.approx(integrated_lufs(plain), abs=1e-9)


def test_long_sound_is_measured_in_slices_that_leave_no_trace() -> None:
    """25 s is three slices; a slice that lost the filter's state would ring at its edges."""
    heard = short_term_lufs(audio(sine(60, 25, -20)))
    assert heard.max() - heard[5:].min() < 0.01
