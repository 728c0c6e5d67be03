"""The transformer in int8: prefill by torch over products of integers, decoding by compiled loops.

The loops work in place, on one column of every row. Between two products that read megabytes, each of torch's forty
small operations waits until its own code is back from memory; in a loop that is compiled they cost nearly nothing.

Each half of a row is computed by the same instructions in any batch: its bits don't depend on other rows or on threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Int8Linear, Int8Weights, matmul
from tydust_assetgen.generate.musicgen.decoder.cpu.linear import Linear
from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import Array, compiled, use_torch_thread_count
from tydust_assetgen.generate.musicgen.decoder.cpu.transformer import CpuTransformer, KeysValues
from tydust_assetgen.generate.musicgen.decoder.cpu.weights import Layer

_FAST = {"reassoc", "contract", "nsz"}
"""Sums may be made in any order, so that they are made of registers; the order then depends on their length alone."""

_ROOT_HALF = np.float32(math.sqrt(0.5))
_A1, _A2, _A3 = np.float32(0.0705230784), np.float32(0.0422820123), np.float32(0.0092705272)
_A4, _A5, _A6 = np.float32(0.0001520143), np.float32(0.0002765672), np.float32(0.0000430638)


class NormWeights(NamedTuple):
    """Of a layer norm."""

    weight: Array  # [dim]
    bias: Array  # [dim]
    eps: float


class _LayerWeights(NamedTuple):
    """Of the three blocks of a layer, in the order of the functions' arguments."""

    self_attention: tuple[NormWeights, Int8Weights, Int8Weights]
    cross_attention: tuple[NormWeights, Int8Weights, Int8Weights] | None
    feed_forward: tuple[NormWeights, Int8Weights, Int8Weights]


class Int8Transformer(CpuTransformer):
    """A model's weights as integers of 8 bits, on the CPU.

    Args:
        lm: audiocraft's language model, in eval mode.
        shape: its sizes.
    """

    def __init__(self, lm: Any, shape: Shape) -> None:
        super().__init__(lm, shape, "int8")
        self._weights = [_layer_weights(*each) for each in zip(self._layers, lm.transformer.layers, strict=True)]

    def decode(self, codes: torch.Tensor, positions: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column `[R, K]` of the first rows, as `CpuTransformer` does."""
        del columns
        texts = self._texts_of(len(positions))
        lengths = torch.tensor([pairs[0][0].shape[2] for pairs in self._row_texts[: len(positions)] if pairs]).numpy()
        x, at = self._embed(codes, positions), positions.numpy()
        use_torch_thread_count()
        for index, weights in enumerate(self._weights):
            memory = self._keys[index].numpy(), self._values[index].numpy()
            self_attention(x.numpy(), *weights.self_attention, *memory, at)
            if weights.cross_attention:
                keys, values = texts[index][0]
                text = keys[:, None].numpy(), values[:, None].numpy()
                cross_attention(x.numpy(), *weights.cross_attention, *text, lengths)
            feed_forward(x.numpy(), *weights.feed_forward)
        return self._split_guidance(self._logits(x))

    def _batched_texts(self, pairs: Sequence[KeysValues]) -> list[KeysValues]:
        """All together, shorter ones padded: attention does not read the padding."""
        longest = max(keys.shape[2] for keys, _ in pairs)
        padded = [[functional.pad(each, (0, 0, 0, longest - each.shape[2])) for each in pair] for pair in pairs]
        keys, values = (torch.cat(each) for each in zip(*padded, strict=True))
        return [(keys, values)]


def _layer_weights(layer: Layer, original: Any) -> _LayerWeights:
    cross = None
    if layer.query:
        cross = (_norm_weights(original.norm_cross), _int8_weights(layer.query), _int8_weights(layer.out_cross))
    return _LayerWeights(
        (_norm_weights(original.norm1), _int8_weights(layer.qkv), _int8_weights(layer.out)),
        cross,
        (_norm_weights(original.norm2), _int8_weights(layer.up), _int8_weights(layer.down)),
    )


def _norm_weights(norm: Any) -> NormWeights:
    return NormWeights(norm.weight.detach().numpy(), norm.bias.detach().numpy(), norm.eps)


def _int8_weights(linear: Linear | None) -> Int8Weights:
    assert isinstance(linear, Int8Linear)
    return linear.weights


@compiled()
def self_attention(
    x: Array, norm: NormWeights, qkv: Int8Weights, out: Int8Weights, keys: Array, values: Array, positions: Array
) -> None:
    """Add self-attention to `x` `[2R, dim]`. Keys and values `[R, 2, H, columns, hd]` of this column are written at its
    positions `[R]`."""
    halves, dim = x.shape
    projected, found = np.empty((halves, 3 * dim), np.float32), np.empty((halves, dim), np.float32)
    matmul(_layer_norm(x, norm), qkv, projected)
    for half in range(halves):
        row, which = divmod(half, 2)
        parts = projected[half].reshape(3, keys.shape[2], keys.shape[4])
        keys[row, which, :, positions[row]], values[row, which, :, positions[row]] = parts[1], parts[2]
    _attention(projected, 2, keys, values, positions + 1, found)
    _add_product(x, 1, found, out)


@compiled()
def cross_attention(
    x: Array, norm: NormWeights, query: Int8Weights, out: Int8Weights, keys: Array, values: Array, lengths: Array
) -> None:
    """Add to each row's conditional half of `x` `[2R, dim]` its attention to its text: keys and values
    `[R, 1, H, L, hd]`, of which each row has so many tokens `[R]`."""
    conditional = np.ascontiguousarray(x[::2])
    queries, found = np.empty_like(conditional), np.empty_like(conditional)
    matmul(_layer_norm(conditional, norm), query, queries)
    _attention(queries, 1, keys, values, lengths, found)
    _add_product(x, 2, found, out)


@compiled()
def feed_forward(x: Array, norm: NormWeights, up: Int8Weights, down: Int8Weights) -> None:
    """Add the feed-forward block to `x` `[2R, dim]`."""
    hidden = np.empty((len(x), len(up.scales)), np.float32)
    matmul(_layer_norm(x, norm), up, hidden)
    _gelu(hidden)
    _add_product(x, 1, hidden, down)


@compiled()
def _add_product(x: Array, stride: int, inputs: Array, weights: Int8Weights) -> None:
    """Add the product of inputs and weights to every `stride`-th line of `x`."""
    out = np.empty((len(inputs), x.shape[1]), np.float32)
    matmul(inputs, weights, out)
    for index in range(len(out)):
        x[index * stride] += out[index]


@compiled(fastmath=_FAST)
def _layer_norm(x: Array, norm: NormWeights) -> Array:
    """J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016, section 3."""
    out, count = np.empty_like(x), np.float32(x.shape[1])
    for line in range(len(x)):
        total, squares = np.float32(0), np.float32(0)
        for channel in range(x.shape[1]):
            total += x[line, channel]
        for channel in range(x.shape[1]):
            squares += (x[line, channel] - total / count) ** 2
        scale = np.float32(1 / math.sqrt(squares / count + norm.eps))
        for channel in range(x.shape[1]):
            out[line, channel] = (x[line, channel] - total / count) * scale * norm.weight[channel] + norm.bias[channel]
    return out


@compiled(fastmath=_FAST)
def _gelu(x: Array) -> None:
    """D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016, section 2, in place. `erf` by products alone, 16
    numbers at a time, to 3e-7 (M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 7.1.28)."""
    one, half = np.float32(1), np.float32(0.5)
    for line in range(len(x)):
        for channel in range(x.shape[1]):
            value = x[line, channel]
            z = abs(value) * _ROOT_HALF
            power = one + z * (_A1 + z * (_A2 + z * (_A3 + z * (_A4 + z * (_A5 + z * _A6)))))
            for _ in range(4):
                power *= power
            x[line, channel] = half * value * (one + math.copysign(one - one / power, value))


@compiled(parallel=True, fastmath=_FAST)
def _attention(queries: Array, halves: int, keys: Array, values: Array, lengths: Array, out: Array) -> None:
    """A. Vaswani et al., "Attention Is All You Need", 2017, section 3.2.1, over the first `lengths` `[R]` columns.
    Queries `[halves * R, at least dim]`: only the first `dim` numbers of each are read."""
    heads, head_dim = keys.shape[2], keys.shape[4]
    scale = np.float32(1 / math.sqrt(head_dim))
    for task in numba.prange(len(queries) * heads):
        line, head = divmod(np.int64(task), heads)
        row, which = divmod(line, halves)
        here = slice(head * head_dim, (head + 1) * head_dim)
        read, weights = keys[row, which, head], np.empty(lengths[row], np.float32)
        _attention_weights(queries[line, here], read, scale, weights)
        _weighted_sum(weights, values[row, which, head], out[line, here])


@compiled(fastmath=_FAST)
def _attention_weights(query: Array, keys: Array, scale: float, weights: Array) -> None:
    """The softmax over the products of a query `[hd]` with keys `[columns, hd]`."""
    for column in range(len(weights)):
        product = np.float32(0)
        for channel in range(len(query)):
            product += query[channel] * keys[column, channel]
        weights[column] = product * scale
    largest, total = weights.max(), np.float32(0)
    for column in range(len(weights)):
        weights[column] = np.float32(math.exp(weights[column] - largest))
        total += weights[column]
    for column in range(len(weights)):
        weights[column] /= total


@compiled(fastmath=_FAST)
def _weighted_sum(weights: Array, values: Array, out: Array) -> None:
    """Of values `[columns, hd]`."""
    out[:] = 0
    for column in range(len(weights)):
        for channel in range(len(out)):
            out[channel] += weights[column] * values[column, channel]
