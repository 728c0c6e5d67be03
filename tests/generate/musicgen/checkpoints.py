"""Real-format MusicGen checkpoints with random weights: in walk a kind, a scale and a seed, out walk the files.

What is written is what audiocraft 1.3.0 reads: `state_dict.bin` and `compression_state_dict.bin`, and in the caches
beside them what a model needs besides (a T5 encoder in the hub cache, a Demucs file in torch's). Weights are drawn
directly under the names and shapes that the configuration implies, so that even `large` is made in seconds.
Nothing is downloaded.

    python tests/generate/musicgen/checkpoints.py OUT --kind t5 --scale small
    HF_HOME=OUT/hf TORCH_HOME=OUT/torch_home HF_HUB_OFFLINE=1 …

kind: `t5` (text through a T5 and cross-attention, as small, medium and large), `stereo` (the same with 8 codebooks),
`melody` (text and chroma prepended, no cross-attention, as melody), `lut` (text through a lookup table: needs no T5).
scale: `tiny`, or the true sizes `small`, `medium`, `large` with the true 32 kHz EnCodec.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

Kind = Literal["t5", "stereo", "melody", "lut"]
Scale = Literal["tiny", "small", "medium", "large"]

RATE_HZ = 32_000
VERSION = "1.3.0"
SHAPES: dict[str, dict[str, int]] = {
    "tiny": {"dim": 64, "num_heads": 4, "num_layers": 3},
    "small": {"dim": 1024, "num_heads": 16, "num_layers": 24},
    "medium": {"dim": 1536, "num_heads": 24, "num_layers": 48},
    "large": {"dim": 2048, "num_heads": 32, "num_layers": 48},
}
T5_DIMS = {"t5-small": 512, "t5-base": 768}
DEMUCS_FILE = "955717e8-8726e21a.th"


@dataclass(frozen=True)
class Checkpoint:
    """What was written, and how a process finds it."""

    folder: Path
    hf_home: Path
    torch_home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"HF_HOME": str(self.hf_home), "TORCH_HOME": str(self.torch_home), "HF_HUB_OFFLINE": "1"}


def make(
    folder: Path,
    *,
    kind: Kind = "t5",
    scale: Scale = "tiny",
    segment_s: float = 30.0,
    seed: int = 0,
    true_codec: bool | None = None,
    logit_gain: float = 1.0,
    hf_home: Path | None = None,
    torch_home: Path | None = None,
) -> Checkpoint:
    """Write a checkpoint, and what it needs into the caches (`folder/hf` and `folder/torch_home` when not given).

    Args:
        folder: gets the two files.
        kind, scale: see above.
        segment_s: the longest window of the model, in seconds; short ones exercise continuation cheaply.
        seed: decides every weight of the two files.
        true_codec: the real EnCodec's size; by default exactly for the true scales.
        logit_gain: factor on the output heads; above 1, the likeliest token stands out more.
        hf_home, torch_home: caches to fill instead.
    """
    made = Checkpoint(folder, hf_home or folder / "hf", torch_home or folder / "torch_home")
    folder.mkdir(parents=True, exist_ok=True)
    whole = scale != "tiny" if true_codec is None else true_codec
    card = 2048 if whole else 320  # more than 250, so that the default `top_k` fits
    text = "lut" if kind == "lut" else "t5-small" if scale == "tiny" else "t5-base"
    config = lm_config(kind, scale, card=card, text=text, segment_s=segment_s)
    write(folder / "state_dict.bin", config, lm_weights(config, seed, logit_gain))
    codec = codec_config(card=card, whole=whole)
    write(folder / "compression_state_dict.bin", codec, codec_weights(codec, seed))
    if text != "lut":
        make_t5(made.hf_home, text)
    if kind == "melody":
        make_demucs(made.torch_home)
    return made


def write(path: Path, config: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    """One file, with the entries that audiocraft's exporter writes."""
    package = {"best_state": state, "xp.cfg": yaml.safe_dump(config), "version": VERSION, "exported": True}
    torch.save(package, path)


def lm_config(kind: Kind, scale: Scale, *, card: int, text: str, segment_s: float) -> dict[str, Any]:
    """The keys that audiocraft's loader and builders read, with the values of the released models."""
    codebooks = 8 if kind == "stereo" else 4
    delays = [book // 2 for book in range(codebooks)] if kind == "stereo" else list(range(codebooks))
    melody = kind == "melody"
    return {
        "solver": "musicgen",
        "sample_rate": RATE_HZ,
        "channels": 2 if kind == "stereo" else 1,
        "autocast": True,
        "autocast_dtype": "float16",
        "lm_model": "transformer_lm",
        "dataset": {"segment_duration": segment_s},
        "compression_model_n_q": None,
        "interleave_stereo_codebooks": {"use": kind == "stereo", "per_timestep": False},
        "codebooks_pattern": {
            "modeling": "delay",
            "delay": {"delays": delays, "flatten_first": 0, "empty_initial": 0},
        },
        "classifier_free_guidance": {"training_dropout": 0.3, "inference_coef": 3.0},
        "attribute_dropout": {},
        "fuser": {
            "cross_attention_pos_emb": False,
            "cross_attention_pos_emb_scale": 1,
            "sum": [],
            "prepend": ["self_wav", "description"] if melody else [],
            "cross": [] if melody else ["description"],
            "input_interpolate": [],
        },
        "conditioners": {"description": _text(text)} | ({"self_wav": _chroma()} if melody else {}),
        "transformer_lm": {**SHAPES[scale], "n_q": codebooks, "card": card, **_TRANSFORMER},
    }


_TRANSFORMER: dict[str, Any] = {
    "hidden_scale": 4,
    "dropout": 0.0,
    "emb_lr": None,
    "activation": "gelu",
    "norm_first": True,
    "bias_ff": False,
    "bias_attn": False,
    "bias_proj": False,
    "past_context": None,
    "causal": True,
    "custom": False,
    "memory_efficient": True,
    "attention_as_float32": False,
    "layer_scale": None,
    "positional_embedding": "sin",
    "xpos": False,
    "checkpointing": "none",
    "weight_init": "gaussian",
    "depthwise_init": "current",
    "zero_bias_init": True,
    "norm": "layer_norm",
    "cross_attention": False,
    "qk_layer_norm": False,
    "qk_layer_norm_cross": False,
    "attention_dropout": None,
    "kv_repeat": 1,
    "two_step_cfg": False,
}


def _text(text: str) -> dict[str, Any]:
    if text == "lut":
        return {"model": "lut", "lut": {"n_bins": 256, "dim": 48, "tokenizer": "noop"}}
    return {"model": "t5", "t5": {"name": text, "finetune": False, "word_dropout": 0.3, "normalize_text": False}}


def _chroma() -> dict[str, Any]:
    return {
        "model": "chroma_stem",
        "chroma_stem": {
            "sample_rate": RATE_HZ,
            "n_chroma": 12,
            "radix2_exp": 14,
            "argmax": True,
            "match_len_on_eval": False,
            "eval_wavs": None,
            "n_eval_wavs": 100,
            "cache_path": None,
        },
    }


def codec_config(*, card: int, whole: bool) -> dict[str, Any]:
    """EnCodec at 32 kHz with 50 frames a second; `whole` in the released size, otherwise as small as it gets."""
    return {
        "compression_model": "encodec",
        "sample_rate": RATE_HZ,
        "channels": 1,
        "encodec": {
            "autoencoder": "seanet",
            "quantizer": "rvq",
            "sample_rate": RATE_HZ,
            "channels": 1,
            "causal": False,
            "renormalize": False,
        },
        "seanet": {
            "dimension": 128 if whole else 16,
            "channels": 1,
            "causal": False,
            "n_filters": 64 if whole else 2,
            "n_residual_layers": 1,
            "ratios": [8, 5, 4, 4],
            "activation": "ELU",
            "activation_params": {"alpha": 1.0},
            "norm": "weight_norm",
            "norm_params": {},
            "kernel_size": 7,
            "residual_kernel_size": 3,
            "last_kernel_size": 7,
            "dilation_base": 2,
            "pad_mode": "constant",
            "true_skip": True,
            "compress": 2,
            "lstm": 2,
            "disable_norm_outer_blocks": 0,
            "decoder": {"trim_right_ratio": 1.0, "final_activation": None, "final_activation_params": None},
            "encoder": {},
        },
        "rvq": {
            "n_q": 4,
            "q_dropout": False,
            "bins": card,
            "decay": 0.99,
            "kmeans_init": True,  # as released; the state then says that the codebooks are initialised
            "kmeans_iters": 50,
            "threshold_ema_dead_code": 2,
            "orthogonal_reg_weight": 0.0,
            "orthogonal_reg_active_codes_only": False,
        },
        "no_quant": {},
    }


class Noise:
    """Normal deviates, cut out of one pool at random places: to draw 3.3 G of them one by one takes minutes."""

    def __init__(self, seed: int, pool: int = 1 << 22) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self._pool = torch.randn(pool, generator=self._random)
        self._half = self._pool.half()

    def __call__(self, *shape: int, deviation: float = 1.0, dtype: torch.dtype = torch.float16) -> torch.Tensor:
        pool = self._half if dtype == torch.float16 else self._pool
        start = int(torch.randint(pool.numel(), (1,), generator=self._random))
        count = math.prod(shape)
        turned = torch.cat([pool[start:], pool[:start]]).repeat(-(-count // pool.numel()))
        return turned[:count].mul(deviation).reshape(shape)


def lm_weights(config: dict[str, Any], seed: int, logit_gain: float = 1.0) -> dict[str, torch.Tensor]:
    """Every tensor of the language model, in half precision as released."""
    noise, state = Noise(seed), {}
    for name, shape in lm_shapes(config):
        if len(shape) == 1:
            state[name] = torch.full(shape, 1.0 if "norm" in name and name.endswith("weight") else 0.0).half()
        else:
            gain = logit_gain if name.startswith("linears.") else 1.0
            state[name] = noise(*shape, deviation=gain / math.sqrt(shape[-1]))
    if "self_wav" in config["conditioners"]:
        name = "condition_provider.conditioners.self_wav.chroma.spec.window"
        state[name] = torch.hann_window(2 ** config["conditioners"]["self_wav"]["chroma_stem"]["radix2_exp"]).half()
    return state


def lm_shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the language model's learned tensors."""
    lm = config["transformer_lm"]
    dim, card = lm["dim"], lm["card"]
    yield from _conditioner_shapes(config["conditioners"], dim)
    for book in range(lm["n_q"]):
        yield f"emb.{book}.weight", (card + 1, dim)
        yield f"linears.{book}.weight", (card, dim)
    attentions = ["self_attn", *(["cross_attention"] if config["fuser"]["cross"] else [])]
    norms = ["norm1", "norm2", *(["norm_cross"] if config["fuser"]["cross"] else [])]
    for layer in range(lm["num_layers"]):
        head = f"transformer.layers.{layer}"
        for attention in attentions:
            yield f"{head}.{attention}.in_proj_weight", (3 * dim, dim)
            yield f"{head}.{attention}.out_proj.weight", (dim, dim)
        yield f"{head}.linear1.weight", (lm["hidden_scale"] * dim, dim)
        yield f"{head}.linear2.weight", (dim, lm["hidden_scale"] * dim)
        for norm in norms:
            yield f"{head}.{norm}.weight", (dim,)
            yield f"{head}.{norm}.bias", (dim,)
    yield "out_norm.weight", (dim,)
    yield "out_norm.bias", (dim,)


def _conditioner_shapes(conditioners: dict[str, Any], dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, table in conditioners.items():
        head, own = f"condition_provider.conditioners.{name}", table[table["model"]]
        if table["model"] == "lut":
            yield f"{head}.embed.weight", (own["n_bins"], own["dim"])
        yield f"{head}.output_proj.weight", (dim, _width(table["model"], own))
        yield f"{head}.output_proj.bias", (dim,)


def _width(model: str, own: dict[str, Any]) -> int:
    """Of what a conditioner puts into its projection."""
    width: int = T5_DIMS[own["name"]] if model == "t5" else own["dim" if model == "lut" else "n_chroma"]
    return width


def codec_weights(config: dict[str, Any], seed: int) -> dict[str, torch.Tensor]:
    """EnCodec's tensors: audiocraft's own initial ones, and random codebooks that say that they are initialised."""
    from omegaconf import OmegaConf

    from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import prepare

    prepare()  # audiocraft's own imports need libraries that are not installed
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        torch.manual_seed(seed)
        from audiocraft.models import builders

        state: dict[str, torch.Tensor] = builders.get_compression_model(
            OmegaConf.create({**config, "device": "cpu"})
        ).state_dict()
    noise = Noise(seed + 1)
    for name in [name for name in state if name.endswith("_codebook.embed")]:
        state[name] = noise(*state[name].shape, dtype=torch.float32)
        state[f"{name}_avg"] = state[name].clone()
        state[name.replace("embed", "inited")] = torch.ones(1)
        state[name.replace("embed", "cluster_size")] = torch.ones(state[name].shape[0])
    return state


def make_t5(hf_home: Path, name: str = "t5-small") -> Path:
    """A random small T5 encoder and a tokenizer of single characters under a real name, as the hub cache has them."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    snapshot = hub_snapshot(hf_home, name)
    letters = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-,.;:!?'\"()&/"
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((letter, -4.0) for letter in letters)]
    T5Tokenizer(vocab=vocabulary, extra_ids=0).save_pretrained(snapshot)
    config = T5Config(
        vocab_size=128,
        d_model=T5_DIMS[name],
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        T5EncoderModel(config).save_pretrained(snapshot)
    return snapshot


def hub_snapshot(hf_home: Path, repository: str, revision: str = "main") -> Path:
    """The folder of a commit in the hub cache, made, with the reference that leads to it."""
    root = hf_home / "hub" / f"models--{repository.replace('/', '--')}"
    commit = hashlib.sha1(repository.encode()).hexdigest()  # looks like a commit
    snapshot = root / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / revision).write_text(commit)
    return snapshot


def make_demucs(torch_home: Path) -> Path:
    """A random small HTDemucs under the file name that demucs looks for."""
    from demucs.htdemucs import HTDemucs

    shape: dict[str, Any] = {
        "sources": ["drums", "bass", "other", "vocals"],
        "channels": 4,
        "depth": 4,
        "dconv_mode": 0,
        "t_layers": 1,
        "t_heads": 2,
        "bottom_channels": 16,
        "segment": 8,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        model = HTDemucs(**shape)
    path = torch_home / "hub" / "checkpoints" / DEMUCS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"klass": HTDemucs, "args": (), "kwargs": shape, "state": model.state_dict()}, path)
    return path


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", default="t5", choices=["t5", "stereo", "melody", "lut"])
    parser.add_argument("--scale", default="tiny", choices=list(SHAPES))
    parser.add_argument("--segment", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--true-codec", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--logit-gain", type=float, default=1.0)
    asked = parser.parse_args(words)
    os.environ["HF_HUB_OFFLINE"] = "1"
    made = make(
        asked.out.resolve(),
        kind=asked.kind,
        scale=asked.scale,
        segment_s=asked.segment,
        seed=asked.seed,
        true_codec=asked.true_codec,
        logit_gain=asked.logit_gain,
    )
    print(" ".join(f"{name}={value}" for name, value in made.environment.items()), made.folder)


if __name__ == "__main__":
    main(sys.argv[1:])
