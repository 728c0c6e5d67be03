"""The network in int8: prefill as ever, over products of integers; a step by compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cpu.int8_layer import Norm, feed_forward, hear, look_back
from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Product, Weights
from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import as_many_threads_as_torch
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import Linear
from tydust_assetgen.generate.musicgen.decoder.cpu.transformer import Layer, Network, Pair


class _Parts(NamedTuple):
    """What the parts of a layer take."""

    looking: tuple[Norm, Weights, Weights]
    hearing: tuple[Norm, Weights, Weights] | None
    feeding: tuple[Norm, Weights, Weights]


class RoundedNetwork(Network):
    """A model's weights as integers of 8 bits, on the CPU.

    Args:
        lm: audiocraft's language model, in eval mode.
        shape: its sizes.
    """

    def __init__(self, lm: Any, shape: Shape) -> None:
        super().__init__(lm, shape, "int8")
        self._parts = [_parts(*each) for each in zip(self._layers, lm.transformer.layers, strict=True)]

    def step(self, codes: torch.Tensor, at: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column `[R, K]` of the first rows, as `Network` does."""
        del columns
        texts = self._texts_of(len(at))
        lengths = torch.tensor([pairs[0][0].shape[2] for pairs in self._heard[: len(at)] if pairs]).numpy()
        x, places = self._read(codes, at), at.numpy()
        as_many_threads_as_torch()
        for index, parts in enumerate(self._parts):
            look_back(x.numpy(), *parts.looking, self._keys[index].numpy(), self._values[index].numpy(), places)
            if parts.hearing:
                keys, values = texts[index][0]
                hear(x.numpy(), *parts.hearing, keys[:, None].numpy(), values[:, None].numpy(), lengths)
            feed_forward(x.numpy(), *parts.feeding)
        return self._in_pairs(self._logits(x))

    def _side_by_side(self, pairs: Sequence[Pair]) -> list[Pair]:
        """All together. What fills up shorter ones is not looked at."""
        longest = max(keys.shape[2] for keys, _ in pairs)
        filled = [[functional.pad(each, (0, 0, 0, longest - each.shape[2])) for each in pair] for pair in pairs]
        keys, values = (torch.cat(each) for each in zip(*filled, strict=True))
        return [(keys, values)]


def _parts(layer: Layer, of: Any) -> _Parts:
    crossing = (_norm(of.norm_cross), _weights(layer.query), _weights(layer.out_cross)) if layer.query else None
    return _Parts(
        (_norm(of.norm1), _weights(layer.qkv), _weights(layer.out)),
        crossing,
        (_norm(of.norm2), _weights(layer.up), _weights(layer.down)),
    )


def _norm(norm: Any) -> Norm:
    return Norm(norm.weight.detach().numpy(), norm.bias.detach().numpy(), norm.eps)


def _weights(linear: Linear | None) -> Weights:
    assert isinstance(linear, Product)
    return linear.weights
