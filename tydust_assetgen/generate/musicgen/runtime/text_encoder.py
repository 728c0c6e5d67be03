"""Loads the tokenizer and the encoder of T5, the model that reads prompts, from a folder of the hub cache.

They give what those of transformers give, without its import, which takes longer than anything else before the first
step. The released models of T5 are known here (C. Raffel et al., "Exploring the Limits of Transfer Learning with a
Unified Text-to-Text Transformer", 2020, section 2.1); any other is left to transformers.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from tydust_assetgen.errors import GenerationError
from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import without_bars
from tydust_assetgen.generate.musicgen.spec.requirements import text_folder

_ASKED = {"model_type": "t5", "feed_forward_proj": "relu"}
_WEIGHTS, _CONFIG, _TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
_LOWEST = torch.finfo(torch.float32).min


@contextlib.contextmanager
def given(device: str, executor: Executor) -> Iterator[None]:
    """While it lasts, audiocraft's T5 conditioner gets the T5 that is made here: its constructor calls
    `from_pretrained`, and there is no other way to hand it one.

    Args:
        device: where its weights are wanted.
        executor: reads the weights while the rest is loaded; they are waited for at the first words.
    """
    from audiocraft.modules import conditioners

    theirs = conditioners.T5Tokenizer, conditioners.T5EncoderModel

    def tokenizer(name: str) -> Any:
        folder = text_folder(name)
        return Tokenizer(folder) if folder and not unknown(folder) else theirs[0].from_pretrained(name)

    def encoder(name: str) -> Any:
        folder = text_folder(name)
        return Encoder(folder, device, executor) if folder and not unknown(folder) else _without_bars(theirs[1], name)

    conditioners.T5Tokenizer = SimpleNamespace(from_pretrained=tokenizer)
    conditioners.T5EncoderModel = SimpleNamespace(from_pretrained=encoder)
    try:
        yield
    finally:
        conditioners.T5Tokenizer, conditioners.T5EncoderModel = theirs


def let_go(lm: Any) -> None:
    """All words are read: a model's encoder gives its memory back."""
    for conditioner in lm.condition_provider.conditioners.values():
        encoder = getattr(conditioner, "t5", None)
        if isinstance(encoder, Encoder):
            encoder.let_go()


def _without_bars(model: Any, name: str) -> Any:
    with without_bars():
        return model.from_pretrained(name)


def unknown(folder: Path) -> str:
    """Why a T5 is left to transformers; empty when it is not."""
    if not (folder / _TOKENIZER).is_file():
        return f"it has no `{_TOKENIZER}`"
    try:
        config = json.loads((folder / _CONFIG).read_bytes())
        odd = [name for name, value in _ASKED.items() if config.get(name, value) != value]
        Shape.of(config)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return f"its `{_CONFIG}` can't be read"
    return f"its `{odd[0]}` is another" if odd else _other_weights(folder)


def _other_weights(folder: Path) -> str:
    from safetensors import safe_open

    with safe_open(str(folder / _WEIGHTS), framework="pt") as file:
        names = set(file.keys())
        return "" if _EMBEDDING in names and file.get_slice(_EMBEDDING).get_dtype() == "F32" else "its weights differ"


_EMBEDDING = "shared.weight"


class Shape(NamedTuple):
    """Sizes of an encoder."""

    layers: int
    heads: int
    buckets: int
    """Kinds of distance between two words, half of them for each direction."""
    farthest: int
    """All distances from here on are of one kind."""
    eps: float

    @staticmethod
    def of(config: Mapping[str, Any]) -> Shape:
        return Shape(
            int(config["num_layers"]),
            int(config["num_heads"]),
            int(config.get("relative_attention_num_buckets", 32)),
            int(config.get("relative_attention_max_distance", 128)),
            float(config.get("layer_norm_epsilon", 1e-6)),
        )


class Tokens(dict[str, torch.Tensor]):
    """`input_ids` and `attention_mask`, `[B, L]` each."""

    def to(self, device: str) -> Tokens:
        return Tokens({name: tensor.to(device) for name, tensor in self.items()})


class Tokenizer:
    """Texts to numbers, by the vocabulary of `tokenizer.json`: words are parted at spaces, an end is put to each text,
    and the shorter ones are padded, whatever the file says of that."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer as Rules
        from tokenizers import pre_tokenizers, processors

        self._rules = Rules.from_file(str(folder / _TOKENIZER))
        spaces = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always", split=True)]
        self._rules.pre_tokenizer = pre_tokenizers.Sequence(spaces)
        end = ("</s>", self._rules.token_to_id("</s>"))
        self._rules.post_processor = processors.TemplateProcessing(single=["$A", "</s>"], special_tokens=[end])
        self._rules.no_truncation()
        self._rules.enable_padding(pad_id=0)

    def __call__(self, texts: Sequence[str], **_: object) -> Tokens:
        found = self._rules.encode_batch(list(texts))
        ids = torch.tensor([each.ids for each in found])
        return Tokens(input_ids=ids, attention_mask=torch.tensor([each.attention_mask for each in found]))


class Encoder:
    """The encoder's layers over its weights, in full precision."""

    def __init__(self, folder: Path, device: str, executor: Executor) -> None:
        self.shape = Shape.of(json.loads((folder / _CONFIG).read_bytes()))
        self._again = partial(_read, folder / _WEIGHTS, device)
        self._read = executor.submit(self._again).result

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return self._read()

    def let_go(self) -> None:
        """Give the memory of the weights back. At the next words they are read again."""
        self._read = cache(self._again)

    def train(self, mode: bool = True) -> Encoder:
        assert not mode, "nothing is trained here"
        return self

    def to(self, *_: object) -> Encoder:
        """It is where it is wanted already."""
        return self

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """What the last layer says of each word, `last_hidden_state [B, L, dim]`."""
        x = functional.embedding(input_ids, self.weights[_EMBEDDING])
        position_bias = torch.where(attention_mask[:, None, None].bool(), self._position_bias(x.shape[1]), _LOWEST)
        for layer in range(self.shape.layers):
            x = x + self._self_attention(x, position_bias, layer)
            x = x + self._feed_forward(x, layer)
        return SimpleNamespace(last_hidden_state=self._norm(x, "encoder.final_layer_norm"))

    def _self_attention(self, x: torch.Tensor, position_bias: torch.Tensor, layer: int) -> torch.Tensor:
        """What the words tell each other. Scores are not scaled: T5's weights have taken that in."""
        own = f"encoder.block.{layer}.layer.0"
        normed = self._norm(x, f"{own}.layer_norm")
        query, key, value = (
            self._linear(normed, f"{own}.SelfAttention.{name}").unflatten(-1, (self.shape.heads, -1)).transpose(1, 2)
            for name in "qkv"
        )
        heard = functional.scaled_dot_product_attention(query, key, value, attn_mask=position_bias, scale=1.0)
        return self._linear(heard.transpose(1, 2).flatten(2), f"{own}.SelfAttention.o")

    def _feed_forward(self, x: torch.Tensor, layer: int) -> torch.Tensor:
        own = f"encoder.block.{layer}.layer.1"
        inner = self._linear(self._norm(x, f"{own}.layer_norm"), f"{own}.DenseReluDense.wi")
        return self._linear(functional.relu(inner), f"{own}.DenseReluDense.wo")

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self.weights[f"{name}.weight"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """By the root of the mean square (B. Zhang and R. Sennrich, "Root Mean Square Layer Normalization", 2019)."""
        return self.weights[f"{name}.weight"] * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.shape.eps))

    def _position_bias(self, length: int) -> torch.Tensor:
        """What is added to the scores `[1, heads, L, L]` for the distance of two words, the same in all layers."""
        table = self.weights["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        places = torch.arange(length, device=table.device)
        kinds = _distance_buckets(places[None] - places[:, None], self.shape.buckets // 2, self.shape.farthest)
        return functional.embedding(kinds, table).permute(2, 0, 1)[None]


def _distance_buckets(distance: torch.Tensor, count: int, farthest: int) -> torch.Tensor:
    """Kinds of distances: each of the short ones is its own, longer ones share, by their logarithm; then the same
    again for what lies after a word."""
    far, near = distance.abs(), count // 2
    shared = near + (torch.log(far.float() / near) / math.log(farthest / near) * (count - near)).long()
    return (distance > 0).long() * count + torch.where(far < near, far, shared.clamp(max=count - 1))


def _read(path: Path, device: str) -> dict[str, torch.Tensor]:
    """The encoder's part of a file; half of most is a decoder's. Copies, so that the file may go."""
    from safetensors import SafetensorError, safe_open

    def own(name: str) -> bool:
        return name == _EMBEDDING or (name.startswith("encoder.") and not name.endswith("embed_tokens.weight"))

    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name).to(device, copy=True) for name in file.keys() if own(name)}  # noqa: SIM118  not a dict
    except (OSError, SafetensorError) as error:
        raise GenerationError(f"`{path}` can't be read: {str(error).strip()[:200]}") from error
