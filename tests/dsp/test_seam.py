"""The seam on loops that are exact by construction, and on the same loops with one fault at the wrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from tests.dsp.sounds import MINOR_LOOP, RATE_HZ, Samples, audio, chords, drum, drums, place, sine
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp import Seam, seam

BAR_FRAMES = RATE_HZ * 2  # four beats at 120 BPM


def whole(wave: Samples) -> Seam:
    return seam(audio(wave, wave), LoopPoints(0, wave.size))


def pad() -> Samples:
    """Eight seconds of whole periods: the wrap is exact wherever it lies."""
    return np.asarray(sum(sine(hz, 8, -18) for hz in (110, 220, 277, 330, 660)))


@pytest.fixture(scope="module")
def song() -> Samples:
    return np.asarray(0.3 * (chords(2, MINOR_LOOP, 120, 8, "pulse", arpeggio=True) + drums(120, 8)))


@pytest.fixture(scope="module")
def sparse() -> Samples:
    """A pad and one kick, one snare and one crash of hats a bar, on its first beat."""
    piece = pad()
    for bar in range(4):
        for name in ("kick", "snare", "hat"):
            place(piece, drum(name, RATE_HZ), bar * BAR_FRAMES, 0.5)
    return piece


def test_an_exact_loop_is_right_at_every_bar_line(song: Samples, sparse: Samples) -> None:
    for piece in (song, sparse):
        for bar in range(piece.size // BAR_FRAMES):
            heard = whole(np.roll(piece, -bar * BAR_FRAMES))
            assert heard.reason == ""
            assert heard.ok


def test_a_drum_on_the_first_beat_is_measured_and_allowed(sparse: Samples) -> None:
    heard = whole(sparse)
    assert 6 < heard.rise_db < heard.rise_limit_db
    assert heard.fall_db < 1


@settings(max_examples=20, deadline=None)
@given(shift=st.integers(0, 8 * RATE_HZ - 1))
def test_a_steady_loop_is_right_wherever_it_wraps(shift: int) -> None:
    heard = whole(np.roll(pad(), shift))
    assert heard.ok
    assert max(heard.rise_db, heard.fall_db) < 0.5


@pytest.mark.parametrize("step", [0.02, 0.05, 0.2])
def test_a_click_at_the_wrap_is_found(step: float) -> None:
    """The wave is bent over its last second so that it ends `step` away from where it begins."""
    piece = 0.3 * pad()
    piece[-RATE_HZ:] += step * np.linspace(0, 1, RATE_HZ) ** 2
    heard = whole(piece)
    assert "clicks" in heard.reason
    assert heard.jump == pytest.approx(step, abs=0.01)
    assert heard.jump_ratio > 1


def test_a_click_inside_the_track_is_not_the_seam() -> None:
    piece = 0.3 * pad()
    piece[RATE_HZ : RATE_HZ + 20] += 0.3
    assert whole(piece).ok


def test_one_bad_channel_is_enough() -> None:
    left, right = 0.3 * pad(), 0.3 * pad()
    right[-RATE_HZ:] += 0.05 * np.linspace(0, 1, RATE_HZ) ** 2
    for channels in ((left, right), (right, left)):
        assert "clicks" in seam(audio(*channels), LoopPoints(0, left.size)).reason


def hiss() -> Samples:
    """Eight seconds of soft noise: full of bends, so that none at the wrap stands out."""
    return 0.05 * np.random.default_rng(4).standard_normal(8 * RATE_HZ)


def test_steady_noise_is_right() -> None:
    assert whole(hiss()).ok


def test_a_level_jump_is_found() -> None:
    """It fades to -12 dB in its last two seconds."""
    for piece in (hiss(), pad()):
        piece[-2 * RATE_HZ :] *= np.linspace(1, 0.25, 2 * RATE_HZ)
        heard = whole(piece)
        assert not heard.ok
        assert heard.rise_limit_db < heard.rise_db == pytest.approx(12, abs=1.5)
    assert "clicks" in heard.reason
    assert "rises" in whole(np.concatenate((hiss(), 0.2 * hiss()[:RATE_HZ]))[RATE_HZ // 2 :]).reason


def test_a_tail_that_was_cut_off_is_found() -> None:
    """It begins out of nothing: what rings at its end is not there at its beginning."""
    for piece in (hiss(), pad()):
        piece[: 2 * RATE_HZ] *= np.linspace(0, 1, 2 * RATE_HZ)
        heard = whole(piece)
        assert not heard.ok
        assert heard.fall_db > 20 > heard.fall_limit_db


def test_another_sound_after_the_wrap_is_found() -> None:
    """The noise turns slowly from dark to bright, and at the wrap at once from bright to dark."""
    dark, bright = (
        signal.sosfilt(signal.butter(4, 1000, kind, fs=RATE_HZ, output="sos"), 4 * hiss()) for kind in ("low", "high")
    )
    share = np.linspace(0, 1, dark.size)
    heard = whole(dark * (1 - share) + bright * share)
    assert not heard.ok
    assert heard.rise_db > heard.rise_limit_db
    assert heard.fall_db > heard.fall_limit_db


def test_a_loop_inside_the_sound_is_measured_where_it_lies() -> None:
    """An introduction and a tail around the loop change nothing."""
    piece = pad()
    around = np.concatenate((0.5 * sine(441, 1), piece, np.zeros(RATE_HZ)))
    inside = seam(audio(around), LoopPoints(RATE_HZ, RATE_HZ + piece.size))
    assert inside.ok
    assert not whole(around).ok
    assert inside == seam(audio(piece), LoopPoints(0, piece.size))


@pytest.mark.parametrize(("start", "end"), [(-1, 10), (0, 101), (50, 50), (60, 50)])
def test_a_loop_outside_the_sound_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="does not lie inside"):
        seam(Audio(np.zeros((1, 100), np.float32), RATE_HZ), LoopPoints(start, end))


def test_sound_too_short_for_a_spectrum_is_judged_by_its_step() -> None:
    assert whole(np.linspace(0, 0.001, 500)).ok
    assert whole(np.zeros(2)).ok
    assert "clicks" in whole(np.linspace(0, 0.6, 500)).reason


def test_gain_and_polarity_do_not_matter(song: Samples) -> None:
    one, other = whole(song), whole(-0.1 * song)
    assert other.rise_db == pytest.approx(one.rise_db, abs=1e-3)
    assert other.jump_ratio == pytest.approx(one.jump_ratio, rel=1e-3)
