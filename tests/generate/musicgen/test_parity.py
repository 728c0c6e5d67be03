"""Our path against audiocraft's own `MusicGen.generate`: the same seed gives the same samples."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("audiocraft")

from tests.generate.musicgen.briefs import EMPTY, RATE_HZ, TEXT, brief_for, perform, tune
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.flow import Brief, Reference, Section
from tydust_assetgen.generate.musicgen import MusicGen
from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import prepare
from tydust_assetgen.generate.musicgen.runtime.generate import plan_track, render
from tydust_assetgen.generate.musicgen.runtime.memory import ModelCache
from tydust_assetgen.generate.musicgen.spec import models
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.protocol import Shelf

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

Samples = NDArray[np.float32]
KEEPER = ModelCache()


def ours(brief: Brief, shelf: Shelf = EMPTY) -> Samples:
    """As the model makes it: before levels are evened out."""
    parameters = msgspec.convert(brief.parameters, MusicGenParameters)
    source = models.find(parameters.model, parameters.revision, shelf.root)
    model = KEEPER.model(source, device="cpu", precision=parameters.precision)
    ((_, samples),) = render(model, [plan_track(brief, parameters, shelf, model.musicgen)], lambda *_: None)
    return samples


@lru_cache(maxsize=4)
def audiocrafts_own(folder: Path) -> Any:
    """As its `get_pretrained` makes it; that itself refuses a model with windows under its default stride of 18 s."""
    prepare()
    from audiocraft.models.loaders import load_compression_model, load_lm_model
    from audiocraft.models.musicgen import MusicGen as Theirs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lm = load_lm_model(str(folder), device="cpu")
        compression_model = load_compression_model(str(folder), device="cpu")
    if "self_wav" in lm.condition_provider.conditioners:
        lm.condition_provider.conditioners["self_wav"].match_len_on_eval = True
        lm.condition_provider.conditioners["self_wav"]._use_masking = False
    model = Theirs(str(folder), compression_model, lm, max_duration=30.0)
    model.max_duration = lm.cfg.dataset.segment_duration
    return model


def theirs(brief: Brief, folder: Path, generate: Callable[[Any], Any] | None = None, **parameters: Any) -> Samples:
    import torch

    model = audiocrafts_own(folder)
    settings = {"temperature": 1.1, "extend_stride": 2.5, **parameters}
    model.set_generation_params(**{"duration": brief.duration_s, **settings})
    torch.manual_seed(brief.seed)
    random.seed(brief.seed)
    made: Samples = (generate(model) if generate else model.generate([brief.prompt]))[0].numpy()
    return made


@pytest.mark.parametrize("duration_s", [0.5, 4.0, 7.5])
def test_text(tiny_t5: Checkpoint, duration_s: float) -> None:
    """Under, at and over the segment of 4 s."""
    brief = brief_for(tiny_t5.folder, duration_s)
    made = ours(brief)
    assert made.shape == (1, round(duration_s * RATE_HZ))
    assert np.array_equal(made, theirs(brief, tiny_t5.folder))


def test_stereo(tiny_stereo: Checkpoint) -> None:
    brief = brief_for(tiny_stereo.folder, 4.5)
    made = ours(brief)
    assert made.shape == (2, 4.5 * RATE_HZ)
    assert np.array_equal(made, theirs(brief, tiny_stereo.folder))


@pytest.mark.parametrize(("duration_s", "melody_s"), [(1.0, 0.7), (1.0, 2.0), (4.5, 1.8)])
def test_melody(tiny_melody: Checkpoint, duration_s: float, melody_s: float) -> None:
    """Melodies shorter and longer than the track, and one that is repeated along several windows."""
    heard = tune(melody_s)
    brief = brief_for(
        tiny_melody.folder, duration_s, parameters={"melody": "ref.ogg"}, references=(Reference("ref.ogg", "digest"),)
    )

    def with_chroma(model: Any) -> Any:
        import torch

        return model.generate_with_chroma([TEXT], torch.from_numpy(heard.samples), RATE_HZ)

    made = ours(brief, Shelf(Path(), {"digest": heard}))
    assert np.array_equal(made, theirs(brief, tiny_melody.folder, with_chroma))
    assert not np.array_equal(made, ours(brief_for(tiny_melody.folder, duration_s)))


@pytest.mark.parametrize("duration_s", [1.0, 3.5])
def test_continuation(tiny_t5: Checkpoint, duration_s: float) -> None:
    """audiocraft gives what it carries on from as well; the take is what follows."""
    heard = tune(1.5)  # all that a window of 4 s hears again at a stride of 2.5 s
    brief = brief_for(
        tiny_t5.folder,
        duration_s,
        parameters={"continue_from": "ref.ogg"},
        references=(Reference("ref.ogg", "digest"),),
    )

    def carried_on(model: Any) -> Any:
        import torch

        return model.generate_continuation(torch.from_numpy(heard.samples), RATE_HZ, [TEXT])

    made = ours(brief, Shelf(Path(), {"digest": heard}))
    whole = theirs(brief, tiny_t5.folder, carried_on, duration=duration_s + 1.5)
    assert made.shape == (1, round(duration_s * RATE_HZ))
    assert np.array_equal(made, whole[:, -made.shape[1] :])


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.8, "top_k": 20},
        {"top_k": 0, "top_p": 0.9},
        {"top_k": 0},
        {"cfg_coef": 5.0},
        {"two_step_cfg": True},
    ],
)
def test_parameters(tiny_t5: Checkpoint, changes: dict[str, Any]) -> None:
    brief = brief_for(tiny_t5.folder, 1.0, parameters=changes)
    assert np.array_equal(ours(brief), theirs(brief, tiny_t5.folder, **changes))


def test_guidance_in_two_passes_of_a_melody_model_is_left_to_audiocraft(tiny_melody: Checkpoint) -> None:
    """It pads nothing there, and the two lines differ in length. Beside others, which our decoder plays."""
    twice = brief_for(tiny_melody.folder, 1.0, parameters={"two_step_cfg": True})
    once = brief_for(tiny_melody.folder, 1.5)
    takes = dict(MusicGen().generate([once, twice, once], EMPTY, lambda *_: None))
    assert np.array_equal(takes[1].audio.samples, theirs(twice, tiny_melody.folder, two_step_cfg=True))
    assert np.array_equal(takes[0].audio.samples, theirs(once, tiny_melody.folder, two_step_cfg=False))
    assert np.array_equal(takes[0].audio.samples, takes[2].audio.samples)
    assert [bool(takes[index].notes) for index in range(3)] == [False, True, False]


def test_guidance_in_two_passes_of_a_melody_model_can_not_be_rounded(tiny_melody: Checkpoint) -> None:
    brief = brief_for(tiny_melody.folder, 1.0, parameters={"two_step_cfg": True, "precision": "int8"})
    with pytest.raises(GenerationError, match="a CPU can't play `two_step_cfg` with a melody model in `int8`"):
        perform(MusicGen(), brief)


def test_guidance_in_two_passes_follows_its_coefficient(tiny_t5: Checkpoint) -> None:
    """audiocraft ignores it there; here two passes with 6.0 are not those with 3.0."""
    two_passes = {"two_step_cfg": True}
    strict = ours(brief_for(tiny_t5.folder, 1.0, parameters={**two_passes, "cfg_coef": 6.0}))
    assert not np.array_equal(strict, ours(brief_for(tiny_t5.folder, 1.0, parameters=two_passes)))
    assert np.array_equal(
        theirs(brief_for(tiny_t5.folder, 1.0), tiny_t5.folder, **two_passes, cfg_coef=6.0),
        theirs(brief_for(tiny_t5.folder, 1.0), tiny_t5.folder, **two_passes),
    )


def test_the_generator_gives_these_samples(tiny_t5: Checkpoint) -> None:
    """Through the door that a build uses, for a track without joins."""
    brief = brief_for(tiny_t5.folder, 1.5)
    assert np.array_equal(perform(MusicGen(), brief).audio.samples, theirs(brief, tiny_t5.folder))


def test_one_section_is_one_text(tiny_t5: Checkpoint) -> None:
    """`per_section` with a single section plays as audiocraft does with that section's words."""
    from tydust_assetgen.generate.musicgen.spec.section_text import section_texts

    brief = brief_for(
        tiny_t5.folder, 4.5, sections=(Section("main", 4.5, "soft bells"),), parameters={"per_section": True}
    )
    (led,) = section_texts(brief, per_section=True)
    assert np.array_equal(ours(brief), theirs(msgspec.structs.replace(brief, prompt=led.text), tiny_t5.folder))
