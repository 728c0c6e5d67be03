"""Decoding in chunks, held against decoding whole: all kinds of EnCodec decoders that audiocraft can build."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

pytest.importorskip("audiocraft")

import torch
from omegaconf import OmegaConf

from tydust_assetgen.generate.musicgen.runtime import encodec as encodec_module
from tydust_assetgen.generate.musicgen.runtime.encodec import decode

BINS, FRAME_RATE, HOP = 64, 50, 640
LONG = 31 * FRAME_RATE
"""More than one window of the model."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Two that wait for each other on a busy machine are twenty times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def configuration(**seanet: Any) -> dict[str, Any]:
    """The 32 kHz EnCodec of MusicGen, with few filters."""
    network = {"dimension": 16, "channels": 1, "causal": False, "n_filters": 2, "n_residual_layers": 1}
    network |= {"ratios": [8, 5, 4, 4], "activation": "ELU", "activation_params": {"alpha": 1.0}}
    network |= {"norm": "weight_norm", "norm_params": {}, "kernel_size": 7, "residual_kernel_size": 3}
    network |= {"last_kernel_size": 7, "dilation_base": 2, "pad_mode": "constant", "true_skip": True, "compress": 2}
    network |= {"lstm": 2, "disable_norm_outer_blocks": 0}
    ends = {"trim_right_ratio": 1.0, "final_activation": None, "final_activation_params": None}
    renormalize = seanet.pop("renormalize", False)
    network |= seanet
    codec = {"autoencoder": "seanet", "quantizer": "rvq", "sample_rate": HOP * FRAME_RATE, "channels": 1}
    return {
        "compression_model": "encodec",
        "sample_rate": HOP * FRAME_RATE,
        "channels": 1,
        "encodec": {**codec, "causal": network["causal"], "renormalize": renormalize},
        "seanet": {**network, "decoder": ends, "encoder": {}},
        "rvq": {"n_q": 4, "q_dropout": False, "bins": BINS, "decay": 0.99, "kmeans_init": False, "kmeans_iters": 50}
        | {"threshold_ema_dead_code": 2, "orthogonal_reg_weight": 0.0, "orthogonal_reg_active_codes_only": False},
        "device": "cpu",
    }


@cache
def _built(options: tuple[tuple[str, Any], ...]) -> Any:
    from audiocraft.models import builders

    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
        return builders.get_compression_model(OmegaConf.create(configuration(**dict(options)))).eval()


def encodec(**options: Any) -> Any:
    return _built(tuple(options.items()))


def stereo() -> Any:
    from audiocraft.models.encodec import InterleaveStereoCompressionModel

    return InterleaveStereoCompressionModel(encodec()).eval()


def codes(frames: int, books: int = 4) -> torch.Tensor:
    return torch.randint(0, BINS, (1, books, frames), generator=torch.Generator().manual_seed(frames))


def whole(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.decode(tokens)[0]


def difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """As a share of the peak."""
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("frames", [1, 7, 30 * FRAME_RATE])
def test_up_to_a_window_it_is_audiocrafts_own_decode_to_the_bit(frames: int) -> None:
    assert torch.equal(decode(encodec(), codes(frames)), whole(encodec(), codes(frames)))
    assert torch.equal(decode(stereo(), codes(frames, 8)), whole(stereo(), codes(frames, 8)))


@pytest.mark.parametrize("chunk_frames", [13, 97, 250, LONG + 5])
def test_in_chunks_of_any_length_it_is_the_same_sound(chunk_frames: int) -> None:
    found = decode(encodec(), codes(LONG), chunk_frames)
    assert difference(found, whole(encodec(), codes(LONG))) < 1e-5


def test_a_chunk_may_be_a_single_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodec_module, "WHOLE_S", 1.0)
    found = decode(encodec(), codes(2 * FRAME_RATE), 1)
    assert difference(found, whole(encodec(), codes(2 * FRAME_RATE))) < 1e-5


DECODERS: dict[str, dict[str, Any]] = {
    "causal": {"causal": True},
    "no memory": {"lstm": 0},
    "reflecting": {"pad_mode": "reflect"},
    "reflecting without memory": {"pad_mode": "reflect", "lstm": 0},
    "causal and reflecting": {"causal": True, "pad_mode": "reflect", "lstm": 0},
    "three residual layers": {"n_residual_layers": 3},
    "a shortcut of its own": {"true_skip": False},
    "wide kernels": {"kernel_size": 9, "residual_kernel_size": 5, "last_kernel_size": 15},
    "even kernels": {"kernel_size": 6, "residual_kernel_size": 4, "last_kernel_size": 8, "lstm": 0},
}


@pytest.mark.parametrize("kind", DECODERS)
def test_every_decoder_that_audiocraft_builds(kind: str) -> None:
    model = encodec(**DECODERS[kind])
    assert difference(decode(model, codes(LONG), 40), whole(model, codes(LONG))) < 1e-5


@pytest.mark.parametrize("kind", ["no memory", "three residual layers", "wide kernels", "causal"])
def test_the_context_is_as_long_as_what_is_seen_and_no_longer(kind: str) -> None:
    """Change one frame: samples change that far away, and no farther."""
    _, tail = encodec_module._parts(encodec(**DECODERS[kind]))
    before, after = encodec_module._frames_of_context(tail)
    frames = torch.randn(1, tail_channels(tail), 41, generator=torch.Generator().manual_seed(1))
    changed = frames.clone()
    changed[..., 20] += 10
    with torch.no_grad():
        moved = (tail(frames) - tail(changed))[0, 0].abs().reshape(41, HOP).amax(dim=1) > 0
    seen = torch.nonzero(moved).flatten()
    assert 20 - int(seen.min()) == after
    assert int(seen.max()) - 20 == before


def tail_channels(tail: Any) -> int:
    """Of the frames that walk into the first layer with weights."""
    for layer in tail.modules():
        if isinstance(layer, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            return layer.in_channels
    raise AssertionError


def test_stereo_is_two_tracks() -> None:
    model, tokens = stereo(), codes(LONG, 8)
    assert difference(decode(model, tokens, 97), whole(model, tokens)) < 1e-5


@pytest.mark.parametrize("options", [{"norm": "time_group_norm"}, {"renormalize": True}], ids=str)
def test_what_looks_farther_is_decoded_whole(options: dict[str, Any]) -> None:
    """A norm over time hears everything; renormalised sound is scaled afterwards."""
    model = encodec(**options)
    assert torch.equal(decode(model, codes(LONG), 40), whole(model, codes(LONG)))


def test_a_layer_of_another_kind_is_decoded_whole() -> None:
    class Reversed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flip(-1)

    model = sound_model_with(Reversed())
    assert torch.equal(decode(model, codes(LONG), 40), whole(model, codes(LONG)))


def sound_model_with(layer: Any) -> Any:
    from copy import deepcopy

    model = deepcopy(encodec(norm="none"))
    model.decoder.model.append(layer)
    return model


def test_codes_of_two_steps_a_frame_are_decoded_whole_and_right() -> None:
    """The other way that audiocraft interleaves stereo."""
    from audiocraft.models.encodec import InterleaveStereoCompressionModel

    model, tokens = InterleaveStereoCompressionModel(encodec(), per_timestep=True).eval(), codes(2 * LONG)
    assert difference(decode(model, tokens, 97), whole(model, tokens)) < 1e-5


@pytest.mark.parametrize("channels", [1, 2])
def test_progress_rises_to_the_end(channels: int) -> None:
    heard: list[float] = []
    decode(stereo() if channels == 2 else encodec(), codes(LONG, 4 * channels), 100, heard.append)
    assert heard == sorted(heard)
    assert len(heard) > 15
    assert heard[-1] == 1.0


def test_no_gradients_are_kept() -> None:
    assert not decode(encodec(), codes(LONG)).requires_grad
    assert not decode(encodec(), codes(5)).requires_grad
