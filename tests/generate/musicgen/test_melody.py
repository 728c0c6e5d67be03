"""Sounds that are followed: a melody, a sound to carry on from, the composer's own version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.generate.musicgen.briefs import EMPTY, RATE_HZ, brief_for, perform, tune
from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.flow import Brief, Reference, Section
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.musicgen import MusicGen
from tydust_assetgen.generate.musicgen.runtime.melody import (
    compose_guide,
    last_frames,
    reference_audio,
    resample_for_model,
)
from tydust_assetgen.generate.musicgen.spec.estimates import parameters_of
from tydust_assetgen.generate.musicgen.spec.parameters import composer_brief
from tydust_assetgen.generate.protocol import Shelf

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

MADE_BY = MusicGen()
BOTH = (Reference("a.ogg", "first"), Reference("b.ogg", "second"))


def pitch_hz(samples: NDArray[np.float32], rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


def test_references_are_taken_in_the_order_of_the_parameters() -> None:
    shelf = Shelf(Path(), {"first": tune(1.0), "second": tune(2.0)})
    both = brief_for("melody", parameters={"melody": "a.ogg", "continue_from": "b.ogg"}, references=BOTH)
    assert reference_audio(both, parameters_of(both), "melody", shelf) is shelf.audio["first"]
    assert reference_audio(both, parameters_of(both), "continue_from", shelf) is shelf.audio["second"]
    only = brief_for("melody", parameters={"continue_from": "a.ogg"}, references=BOTH[:1])
    assert reference_audio(only, parameters_of(only), "melody", shelf) is None
    assert reference_audio(only, parameters_of(only), "continue_from", shelf) is shelf.audio["first"]


@pytest.mark.parametrize("rate_hz", [22_050, 32_000, 48_000])
def test_a_melody_keeps_its_pitch_and_length_at_the_models_rate(rate_hz: int) -> None:
    wave = resample_for_model(tune(2.0, rate_hz, channels=2), RATE_HZ, 1)
    assert wave.shape == (1, 2 * RATE_HZ)
    quarter = RATE_HZ // 4
    for step in range(8):
        heard_hz = pitch_hz(wave[0, step * quarter : (step + 1) * quarter], RATE_HZ)
        assert heard_hz == pytest.approx(220 * 2 ** (step / 12), abs=4.5)


def test_channels_fit_the_model() -> None:
    left, right = np.full(10, 0.5, np.float32), np.full(10, -0.1, np.float32)
    stereo = Audio(np.stack([left, right]), RATE_HZ)
    assert np.allclose(resample_for_model(stereo, RATE_HZ, 1), 0.2)
    assert np.array_equal(resample_for_model(stereo, RATE_HZ, 2), stereo.samples)
    mono = Audio(left[None], RATE_HZ)
    assert np.array_equal(resample_for_model(mono, RATE_HZ, 2), np.stack([left, left]))


def test_the_tail_is_whole_frames_that_end_where_the_sound_ends() -> None:
    samples = np.arange(6500, dtype=np.float32)[None]
    assert np.array_equal(last_frames(samples, 3, 640), samples[:, -1920:])
    assert np.array_equal(last_frames(samples, 99, 640), samples[:, -6400:])
    with pytest.raises(GenerationError, match="too short"):
        last_frames(samples[:, :639], 3, 640)


def test_a_melody_goes_on_in_a_circle() -> None:
    torch = pytest.importorskip("torch")
    from tydust_assetgen.generate.musicgen.runtime.melody import circular_slice

    melody = torch.arange(5.0)[None]
    assert circular_slice(melody, 3, 7).tolist() == [[3, 4, 0, 1, 2, 3, 4]]
    assert circular_slice(melody, -2, 4).tolist() == [[3, 4, 0, 1]]


def guided(model: Path | str, **changes: Any) -> Brief:
    return brief_for(model, 4.0, key="D minor", bpm=120.0, parameters={"guide": "composer"}, **changes)


def test_the_guide_is_what_the_composer_would_play() -> None:
    brief = guided("melody", loop=True)
    audio, facts = compose_guide(brief, EMPTY)
    ((_, take),) = Composer().generate([composer_brief(brief)], EMPTY, lambda *_: None)
    assert (facts.key, facts.bpm, facts.bars) == ("D minor", 120.0, 2)
    assert np.array_equal(audio.samples, take.audio.samples[:, : take.facts.loop_frames])


@pytest.mark.usefixtures("tiny_melody")
def test_key_tempo_and_bars_of_the_guide_are_held(tiny_melody: Checkpoint) -> None:
    take = perform(MADE_BY, guided(tiny_melody.folder, loop=True))
    assert (take.facts.key, take.facts.bpm, take.facts.bars) == ("D minor", 120.0, 2)
    assert take.facts.near_frames == 4 * RATE_HZ
    assert take.facts.loop_frames == 0
    assert take.audio.frames == 5 * RATE_HZ  # two bars are 4 s, but a quarter of the track is 1 s


def test_a_loop_is_as_long_as_its_guides_bars(tiny_melody: Checkpoint) -> None:
    """At 100 BPM two bars are 4.8 s, whatever was asked for."""
    brief = brief_for(tiny_melody.folder, 4.5, loop=True, bpm=100.0, parameters={"guide": "composer"})
    _, facts = compose_guide(brief, EMPTY)
    take = perform(MADE_BY, brief)
    assert take.facts.near_frames / RATE_HZ == pytest.approx(facts.bars * 4 * 60 / facts.bpm, abs=1 / RATE_HZ)


def test_the_guide_is_heard(tiny_melody: Checkpoint) -> None:
    unguided = perform(MADE_BY, brief_for(tiny_melody.folder, 4.0)).audio.samples
    one = perform(MADE_BY, guided(tiny_melody.folder)).audio.samples
    other = perform(MADE_BY, guided(tiny_melody.folder, sections=(Section("main", 4.0, "high bells"),))).audio.samples
    assert one.shape == other.shape == unguided.shape
    assert not np.array_equal(one, unguided)


def test_a_melody_is_heard_and_demucs_dice_are_held(tiny_melody: Checkpoint) -> None:
    """Demucs shifts what it hears by chance; the seed decides that too."""
    import random

    shelf = Shelf(Path(), {"first": tune(1.5)})
    brief = brief_for(tiny_melody.folder, parameters={"melody": "a.ogg"}, references=BOTH[:1])
    random.seed(1)
    one = perform(MADE_BY, brief, shelf).audio.samples
    random.seed(2)
    state = random.getstate()
    assert np.array_equal(perform(MADE_BY, brief, shelf).audio.samples, one)
    assert random.getstate() == state
    assert not np.array_equal(perform(MADE_BY, brief, Shelf(Path(), {"first": tune(0.5)})).audio.samples, one)


def test_a_track_can_carry_on_and_follow_a_melody(tiny_melody: Checkpoint) -> None:
    shelf = Shelf(Path(), {"first": tune(1.5), "second": tune(3.0, 44_100, channels=2)})
    both = brief_for(tiny_melody.folder, parameters={"melody": "a.ogg", "continue_from": "b.ogg"}, references=BOTH)
    carried = brief_for(tiny_melody.folder, parameters={"continue_from": "b.ogg"}, references=BOTH[1:])
    one, other = (perform(MADE_BY, brief, shelf).audio.samples for brief in (both, carried))
    assert one.shape == other.shape == (1, RATE_HZ)
    assert not np.array_equal(one, other)


def test_only_the_end_of_what_is_carried_on_is_heard(tiny_t5: Checkpoint) -> None:
    """What a window of 4 s hears again at a stride of 2.5 s."""
    sound = tune(3.0)
    other_start = Audio(np.concatenate([sound.samples[:, :RATE_HZ] * 0, sound.samples[:, RATE_HZ:]], axis=1), RATE_HZ)
    other_end = Audio(sound.samples[:, ::-1].copy(), RATE_HZ)
    brief = brief_for(tiny_t5.folder, parameters={"continue_from": "a.ogg"}, references=BOTH[:1])
    one, same, other = (
        perform(MADE_BY, brief, Shelf(Path(), {"first": each})).audio.samples
        for each in (sound, other_start, other_end)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
