"""Finishing: exact loops, honest loudness, peaks under the limit, on sounds that make it hard."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp import integrated_lufs, true_peak_dbtp
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.finish import finish
from tydust_assetgen.finish.steps import folded, trimmed
from tydust_assetgen.flow import Facts, Finish, Master, Provenance, Take

RATE_HZ = 44_100
Samples = NDArray[np.float32]


def take(samples: NDArray[np.floating], rate_hz: int = RATE_HZ, loop_frames: int = 0) -> Take:
    made_by = Provenance(generator="test", version="1", licence="CC0-1.0")
    return Take(Audio(np.atleast_2d(samples).astype(np.float32), rate_hz), Facts(loop_frames=loop_frames), made_by)


def noise(seconds: float, seed: int = 0, rate_hz: int = RATE_HZ, channels: int = 2) -> Samples:
    return np.random.default_rng(seed).standard_normal((channels, round(seconds * rate_hz))).astype(np.float32) * 0.1


def seconds(duration_s: float, rate_hz: int = RATE_HZ) -> NDArray[np.float64]:
    return np.arange(round(duration_s * rate_hz)) / rate_hz


def bursts() -> Samples:
    """Squares at full scale, a tenth of the time: far more peak than loudness."""
    time = seconds(6)
    return np.stack([np.sign(np.sin(2 * np.pi * 300 * time)) * (time % 0.5 < 0.05)] * 2).astype(np.float32)


def gaps() -> Samples:
    return noise(6) * (seconds(6) % 3 < 1)


def kicks() -> Samples:
    """Bass that K-weighting hardly hears, with clicks on top."""
    time = seconds(5)
    wave = np.sin(2 * np.pi * 45 * time) * np.exp(-(time % 0.5) * 6) + 0.8 * (np.arange(time.size) % 22_050 == 0)
    return np.stack([wave, 0.3 * wave]).astype(np.float32)


def jingle() -> Samples:
    time = seconds(1)
    return np.stack([np.sin(2 * np.pi * 880 * time) * np.exp(-4 * time)] * 2).astype(np.float32)


NASTY = {
    "bursts": take(bursts()),
    "noise": take(noise(4)),
    "gaps": take(gaps()),
    "kicks": take(kicks()),
    "jingle": take(jingle()),
    "48k": take(kicks(), 48_000, 200_000),
    "32k": take(noise(3, rate_hz=32_000), 32_000, 90_001),
    "mono": take(noise(2, channels=1)),
    "quiet": take(noise(2) * 1e-3),
    "offset": take(noise(3) + 0.3),
    "high": take(np.stack([np.sin(2 * np.pi * 11_025 * seconds(3) + np.pi / 4)] * 2)),
}


def seam_peak_dbtp(master: Master) -> float:
    """True peak of two turns of the loop."""
    return true_peak_dbtp(Audio(np.tile(master.audio.samples, 2), master.audio.rate_hz))


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("target_lufs", [-23.0, -14.0])
def test_loudness_and_peak_are_as_asked(name: str, loop: bool, target_lufs: float) -> None:
    spec = Finish(loop=loop, target_lufs=target_lufs, true_peak_dbtp=-2.0)
    master = finish(NASTY[name], spec)
    assert true_peak_dbtp(master.audio) <= -2.0 + 1e-4
    assert not loop or seam_peak_dbtp(master) <= -2.0 + 1e-4
    assert abs(master.audio.samples.mean()) < 1e-3
    missed = abs(integrated_lufs(master.audio) - target_lufs) > 0.1
    assert missed == any("instead of" in note for note in master.notes)
    assert not missed or name in ("bursts", "jingle", "high")


def test_a_track_that_needs_no_limiting_is_only_amplified() -> None:
    sound = noise(3)
    master = finish(take(sound, loop_frames=sound.shape[1]), Finish(target_lufs=-30))
    centred = sound - sound.mean(axis=1, keepdims=True)
    gain = np.vdot(master.audio.samples, centred) / np.vdot(centred, centred)
    assert np.abs(master.audio.samples - centred * gain).max() < 1e-6
    assert master.notes == ()


def test_the_notes_say_how_much_was_limited() -> None:
    sound = kicks()
    master = finish(take(sound, loop_frames=sound.shape[1]), Finish(target_lufs=-14))
    gain = master.audio.samples[0] / (sound[0] - sound[0].mean() + 1e-12)
    loud = np.abs(sound[0]) > 0.02
    most_db = 20 * np.log10(gain[loud].max() / gain[loud].min())
    said = float(master.notes[0].split(" dB")[0])
    assert said > 1
    assert said == pytest.approx(most_db, abs=0.3)


def test_the_gain_of_the_limiter_has_no_corners() -> None:
    """A steady tone with one peak: the gain moves by less than 0.2 dB a sample, and is back after the release."""
    tone = 0.05 * np.sin(2 * np.pi * 441 * seconds(2)) + 0.02
    tone[44_100] += 0.9
    sound = np.stack([tone, tone])
    sound -= sound.mean(axis=1, keepdims=True)
    master = finish(take(sound, loop_frames=88_200), Finish(target_lufs=-16))
    steady = np.abs(sound[0]) > 0.03
    gain_db = 20 * np.log10(master.audio.samples[0, steady] / sound[0, steady])
    steps = np.diff(gain_db) / np.diff(np.flatnonzero(steady))
    assert gain_db.min() < gain_db.max() - 3
    assert np.abs(steps).max() < 0.2
    assert gain_db[-1] == pytest.approx(gain_db[0], abs=0.01)


def test_limiting_a_loop_goes_on_over_the_seam() -> None:
    """Turned by any number of frames, the loop is finished to the same circle: the seam is nothing special."""
    sound = kicks()[:, : 13_780 * 16]
    spec = Finish(target_lufs=-14)
    frames = sound.shape[1]
    turned_by = 16 * 4321
    plain = finish(take(sound, loop_frames=frames), spec).audio.samples
    turned = finish(take(np.roll(sound, turned_by, axis=1), loop_frames=frames), spec).audio.samples
    difference = np.abs(np.roll(turned, -turned_by, axis=1) - plain)
    assert difference.max() < 0.004  # the loudness blocks fall elsewhere, which moves the gain a little
    around = np.r_[-2000:0, 0:2000]
    ratio = turned[0, turned_by + around] / plain[0, around]
    assert np.std(ratio[np.abs(plain[0, around]) > 0.01]) < 1e-3


@given(frames=st.integers(50, 400), tail=st.integers(0, 1500), seed=st.integers(0, 99))
def test_folding_is_the_sum_of_endless_passes(frames: int, tail: int, seed: int) -> None:
    sound = np.random.default_rng(seed).standard_normal((2, frames + tail)).astype(np.float32)
    passes = 1 + -(-(frames + tail) // frames)
    endless = np.zeros((2, frames * (2 * passes + 1) + tail))
    for start in range(2 * passes):
        endless[:, start * frames : start * frames + frames + tail] += sound
    steady = endless[:, passes * frames : (passes + 1) * frames]
    assert folded(sound, frames) == pytest.approx(steady, abs=1e-4)


def test_a_reverb_tail_rings_into_the_start() -> None:
    time = seconds(3)
    wave = np.zeros(time.size)
    wave[80_000:] = 0.3 * np.sin(2 * np.pi * 500 * time[80_000:]) * np.exp(-2 * (time[80_000:] - time[80_000]))
    spec = Finish(target_lufs=-30, channels=1)
    loop = finish(take(wave, loop_frames=88_200), spec).audio.samples[0]
    twice = np.tile(loop, 2)
    gain = loop[81_000] / (wave[81_000] - wave[:88_200].mean() * 0)
    assert twice[88_200 : 88_200 + 30_000] == pytest.approx(wave[88_200 : 88_200 + 30_000] * gain, abs=2e-3)


@pytest.mark.parametrize(("rate_hz", "frames"), [(44_100, 100_001), (48_000, 150_007), (32_000, 64_000)])
def test_a_loop_has_its_exact_length_and_a_seam_like_any_other_place(rate_hz: int, frames: int) -> None:
    """A tone of whole turns stays a tone of whole turns: nothing of it leaks into other frequencies."""
    turns = 2311
    wave = np.sin(2 * np.pi * turns * np.arange(frames) / frames)
    master = finish(take(wave, rate_hz, frames), Finish(target_lufs=-20))
    wanted = (frames * 44_100 + rate_hz // 2) // rate_hz
    assert master.loop == LoopPoints(0, wanted)
    assert master.audio.frames == master.facts.loop_frames == wanted
    spectrum = np.abs(np.fft.rfft(master.audio.samples[0].astype(np.float64)))
    others = np.delete(spectrum, turns)
    assert 20 * np.log10(others.max() / spectrum[turns]) < -110


def test_a_piece_keeps_its_tail_and_loses_the_silence_after_it() -> None:
    time = seconds(6)
    wave = np.sin(2 * np.pi * 500 * time) * np.exp(-4 * time)  # -70 dB after 2.01 s
    master = finish(take(wave, loop_frames=44_100), Finish(loop=False))
    assert master.loop is None
    assert master.facts.loop_frames == 0
    assert master.audio.duration_s == pytest.approx(2.06, abs=0.02)
    assert np.abs(master.audio.samples[:, -20:]).max() < 1e-5


def test_trimming_leaves_a_short_loud_end_its_length_and_no_click() -> None:
    wave = np.ones((1, 1000), np.float32)
    kept = trimmed(wave, 10_000)
    assert kept.shape == (1, 1000)
    assert kept[0, :500].min() == 1.0
    assert kept[0, -1] == pytest.approx(0.0, abs=1e-6)


def test_stereo_from_mono_is_the_same_on_both_sides_and_mono_from_stereo_the_mean() -> None:
    wide = finish(take(noise(2, channels=1)), Finish(channels=2)).audio.samples
    assert np.array_equal(wide[0], wide[1])
    opposite = noise(2, channels=1)
    both = np.concatenate([opposite + noise(2, 5, channels=1), -opposite + noise(2, 5, channels=1)])
    narrow = finish(take(both, loop_frames=both.shape[1]), Finish(channels=1)).audio.samples
    wanted = noise(2, 5, channels=1)
    correlation = np.corrcoef(narrow[0], wanted[0])[0, 1]
    assert narrow.shape[0] == 1
    assert correlation > 0.99999


def test_an_offset_is_removed_without_a_step_at_the_ends() -> None:
    time = seconds(2)
    wave = 0.2 * np.sin(2 * np.pi * 300 * time) * np.sin(np.pi * time / 2) + 0.1 * (time > 0.2) * (time < 1.8)
    made = finish(take(wave), Finish(loop=False, target_lufs=-20)).audio.samples
    assert abs(made.mean()) < 1e-4
    assert abs(made[0, 0]) < 1e-3
    assert abs(made[0, -1]) < 1e-3


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((2, 1000)), "silent"),
        (np.full((2, 1000), 1e-6), "silent"),
        (np.zeros((2, 0)), "silent"),
        (np.full((2, 1000), np.nan), "no numbers"),
        (np.full((2, 1000), np.inf), "no numbers"),
        (np.ones((3, 1000)), "3 channels"),
    ],
)
@pytest.mark.parametrize("loop", [True, False])
def test_what_is_no_music_is_refused(samples: Samples, words: str, loop: bool) -> None:
    with pytest.raises(GenerationError, match=words):
        finish(take(samples), Finish(loop=loop))


@given(
    frames=st.integers(1, 3000), loop=st.booleans(), seed=st.integers(0, 9), rate_hz=st.sampled_from([32_000, 44_100])
)
@settings(max_examples=40, deadline=None)
def test_any_short_take_is_finished_or_refused_in_words(frames: int, loop: bool, seed: int, rate_hz: int) -> None:
    sound = np.random.default_rng(seed).standard_normal((2, frames))
    try:
        master = finish(take(sound, rate_hz), Finish(loop=loop))
    except GenerationError:
        return
    assert np.isfinite(master.audio.samples).all()
    assert true_peak_dbtp(master.audio) <= -2.0 + 1e-3


def test_an_offset_alone_is_silence() -> None:
    with pytest.raises(GenerationError, match="silent"):
        finish(take(np.full((2, 10_000), 0.5)), Finish(loop=True))


def test_sides_that_cancel_each_other_are_refused_in_mono() -> None:
    side = noise(1, channels=1)
    with pytest.raises(GenerationError, match="cancels"):
        finish(take(np.concatenate([side, -side])), Finish(channels=1))


def test_the_take_is_left_as_it_was() -> None:
    track = NASTY["kicks"]
    before = track.audio.samples.copy()
    finish(track, Finish())
    assert np.array_equal(track.audio.samples, before)


def test_two_processes_make_the_same_samples() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_finish import NASTY, digest;"
        "print(digest(NASTY['48k']), digest(NASTY['kicks']))"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [digest(NASTY["48k"]), digest(NASTY["kicks"])]


def digest(track: Take) -> str:
    return hashlib.sha256(finish(track, Finish()).audio.samples.tobytes()).hexdigest()
