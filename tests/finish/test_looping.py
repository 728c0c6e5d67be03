"""Finding loops: exact where the take repeats, in whole bars where it has a beat, unheard where nothing repeats."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp import seam
from tydust_assetgen.dsp.beats import bar_phase, beat_windows, sound_frames
from tydust_assetgen.finish import finish
from tydust_assetgen.finish.looping import FoundLoop, find_loop, words_for
from tydust_assetgen.finish.looping.loop import Fade, Span, looped
from tydust_assetgen.flow import Facts, Finish, Provenance, SectionTime, Take

RATE_HZ = 22_050
Samples = NDArray[np.float32]


def noise(frames: int, seed: int = 0, channels: int = 2) -> Samples:
    return (np.random.default_rng(seed).standard_normal((channels, frames)) * 0.1).astype(np.float32)


def found(samples: NDArray[np.floating], rate_hz: int = RATE_HZ, **facts: float) -> FoundLoop:
    return find_loop(Audio(np.atleast_2d(samples).astype(np.float32), rate_hz), Facts(**facts))  # type: ignore[arg-type]


def beats(bpm: float, seconds: float, rate_hz: int = RATE_HZ, per_bar: int = 4, seed: int = 0) -> NDArray[np.float64]:
    """A kick on each bar, ticks on the beats, a tone that changes with the bar; a little noise that never repeats."""
    sound = np.random.default_rng(seed).standard_normal(round(seconds * rate_hz)) * 0.002
    time_s = np.arange(round(0.3 * rate_hz)) / rate_hz
    kick = 0.6 * np.sin(2 * np.pi * 60 * time_s) * np.exp(-12 * time_s)
    tick = 0.2 * np.random.default_rng(1).standard_normal(time_s.size) * np.exp(-60 * time_s)
    for count in range(int(seconds * bpm / 60)):
        first = round(count * 60 / bpm * rate_hz)
        hit = tick if count % per_bar else kick + tick
        sound[first : first + hit.size] += hit[: sound.size - first]
    bar = (np.arange(sound.size) / rate_hz * bpm / 60 // per_bar).astype(np.int64)
    hertz = np.asarray([220.0, 261.63, 196.0, 246.94])[bar % 4]
    return sound + 0.1 * np.sin(2 * np.pi * np.cumsum(hertz) / rate_hz)


@settings(max_examples=25)
@given(
    frames=st.integers(1, 60_000),
    near=st.integers(0, 90_000),
    rate_hz=st.sampled_from([8_000, 22_050, 96_000]),
    channels=st.integers(1, 2),
    seed=st.integers(0, 9),
)
def test_the_loop_lies_inside_the_take_and_is_about_as_long_as_asked(
    frames: int, near: int, rate_hz: int, channels: int, seed: int
) -> None:
    loop = found(noise(frames, seed, channels), rate_hz, near_frames=near)
    wanted = min(near or frames, frames)
    assert 0 <= loop.span.start < loop.span.end <= frames
    assert loop.samples.shape == (channels, loop.span.frames)
    assert loop.samples.dtype == np.float32
    assert np.isfinite(loop.samples).all()
    assert np.floor(0.6 * wanted * 0.98) <= loop.span.frames <= 1.4 * wanted + 1


@settings(max_examples=12)
@given(
    period=st.integers(12_000, 40_000),
    turns=st.floats(1.5, 3.2),
    off=st.floats(-0.04, 0.04),
    rate_hz=st.sampled_from([8_000, 16_000]),
)
def test_what_repeats_exactly_is_found_to_the_sample(period: int, turns: float, off: float, rate_hz: int) -> None:
    phrase = noise(period, seed=period)
    take = np.tile(phrase, 4)[:, : round(turns * period)]
    loop = found(take, rate_hz, near_frames=round(period * (1 + off)))
    assert loop.span.frames == period
    turned = np.roll(phrase, -loop.span.start, axis=1)
    assert loop.samples == pytest.approx(turned, abs=1e-6)


@settings(max_examples=15)
@given(hertz=st.floats(60, 2_000), seconds=st.floats(1, 4), near=st.floats(0.7, 1.0))
def test_a_periodic_sound_gives_whole_periods(hertz: float, seconds: float, near: float) -> None:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = np.sin(2 * np.pi * hertz * time_s) + 0.4 * np.sin(4 * np.pi * hertz * time_s + 1)
    loop = found(0.3 * wave, near_frames=round(near * time_s.size))
    periods = loop.span.frames * hertz / RATE_HZ
    assert abs(periods - round(periods)) * RATE_HZ / hertz <= 1.0
    assert loop.seam.ok


@pytest.mark.parametrize("bpm", [60, 77, 90, 123.4, 174, 200])
@pytest.mark.parametrize("known", [True, False])
def test_a_beat_gives_whole_bars_that_begin_on_a_downbeat(bpm: float, known: bool) -> None:
    bar_s = 240 / bpm
    near_s = 8 * bar_s + 0.4 * bar_s
    take = beats(bpm, near_s + 3.2 * bar_s)
    loop = found(take, near_frames=round(near_s * RATE_HZ), bpm=bpm if known else 0.0)
    bars = loop.span.frames / RATE_HZ / bar_s
    assert loop.seam.ok
    assert abs(bars - round(2 * bars) / 2) * bar_s < 0.005
    if known or bpm < 170:  # what is faster may well be heard at half the tempo
        assert round(bars) == 8
        late_s = loop.span.start / RATE_HZ % bar_s
        assert loop.span.start == 0 or bar_s - late_s < 0.03


def test_a_start_is_just_before_its_attack() -> None:
    loop = found(beats(100, 24), near_frames=round(19.2 * RATE_HZ), bpm=100.0)
    power = np.square(loop.samples[0])
    attack_s = int(np.argmax(power > 0.1 * power.max())) / RATE_HZ
    assert 0.004 <= attack_s < 0.03
    assert power[: round(0.004 * RATE_HZ)].max() < 0.1 * power.max()


def test_a_pickup_stays_outside() -> None:
    """A note and a half beat of rest come before the first bar: the loop begins on a bar all the same."""
    bar_s, lead_s = 2.0, 0.37
    take = np.concatenate([beats(300, 0.2)[: round(0.2 * RATE_HZ)], np.zeros(round(0.17 * RATE_HZ)), beats(120, 21)])
    loop = found(take, near_frames=round(16 * RATE_HZ), bpm=120.0)
    late_s = (loop.span.start / RATE_HZ - lead_s) % bar_s
    assert min(late_s, bar_s - late_s) < 0.03
    assert loop.span.frames == pytest.approx(16 * RATE_HZ, abs=60)


@pytest.mark.parametrize("seconds", [1.0, 3.0, 20.0])
@pytest.mark.parametrize("near", [0.0, 0.9, 2.0])
def test_noise_has_a_seam_that_is_not_heard_and_nearly_the_asked_length(seconds: float, near: float) -> None:
    take = noise(round(seconds * RATE_HZ), seed=3)
    loop = found(take, near_frames=round(near * take.shape[1]))
    wanted = min(near or 1.0, 1.0) * seconds
    assert loop.seam.ok
    assert loop.samples.shape[1] / RATE_HZ == pytest.approx(wanted, abs=0.25)
    tenths = loop.samples[:, : loop.samples.shape[1] // 50 * 50].reshape(2, 50, -1)
    power_db = 10 * np.log10(np.square(tenths).mean(axis=(0, 2)))
    assert np.ptp(power_db) < 2.0


def test_silence_at_the_ends_is_left_out() -> None:
    take = noise(20 * RATE_HZ)
    take[:, : 2 * RATE_HZ] = take[:, -3 * RATE_HZ :] = 0
    loop = found(take)
    assert loop.span.start >= 2 * RATE_HZ
    assert loop.span.end <= 17 * RATE_HZ
    assert loop.span.frames > 14 * RATE_HZ


def test_a_fade_in_is_left_out_where_a_later_loop_is_as_good() -> None:
    take = noise(20 * RATE_HZ)
    take[:, : 4 * RATE_HZ] *= np.linspace(0, 1, 4 * RATE_HZ, dtype=np.float32)
    loop = found(take, near_frames=14 * RATE_HZ)
    assert loop.span.start > 2.5 * RATE_HZ
    assert loop.span.frames == pytest.approx(14 * RATE_HZ, abs=RATE_HZ)


def test_a_single_hit_and_single_clicks_are_looped_in_silence() -> None:
    time_s = np.arange(6 * RATE_HZ) / RATE_HZ
    hit = np.where(time_s > 1, np.sin(2 * np.pi * 80 * time_s) * np.exp(-8 * np.maximum(time_s - 1, 0)), 0)
    click = np.zeros(6 * RATE_HZ)
    click[RATE_HZ] = 1.0
    for take in (hit, click):
        loop = found(take, near_frames=5 * RATE_HZ)
        assert loop.seam.ok
        assert np.abs(loop.samples).max() == pytest.approx(np.abs(take).max(), rel=1e-3)


def test_of_two_places_the_one_that_goes_on_alike_is_taken() -> None:
    """After 8 s the take plays its beginning again; after 7 s it plays something else."""
    phrase, other = beats(120, 8, seed=1), beats(120, 8, seed=2) * 0.5
    take = np.concatenate([phrase, phrase[: 4 * RATE_HZ], other])
    assert found(take, near_frames=round(7.6 * RATE_HZ)).span.frames == 8 * RATE_HZ


def test_an_equal_sound_fades_at_equal_gain_and_another_at_equal_power() -> None:
    phrase = noise(20_000, seed=1)
    same = looped(np.tile(phrase, 3), Span(20_000, 40_000), Fade(4_000, 0))
    assert same == pytest.approx(phrase, abs=1e-6)
    takes = [looped(noise(60_000, seed), Span(20_000, 40_000), Fade(3_000, 1_000)) for seed in range(60)]
    power = np.square(takes).mean(axis=(0, 1))
    faded = np.concatenate([power[-3_000:], power[:1_000]]).reshape(10, 400).mean(axis=1)
    assert faded == pytest.approx(np.full(10, 0.01), rel=0.06)


def test_the_end_leads_into_the_beginning() -> None:
    """At the fade's ends the loop is the take, sample for sample: no step at either."""
    take = noise(60_000)
    loop = looped(take, Span(20_000, 40_000), Fade(500, 300))
    assert loop[:, 300:-500] == pytest.approx(take[:, 20_300:39_500])
    assert loop[:, -500] == pytest.approx(take[:, 39_500], abs=1e-4)
    assert loop[:, 299] == pytest.approx(take[:, 20_299], abs=1e-4)


@pytest.mark.parametrize("bpm", [61.0, 90.0, 128.5, 187.0])
def test_the_beat_is_known_to_three_hundredths_of_a_percent(bpm: float) -> None:
    sound = sound_frames(Audio(beats(bpm, 40)[None].astype(np.float32), RATE_HZ))
    heard = 60 * sound.per_second / beat_windows(sound, bpm * 1.0015)
    assert heard == pytest.approx(bpm, rel=3e-4)


@pytest.mark.parametrize("lead_beats", [0, 1, 2, 3])
def test_the_bar_begins_where_the_chords_change(lead_beats: int) -> None:
    take = beats(120, 30)[round((4 - lead_beats) * 0.5 * RATE_HZ) :] if lead_beats else beats(120, 30)
    sound = sound_frames(Audio(take[None].astype(np.float32), RATE_HZ))
    phase_s = bar_phase(sound, 0.5 * sound.per_second, 4) / sound.per_second
    assert (phase_s - lead_beats * 0.5 + 0.1) % 2.0 < 0.2


def finished(take: Samples, facts: Facts) -> tuple[Facts, tuple[str, ...], Samples]:
    made_by = Provenance(generator="test", version="1", licence="CC0-1.0")
    master = finish(Take(Audio(take, RATE_HZ), facts, made_by), Finish(channels=1, sample_rate_hz=RATE_HZ))
    assert seam(master.audio, LoopPoints(0, master.audio.frames)).ok
    return master.facts, master.notes, master.audio.samples


def test_the_notes_and_facts_say_what_was_found() -> None:
    take = np.concatenate([np.zeros(RATE_HZ), beats(120, 24)])[None].astype(np.float32)
    sections = (SectionTime("lead", 0.0, 1.0), SectionTime("a", 1.0, 9.0), SectionTime("b", 10.0, 15.0))
    asked = Facts(bpm=120.0, near_frames=20 * RATE_HZ, sections=sections)
    facts, notes, samples = finished(take, asked)
    assert facts.loop_frames == samples.shape[1] == pytest.approx(20 * RATE_HZ, abs=20)
    assert facts.bars == 10
    assert notes[0].startswith("loop of 20.0 s found at ")
    assert notes[0].endswith(" s, 10 bars of 120 BPM, cross-fade 0.08 s") or "10 bars of 120 BPM" in notes[0]
    start_s = float(notes[0].split(" found at ")[1].split(" s")[0])
    assert [section.name for section in facts.sections] == ["a", "b"]
    assert facts.sections[1].start_s == pytest.approx(10.0 - start_s, abs=0.06)
    assert sum(section.length_s for section in facts.sections) == pytest.approx(20.0, abs=0.01)


def test_a_tempo_that_was_only_heard_stays_out_of_the_facts() -> None:
    facts, notes, _ = finished(beats(120, 24)[None].astype(np.float32), Facts(near_frames=20 * RATE_HZ))
    assert (facts.bars, facts.bpm) == (0, 0.0)
    assert "10 bars of 120 BPM" in notes[0]


def test_words_leave_out_bars_where_there_is_no_beat() -> None:
    words = words_for(found(noise(4 * RATE_HZ), near_frames=3 * RATE_HZ), RATE_HZ)
    assert "BPM" not in words
    assert words.startswith("loop of ")


def digest() -> str:
    takes = [beats(100, 12), np.tile(noise(50_000, channels=1), 3)[0], noise(7 * RATE_HZ, 7)]
    loops = [found(take, near_frames=6 * RATE_HZ).samples.tobytes() for take in takes]
    return hashlib.sha256(b"".join(loops)).hexdigest()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_finds_the_same_samples(threads: str) -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); from test_looping import digest; print(digest())"
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == digest()
