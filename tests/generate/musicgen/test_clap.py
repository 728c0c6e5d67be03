"""A tiny CLAP in the real format: what it says is a number like any other, and where it is not, nothing is said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("torch")

from tydust_assetgen.audio import Audio
from tydust_assetgen.generate.musicgen.runtime import clap
from tydust_assetgen.generate.musicgen.spec.models import hub_cache
from tydust_assetgen.generate.musicgen.spec.requirements import clap_folder

from .clap_checkpoint import REVISION, as_pickle, make

RATE_HZ = 32_000


@pytest.fixture(scope="session")
def tiny_clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with the model in it."""
    hub = tmp_path_factory.mktemp("clap") / "hub"
    make(hub)
    return hub


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    clap._clap.cache_clear()
    yield
    clap._clap.cache_clear()


@pytest.fixture
def here(tiny_clap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tiny_clap))


@pytest.fixture
def copied(tiny_clap: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the cache to spoil; the snapshot's folder."""
    shutil.copytree(tiny_clap, tmp_path / "hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub" / "models--laion--clap-htsat-unfused" / "snapshots" / REVISION


def sound(seconds: float, hz: float = 330.0, channels: int = 1) -> Audio:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * hz * t * (1 + 0.02 * t))
    return Audio(np.repeat(wave[None], channels, axis=0).astype(np.float32), RATE_HZ)


@pytest.mark.usefixtures("here")
def test_the_same_question_has_the_same_answer() -> None:
    first = clap.text_match(sound(12), "calm synthwave")
    clap._clap.cache_clear()
    assert first is not None
    assert -1 <= first <= 1
    assert clap.text_match(sound(12), "calm synthwave") == first


@pytest.mark.usefixtures("here")
def test_another_text_and_another_sound_have_another_answer() -> None:
    asked = clap.text_match(sound(12), "calm synthwave")
    assert clap.text_match(sound(12), "fast industrial drums") != asked
    assert clap.text_match(sound(12, hz=1200.0), "calm synthwave") != asked


@pytest.mark.usefixtures("here")
def test_chance_of_others_does_not_matter() -> None:
    """Nothing is cut at random, and no one else's random numbers are used up."""
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    asked = clap.text_match(sound(27), "calm synthwave")
    assert np.array_equal(np.random.get_state()[1], state)
    np.random.seed(2)
    assert clap.text_match(sound(27), "calm synthwave") == asked


@pytest.mark.usefixtures("here")
def test_all_of_a_long_sound_counts() -> None:
    """The mean over windows of 10 s: two different halves lie between each other."""
    low, high = sound(10, hz=200.0), sound(10, hz=3000.0)
    both = Audio(np.concatenate([low.samples, high.samples], axis=1), RATE_HZ)
    answers = [clap.text_match(audio, "calm synthwave") for audio in (low, high, both)]
    assert None not in answers
    assert answers[2] == pytest.approx((answers[0] + answers[1]) / 2, abs=2e-3)
    assert answers[0] != pytest.approx(answers[1], abs=5e-3)


@pytest.mark.usefixtures("here")
def test_it_is_what_transformers_says(tiny_clap: Path) -> None:
    """Against the model's own forward pass, in its own words."""
    import torch
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    folder = clap_folder()
    assert folder is not None
    model = ClapModel.from_pretrained(folder).eval()
    audio = Audio(sound(10).samples, clap.RATE_HZ)  # 6.7 s, at CLAP's own rate
    heard = ClapFeatureExtractor.from_pretrained(folder)(
        audio.samples[0], sampling_rate=clap.RATE_HZ, return_tensors="pt", truncation="rand_trunc"
    )
    words = AutoTokenizer.from_pretrained(folder)(["calm synthwave"], return_tensors="pt")
    with torch.no_grad():
        output = model(**heard, **words)
    wanted = float((output.logits_per_audio[0, 0] / model.logit_scale_a.exp()).detach())
    assert clap.text_match(audio, "calm synthwave") == pytest.approx(wanted, abs=1e-5)


@pytest.mark.usefixtures("here")
def test_stereo_of_two_equal_sides_is_the_mono_sound() -> None:
    assert clap.text_match(sound(5, channels=2), "pads") == clap.text_match(sound(5), "pads")


@pytest.mark.usefixtures("here")
def test_a_very_long_text_and_a_very_short_sound_have_an_answer() -> None:
    assert clap.text_match(sound(0.05), "synth " * 500) is not None


@pytest.mark.usefixtures("here")
def test_without_sound_or_words_there_is_no_answer() -> None:
    assert clap.text_match(sound(0), "calm synthwave") is None
    assert clap.text_match(sound(5), "  ") is None


def test_without_a_model_there_is_no_answer() -> None:
    assert clap.text_match(sound(5), "calm synthwave") is None


def test_a_pickle_is_left_alone(copied: Path, tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    as_pickle(copied, trap)
    assert clap.text_match(sound(5), "calm synthwave") is None
    assert not trap.exists()


def test_a_pickle_beside_safetensors_is_left_alone(copied: Path, tmp_path: Path) -> None:
    weights, trap = (copied / "model.safetensors").read_bytes(), tmp_path / "executed"
    as_pickle(copied, trap)
    (copied / "model.safetensors").write_bytes(weights)
    assert clap.text_match(sound(5), "calm synthwave") is not None
    assert not trap.exists()


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff" * 100])
def test_a_broken_model_is_no_answer(copied: Path, name: str, content: bytes | None) -> None:
    """A score less, not a track less. (`{}` is the default configuration, which the weights don't fit.)"""
    if content is None:
        (copied / name).unlink()
    else:
        (copied / name).write_bytes(content)
    if (name, content) != ("preprocessor_config.json", b"{}"):
        assert clap.text_match(sound(5), "calm synthwave") is None


def test_another_revision_is_taken_where_main_is_a_pickle(copied: Path, tmp_path: Path) -> None:
    """As LAION has it: `main` is a pickle, a pull request has the same weights as safetensors."""
    other = copied.parent / ("a" * 40)
    shutil.copytree(copied, other)
    as_pickle(copied, tmp_path / "executed")
    assert clap_folder() == other
    assert clap.text_match(sound(5), "calm synthwave") is not None


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"HF_HUB_CACHE": "{}/c"}, "c"),
        ({"HF_HOME": "{}/h"}, "h/hub"),
        ({"XDG_CACHE_HOME": "{}/x"}, "x/huggingface/hub"),
    ],
)
def test_the_cache_is_found_where_the_hub_puts_it(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert hub_cache() == tmp_path / folder
