"""What only a GPU can show: half precision at true size, and that a track is the same whatever is made beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.musicgen import caches
from tests.musicgen.briefs import RATE_HZ, brief_for, perform
from tydust_assetgen.generate.musicgen import MusicGen

if TYPE_CHECKING:
    from tests.musicgen.checkpoints import Checkpoint

MADE_BY = MusicGen()
pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def _needs_a_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not caches.INSTALLED or not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.musicgen.checkpoints import make

    folder = tmp_path_factory.mktemp("medium")
    made = make(folder, kind="t5", scale="medium")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
    return folder


@pytest.mark.slow
def test_a_minute_of_medium_in_half_precision(medium: Path) -> None:
    brief = brief_for(str(medium), 60.0, parameters={"model": str(medium), "device": "cuda"})
    take = perform(MADE_BY, brief)
    assert take.audio.frames == 60 * RATE_HZ
    assert np.isfinite(take.audio.samples).all()
    assert np.sqrt(np.mean(np.square(take.audio.samples, dtype=np.float64))) > 1e-4
    assert take.provenance.libraries["precision"] == "fp16"
    assert "cuda" in take.provenance.libraries["device"]


def test_half_precision_plays_what_audiocraft_plays(tiny_t5: Checkpoint) -> None:
    import torch
    from audiocraft.models import MusicGen

    parameters = {"model": str(tiny_t5.folder), "device": "cuda"}
    ours = perform(MADE_BY, brief_for(str(tiny_t5.folder), 2.0, parameters=parameters))
    theirs = MusicGen.get_pretrained(str(tiny_t5.folder), device="cuda")
    theirs.set_generation_params(duration=2.0, temperature=1.1, top_k=250)
    torch.manual_seed(7)
    sound = theirs.generate([brief_for(str(tiny_t5.folder), 2.0).prompt])[0].cpu().numpy()
    assert np.array_equal(ours.audio.samples, sound)


def test_the_same_brief_gives_the_same_samples(tiny_t5: Checkpoint) -> None:
    brief = brief_for(str(tiny_t5.folder), 6.0, parameters={"model": str(tiny_t5.folder), "device": "cuda"})
    other = brief_for(str(tiny_t5.folder), 3.0, seed=99, parameters={"model": str(tiny_t5.folder), "device": "cuda"})
    first = perform(MADE_BY, brief)
    perform(MADE_BY, other)
    assert np.array_equal(first.audio.samples, perform(MADE_BY, brief).audio.samples)
