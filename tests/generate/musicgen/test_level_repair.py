"""Joins and drift, put into music that is known: found, taken back, and not found where there are none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp import short_term_lufs
from tydust_assetgen.dsp.resample import resample
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.musicgen.post.level_repair import Samples, audit_joins, repair_levels
from tydust_assetgen.generate.protocol import Shelf

RATE_HZ = 32_000
JOINS_S = (30.0, 48.0)
GENRES = ("synthwave", "darkwave", "industrial", "chiptune")


@cache
def composed(genre: str, seed: int = 1) -> Samples:
    """66 s of mono music with an intro, a break and an end of their own."""
    brief = Brief(generator="composer", prompt="flying", duration_s=66.0, seed=seed, genre=genre)
    ((_, take),) = Composer().generate([brief], Shelf(root=Path()), lambda index, share, note="": None)
    mono = take.audio.samples.mean(axis=0, keepdims=True)
    return resample(mono, take.audio.rate_hz, RATE_HZ)[:, : 66 * RATE_HZ]


@cache
def steady(seconds: int = 66) -> Samples:
    """Chords and beats that go on in the same way: nothing of its own to be confused with."""
    t = np.arange(seconds * RATE_HZ) / RATE_HZ
    bar_s = 2.0
    roots = np.array([110.0, 87.31, 130.81, 98.0])[(t // bar_s).astype(int) % 4]
    phase = 2 * np.pi * np.cumsum(roots) / RATE_HZ
    chord = sum(np.sin(phase * ratio * harmonic) / harmonic for ratio in (1, 1.5, 2.5) for harmonic in (1, 2, 4, 8, 16))
    beat = np.exp(-(t % 0.5) * 18) * np.random.default_rng(3).standard_normal(t.size)
    return np.asarray(0.06 * chord + 0.2 * beat, dtype=np.float32)[None]


def louder(samples: Samples, gain_db: NDArray[np.float64]) -> Samples:
    return np.asarray(samples * 10 ** (gain_db / 20), dtype=np.float32)


def times_s(samples: Samples) -> NDArray[np.float64]:
    return np.arange(samples.shape[1]) / RATE_HZ


def stepped(samples: Samples, at_s: float, by_db: float) -> Samples:
    return louder(samples, by_db * (times_s(samples) >= at_s))


def drifting(samples: Samples, by_db: float) -> Samples:
    return louder(samples, by_db * times_s(samples) / times_s(samples)[-1])


def gain_db(after: Samples, before: Samples, start_s: float, end_s: float) -> float:
    """What was done to a stretch."""
    part = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
    powers = [float(np.square(samples[:, part], dtype=np.float64).mean()) for samples in (after, before)]
    return float(10 * np.log10(powers[0] / powers[1]))


def step_left_db(after: Samples, before: Samples, at_s: float, window_s: float = 3.0) -> float:
    """What is left of a step that was put in: the gain behind it, against the gain before it."""
    return gain_db(after, before, at_s, at_s + window_s) - gain_db(after, before, at_s - window_s, at_s)


@pytest.mark.parametrize("genre", GENRES)
@pytest.mark.parametrize("shift_s", [0.0, 2.6, 7.1, 11.9])
def test_music_that_is_right_is_not_touched(genre: str, shift_s: float) -> None:
    music = composed(genre)
    samples, notes = repair_levels(music, RATE_HZ, [at - shift_s for at in JOINS_S])
    assert samples is music
    assert notes == ()


@pytest.mark.parametrize("by_db", [-7.0, -4.0, 3.0, 6.0])
@pytest.mark.parametrize("at_s", JOINS_S)
def test_a_step_at_a_join_is_taken_back(at_s: float, by_db: float) -> None:
    samples, notes = repair_levels(stepped(steady(), at_s, by_db), RATE_HZ, JOINS_S)
    assert abs(step_left_db(samples, steady(), at_s)) < 1
    levels = short_term_lufs(Audio(samples, RATE_HZ))
    assert abs(levels[round((at_s + 0.2) * 10)] - levels[round((at_s - 3.2) * 10)]) < 1
    assert len(notes) == 1
    assert notes[0].startswith("level evened by up to ")
    assert notes[0].endswith(f" dB at the join at {at_s:.1f} s")


@pytest.mark.parametrize("genre", ["chiptune", "industrial"])
def test_a_step_in_real_music_is_taken_back(genre: str) -> None:
    music = composed(genre)
    samples, notes = repair_levels(stepped(music, 48.0, 6.0), RATE_HZ, JOINS_S)
    assert abs(step_left_db(samples, music, 48.0)) < 1
    assert any("the join at 48.0 s" in note for note in notes)


def test_the_same_step_where_there_is_no_join_is_music() -> None:
    music = stepped(steady(), 39.0, 6.0)
    samples, notes = repair_levels(music, RATE_HZ, (30.0, 50.0))
    assert samples is music
    assert notes == ()


def test_a_break_at_a_join_is_music() -> None:
    """Quiet for two seconds, and then as before: no gain for the rest of the track comes of that."""
    t = times_s(steady())
    music = louder(steady(), np.where((t >= 30) & (t < 32), -12.0, 0.0))
    samples, _ = repair_levels(music, RATE_HZ, JOINS_S)
    assert abs(gain_db(samples, music, 40, 66)) < 0.5


@pytest.mark.parametrize(("ramp_s", "most_db"), [(0.02, 1.5), (4.0, 3.0)])
def test_what_comes_slowly_is_taken_back_slowly(ramp_s: float, most_db: float) -> None:
    """No dip before the join, and no bump behind it: 6 dB at once against 6 dB in 4 s would be 4 dB off."""
    share = np.clip((times_s(steady()) - 48.0) / ramp_s + 0.5, 0, 1)
    samples, _ = repair_levels(louder(steady(), 6 * share), RATE_HZ, JOINS_S)
    course = [gain_db(samples, steady(), at, at + 0.5) for at in np.arange(44, 52, 0.5)]
    assert np.ptp(course) < most_db


def test_steps_at_several_joins_add_up_and_are_all_named() -> None:
    music = stepped(stepped(steady(), 30.0, 4.0), 48.0, 3.0)
    samples, notes = repair_levels(music, RATE_HZ, JOINS_S)
    assert abs(step_left_db(samples, steady(), 30.0)) < 1
    assert abs(step_left_db(samples, steady(), 48.0)) < 1
    assert notes[0].endswith("at the joins at 30.0 s and 48.0 s")


@pytest.mark.parametrize("by_db", [-12.0, -6.0, 5.0, 12.0])
def test_drift_is_taken_back(by_db: float) -> None:
    samples, notes = repair_levels(drifting(steady(), by_db), RATE_HZ, JOINS_S)
    begin, end = (gain_db(samples, steady(), at, at + 10) for at in (0, 56))
    assert abs(end - begin) < 1
    assert notes[0].startswith(f"the level {'rose' if by_db > 0 else 'fell'} by ")


@pytest.mark.parametrize("genre", ["chiptune", "industrial", "synthwave"])
def test_drift_in_real_music_is_taken_back_for_the_most_part(genre: str) -> None:
    music = composed(genre)
    samples, _ = repair_levels(drifting(music, 8.0), RATE_HZ, JOINS_S)
    begin, end = (gain_db(samples, music, at, at + 10) for at in (0, 56))
    assert abs(end - begin) < 3


def test_a_saw_of_falling_windows_becomes_level() -> None:
    """Every window fades and the next one starts loud again: steps and drift are found together."""
    t = times_s(steady())
    since = t - np.select([t >= 48, t >= 30], [48.0, 30.0], 0.0)
    music = louder(steady(), -6.0 * since / 18)
    samples, _ = repair_levels(music, RATE_HZ, JOINS_S)
    begins = [gain_db(samples, steady(), at, at + 3) for at in (31, 49, 62)]
    assert np.ptp(begins) < 2.5


def test_sections_keep_their_contrast() -> None:
    """The second section is asked to be 8 dB louder, and is."""
    music = stepped(steady(), 30.0, 8.0)
    samples, notes = repair_levels(music, RATE_HZ, (30.0, 48.0), (0.0, 30.0))
    assert samples is music
    assert notes == ()


def test_a_step_inside_a_section_is_evened_and_the_sections_keep_their_levels() -> None:
    music = stepped(stepped(steady(), 30.0, 8.0), 48.0, 4.0)
    samples, _ = repair_levels(music, RATE_HZ, (30.0, 48.0), (0.0, 30.0))
    assert abs(step_left_db(samples, steady(), 48.0)) < 1
    assert gain_db(samples, music, 5, 25) == pytest.approx(0, abs=0.1)
    contrast = gain_db(samples, steady(), 34, 66) - gain_db(samples, steady(), 0, 26)
    assert 8 < contrast < 12


def test_the_gain_is_smooth_and_never_large() -> None:
    """Read off a tone that goes along in a second channel, 60 dB under the music."""
    t = times_s(steady())
    fault = -14.0 * t / t[-1] + 5.0 * (t >= 30)
    music = louder(steady(), fault)
    samples, _ = repair_levels(music, RATE_HZ, JOINS_S)
    there = np.abs(music[0]) > 1e-3
    gain = 20 * np.log10(np.abs(samples[0, there]) / np.abs(music[0, there]))
    assert np.abs(gain).max() <= 9.01
    slope = np.abs(np.diff(gain)) / np.diff(np.flatnonzero(there)) * RATE_HZ
    assert np.percentile(slope, 99.9) < 400  # dB a second: 5 dB take more than 12 ms


def test_a_change_of_sound_is_reported_and_not_touched() -> None:
    """Behind the join the same level comes from another part of the spectrum."""
    hz = np.fft.rfftfreq(steady().shape[1], 1 / RATE_HZ)
    equaliser = np.select([hz < 200, hz > 4000], [7.0, 1 / 7], 1.0)
    other = np.fft.irfft(np.fft.rfft(steady()[0]) * equaliser, steady().shape[1])
    music = np.where(times_s(steady()) < 48, steady()[0], other)[None].astype(np.float32)
    samples, notes = repair_levels(music, RATE_HZ, JOINS_S)
    assert samples is music
    assert notes == ("the sound changes at the join at 48.0 s",)


def test_too_large_a_step_is_left_alone_and_reported() -> None:
    music = stepped(steady(), 48.0, -14.0)
    _, notes = repair_levels(music, RATE_HZ, JOINS_S)
    assert any(note.startswith("the level falls by 14.") and note.endswith("left alone") for note in notes)


def test_the_audit_tells_a_join_from_the_rest() -> None:
    report = audit_joins(stepped(steady(), 48.0, 5.0), RATE_HZ, JOINS_S)
    first, second = report.joins
    assert not first.jumps
    assert second.jumps
    assert second.step_db == pytest.approx(5, abs=0.7)
    assert second.usual_step_db < 2
    assert report.drift_db == 0


@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0, 5.0])
def test_short_sounds_and_silence_walk_through(seconds: float) -> None:
    for samples in (steady()[:, : round(seconds * RATE_HZ)], np.zeros((2, round(seconds * RATE_HZ)), np.float32)):
        assert repair_levels(samples, RATE_HZ, (seconds / 2,))[0] is samples
    assert repair_levels(steady(), RATE_HZ, ())[0] is steady()


def test_silence_of_full_length_walks_through() -> None:
    silence = np.zeros((2, 66 * RATE_HZ), np.float32)
    assert repair_levels(silence, RATE_HZ, JOINS_S) == (silence, ())


@example([2.0], [0.001953125, 0.00390625], 0.0, 3.0)  # stretches shorter than the grid of gains
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(2, 58), max_size=4, unique=True).map(sorted),
    st.lists(st.floats(0, 60), max_size=3).map(sorted),
    st.floats(-20, 20),
    st.floats(-20, 20),
)
def test_whatever_walks_in_no_gain_is_large_and_nothing_is_lost(
    joins_s: list[float], sections_s: list[float], drift_db: float, step_db: float
) -> None:
    """At 8 kHz, to be quick."""
    slow = steady(60)[:, ::4]
    at = np.arange(slow.shape[1]) / slow.shape[1]
    music = louder(slow, drift_db * at + step_db * (at > (joins_s or [30.0])[0] / 60))
    samples, notes = repair_levels(music, RATE_HZ // 4, joins_s, sections_s)
    there = np.abs(music) > 1e-4
    gain = 20 * np.log10(np.abs(samples[there]) / np.abs(music[there]))
    assert samples.dtype == np.float32
    assert np.abs(gain).max() <= 9.01
    assert notes or samples is music


def test_both_channels_get_the_same_gain() -> None:
    music = np.concatenate([steady(), 0.5 * steady()[:, ::-1]])
    samples, notes = repair_levels(stepped(music, 30.0, 6.0), RATE_HZ, JOINS_S)
    assert notes
    left, right = (gain_db(samples[[channel]], music[[channel]], 10, 20) for channel in (0, 1))
    assert left == pytest.approx(right, abs=0.01)
