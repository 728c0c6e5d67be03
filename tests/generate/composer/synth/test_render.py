"""Whole renderings: loops that close, levels, determinism, the note cache."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from conftest import environment

from tests.generate.composer.synth.scores import small_score
from tests.generate.composer.synth.spectra import centroid_hz
from tydust_assetgen.generate.composer.score import Note, Part, Passage, Score
from tydust_assetgen.generate.composer.synth import SAMPLE_RATE_HZ, render
from tydust_assetgen.generate.composer.synth.mix import mixed
from tydust_assetgen.generate.composer.synth.note_cache import Sounds
from tydust_assetgen.generate.composer.synth.timeline import Clock, tracks


@pytest.fixture(scope="module")
def loop() -> np.ndarray:
    return render(small_score()).samples


def digest(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.tobytes()).hexdigest()


def plain(passes: int, loops: bool) -> Score:
    """One bar, several times, with everything that rings and nothing that takes turns."""
    notes = [Note(0, 900, 50, 100), Note(1_500, 400, 57, 90), Note(1_800, 110, 62, 110)]
    kicks = [Note(0, 100, 36, 100), Note(960, 100, 36, 100)]

    def again(once: list[Note]) -> tuple[Note, ...]:
        return tuple(note._replace(start=note.start + 1_920 * turn) for turn in range(passes) for note in once)

    parts = (
        Part("arp", "pluck_arp", again(notes), -18.0, 0.3, 0.4, 0.5),
        Part("bass", "reese_bass", again(notes[:1]), -18.0, 0.0, 0.1),
        Part("drums", "kit_80s", again(kicks), -14.0, 0.0, 0.2),
    )
    return Score("plain", "chiptune", "D minor", 120.0, 4, passes, (), parts, loops, 0.1)


def test_a_loop_is_exactly_as_long_as_its_bars() -> None:
    score = small_score(bpm=97.3)
    rendering = render(score)
    assert rendering.loop_frames == rendering.samples.shape[1] == round(score.duration_s * SAMPLE_RATE_HZ)
    assert rendering.tail_frames == 0


def test_the_seam_of_a_loop_is_no_larger_than_its_own_steps(loop: np.ndarray) -> None:
    for samples in (loop, render(small_score(style="industrial", drive=0.5)).samples):
        steps = np.abs(np.diff(samples, axis=1))
        seam = np.abs(samples[:, 0] - samples[:, -1])
        assert np.all(seam <= np.percentile(steps, 99.9, axis=1))


def test_a_loop_is_what_one_hears_when_it_has_played_for_ever() -> None:
    folded = render(plain(1, loops=True)).samples
    line = render(plain(6, loops=False)).samples  # after the fifth, one more: the bus looks a little ahead
    last = line[:, 4 * folded.shape[1] : 5 * folded.shape[1]]
    assert np.max(np.abs(folded - last)) < 2e-4 * np.max(np.abs(last))
    assert np.max(np.abs(folded - line[:, : folded.shape[1]])) > 0.02 * np.max(np.abs(last))


def test_a_tail_fades_to_nothing() -> None:
    rendering = render(plain(1, loops=False))
    tail = rendering.samples[:, rendering.loop_frames :]
    assert 0.5 * SAMPLE_RATE_HZ < rendering.tail_frames <= 12 * SAMPLE_RATE_HZ
    assert np.max(np.abs(tail[:, :4_410])) > 1e-3
    assert np.max(np.abs(tail[:, -4_410:])) < 1e-4
    assert np.all(np.abs(tail[:, -1]) < 1e-6)


def test_peaks_stay_under_full_scale_and_there_is_no_dc(loop: np.ndarray) -> None:
    assert 0.1 < np.max(np.abs(loop)) < 0.9
    assert np.all(np.abs(np.mean(loop, axis=1)) < 2e-4)


def test_the_mix_folds_down_to_mono(loop: np.ndarray) -> None:
    assert 10.0 * np.log10(np.mean(loop.mean(axis=0) ** 2) / np.mean(loop**2)) > -3.0


def test_another_process_renders_the_same_samples(loop: np.ndarray) -> None:
    code = (
        "import hashlib; from tests.generate.composer.synth.scores import small_score;"
        "from tydust_assetgen.generate.composer.synth import render;"
        "render(small_score(bpm=140.0, style='darkwave'));"
        "print(hashlib.sha256(render(small_score()).samples.tobytes()).hexdigest())"
    )
    words = [sys.executable, "-c", code]
    other = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(loop)


def test_forgetting_notes_changes_nothing(loop: np.ndarray) -> None:
    sounds = Sounds(small_score().seed, keep_bytes=1)
    assert digest(mixed(small_score(), sounds, lambda _share: None)) == digest(loop)
    assert sounds.rendered > 100


def test_each_unique_sound_is_rendered_once() -> None:
    score = small_score()
    sounds = Sounds(score.seed)
    mixed(score, sounds, lambda _share: None)
    notes = sum(len(part.notes) for part in score.parts)
    assert sounds.asked >= notes == 156
    unique = {event.key for track in tracks(score, Clock.of(score)) for event in track.events}
    assert sounds.rendered == len(unique) < 0.45 * notes


def test_a_bright_passage_is_brighter() -> None:
    score = small_score()
    score = dataclasses.replace(score, parts=score.parts[:3])

    def tone(brightness: float) -> float:
        passages = (Passage("all", 0, 4, 0.5, brightness),)
        return centroid_hz(render(dataclasses.replace(score, passages=passages)).samples)

    assert tone(0.9) > 1.3 * tone(0.1)


def test_a_hard_stroke_is_louder_and_brighter() -> None:
    def struck(velocity: int) -> np.ndarray:
        part = Part("lead", "saw_lead", (Note(0, 900, 60, velocity),), -12.0, 0.0, 0.0)
        return render(Score("one", "chiptune", "C", 120.0, 4, 1, (), (part,), False)).samples

    soft, hard = struck(50), struck(120)
    assert 20.0 * np.log10(np.max(np.abs(hard)) / np.max(np.abs(soft))) > 8.0
    assert centroid_hz(hard) > 1.2 * centroid_hz(soft)


def test_drive_lifts_the_quiet_against_the_loud() -> None:
    def crest(drive: float) -> float:
        samples = render(small_score(style="industrial", drive=drive)).samples
        return float(np.max(np.abs(samples)) / np.sqrt(np.mean(samples**2)))

    assert crest(0.8) < 0.75 * crest(0.0)


def test_progress_grows_to_one() -> None:
    shares: list[float] = []
    render(plain(2, loops=True), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_unknown_patch_is_our_own_mistake() -> None:
    part = Part("lead", "kazoo", (Note(0, 480, 60, 100),))
    with pytest.raises(KeyError):
        render(Score("one", "synthwave", "C", 120.0, 4, 1, (), (part,), True))


def test_an_empty_score_is_silence() -> None:
    assert not np.any(render(Score("none", "synthwave", "C", 120.0, 4, 1, (), (), True)).samples)


def test_a_long_note_rings_over_a_short_loop() -> None:
    part = Part("pad", "warm_pad", (Note(0, 3 * 1_920, 57, 100),), -6.0)
    samples = render(Score("one", "synthwave", "C", 120.0, 4, 1, (), (part,), True)).samples
    halves = np.sqrt(np.mean(samples[:, :44_100] ** 2)), np.sqrt(np.mean(samples[:, 44_100:] ** 2))
    assert halves[0] / halves[1] == pytest.approx(1.0, abs=0.4)
