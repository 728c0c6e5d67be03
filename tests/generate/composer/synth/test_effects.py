"""Chorus, delay, reverb, side chain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from tydust_assetgen.generate.composer.synth import effects
from tydust_assetgen.generate.composer.synth.effects import Ducking
from tydust_assetgen.generate.composer.synth.mix import add
from tydust_assetgen.generate.composer.synth.signal import decayed
from tydust_assetgen.generate.composer.synth.timeline import Clock


def test_repeats_come_at_whole_multiples_of_the_delay_and_change_sides() -> None:
    taps = effects.delay_taps(0.375)
    assert [tap.offset for tap in taps] == [round(0.375 * 44_100) * n for n in range(1, len(taps) + 1)]
    assert [tap.side for tap in taps[:4]] == [0, 1, 0, 1]


def test_repeats_get_softer_and_darker_until_they_are_gone() -> None:
    taps = effects.delay_taps(0.3)
    levels = [tap.bright + tap.dark for tap in taps]
    assert np.diff(20.0 * np.log10(levels)) == pytest.approx(20.0 * np.log10(effects.FEEDBACK), abs=1e-6)
    assert levels[-1] < 10 ** (-58 / 20)
    shares = [tap.bright / level for tap, level in zip(taps, levels, strict=True)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0


@pytest.mark.parametrize("size", [0.15, 0.5, 0.85])
def test_the_room_decays_in_the_time_of_its_size(size: float) -> None:
    answer = effects.room(size)
    sections = signal.butter(4, (354.0, 707.0), "bandpass", fs=44_100, output="sos")
    energy = np.sum(signal.sosfilt(sections, answer.astype(np.float64), axis=1) ** 2, axis=0)
    left_db = 10.0 * np.log10(np.cumsum(energy[::-1])[::-1] / np.sum(energy) + 1e-12)
    rt60_s = 2.0 * (np.argmax(left_db < -35.0) - np.argmax(left_db < -5.0)) / 44_100
    assert rt60_s == pytest.approx(effects.reverb_seconds(size), rel=0.15)


def test_the_room_is_wide_and_its_treble_dies_first() -> None:
    answer = effects.room(0.6)
    assert abs(np.corrcoef(answer)[0, 1]) < 0.1
    assert np.sum(answer.astype(np.float64) ** 2, axis=1) == pytest.approx([1.0, 1.0], abs=1e-4)
    early, late = answer[0, 2_000:20_000], answer[0, 60_000:78_000]

    def treble(sound: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        bins_hz = np.fft.rfftfreq(len(sound), 1.0 / 44_100)
        return float(np.sum(power[bins_hz > 4_000]) / np.sum(power))

    assert treble(late) < 0.2 * treble(early)


def test_the_convolver_convolves() -> None:
    answer = effects.room(0.0)
    sound = np.random.default_rng(1).standard_normal(5_000).astype(np.float32)
    wet = effects.Convolver(answer, 8_000)(sound)
    true = np.stack([signal.fftconvolve(sound.astype(np.float64), side) for side in answer])
    assert wet.shape == true.shape
    assert np.max(np.abs(wet - true)) < 1e-5 * np.max(np.abs(true)) + 1e-5


def test_the_chorus_does_not_hear_how_a_score_is_cut() -> None:
    sound = np.random.default_rng(2).standard_normal(30_000).astype(np.float32)
    whole = effects.chorus(sound, 5_000, 0.61)
    part = effects.chorus(sound[10_000 : 20_000 + effects.CHORUS_HISTORY], 15_000, 0.61)
    assert np.max(np.abs(whole[:, 10_000:20_000] - part)) < 4e-4


def test_the_chorus_leaves_the_middle_standing() -> None:
    time_s = np.arange(44_100 + effects.CHORUS_HISTORY) / 44_100
    tone = np.sin(2 * np.pi * 300 * time_s).astype(np.float32)
    wet = effects.CHORUS_WET * effects.chorus(tone, 0, 1.0)
    wet += (1.0 - effects.CHORUS_DRY) * tone[effects.CHORUS_HISTORY :]
    assert np.std(wet[0] - wet[1]) > 0.2
    assert np.std(wet.mean(axis=0)) > 0.5 * np.std(wet)


@pytest.mark.parametrize("pole", [1e-6, 0.3, 0.8, 0.99, 0.9997])
def test_the_recursion_is_the_recursive_filter(pole: float) -> None:
    sound = np.random.default_rng(3).standard_normal((2, 100_003))
    true = signal.lfilter([1.0], [1.0, -pole], sound)
    assert np.max(np.abs(decayed(sound, pole) - true)) < 1e-9 * np.max(np.abs(true))
    assert np.max(np.abs(decayed(sound[:, :77], pole) - true[:, :77])) < 1e-9


def test_the_kick_pushes_down_and_lets_go_even_across_the_seam() -> None:
    clock = Clock(45.9375, 44_100, True)
    effects = Ducking(((100, 1.0), (43_000, 1.0)), 0.5, clock, _dip())
    gain = effects.gain(0, 44_100, 1.0)
    assert np.min(gain) == pytest.approx(0.5, abs=0.01)
    assert gain[20_000] == 1.0
    assert gain[0] < 0.6  # still under the stroke at the end of the loop
    assert np.array_equal(effects.gain(44_100, 88_200, 1.0), gain)
    assert np.max(np.abs(np.diff(gain))) < 0.01


def _dip() -> np.ndarray:
    from tydust_assetgen.generate.composer.synth import effects

    return effects._dip()


def test_sound_goes_round_a_circle_as_often_as_need_be() -> None:
    total = np.zeros((1, 10), np.float32)
    add(total, np.ones((1, 25), np.float32), 7, circle=True)
    assert total[0].tolist() == [3, 3, 2, 2, 2, 2, 2, 3, 3, 3]
    line = np.zeros((1, 10), np.float32)
    add(line, np.ones((1, 25), np.float32), 7, circle=False)
    assert line[0].tolist() == [0] * 7 + [1] * 3
