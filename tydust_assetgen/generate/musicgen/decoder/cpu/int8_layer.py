"""The parts of a layer in int8, compiled by numba: each in place, for one column of every row.

In walk what goes through the network `[2R, dim]` and a part's weights; it walks out changed. Between two products that
read megabytes, each of torch's forty small operations waits until its own code is back from memory. In a loop that is
compiled they are nearly nothing.

A line is reckoned by the same instructions in any company: its bits don't depend on its neighbours or on threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Weights, multiply
from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import Array, compiled

_FAST = {"reassoc", "contract", "nsz"}
"""Sums may be made in any order, so that they are made of registers; the order is then a matter of their length."""

_ROOT_HALF = np.float32(math.sqrt(0.5))
_A1, _A2, _A3 = np.float32(0.0705230784), np.float32(0.0422820123), np.float32(0.0092705272)
_A4, _A5, _A6 = np.float32(0.0001520143), np.float32(0.0002765672), np.float32(0.0000430638)


class Norm(NamedTuple):
    """What stretches a line `[dim]`, what is added `[dim]`, and what keeps silence from dividing by nothing."""

    weight: Array
    bias: Array
    eps: float


@compiled()
def look_back(x: Array, norm: Norm, qkv: Weights, out: Weights, keys: Array, values: Array, at: Array) -> None:
    """Self-attention. Keys and values `[R, 2, H, columns, hd]` of this column are written at its places `at` `[R]`."""
    lines, dim = x.shape
    projected, found = np.empty((lines, 3 * dim), np.float32), np.empty((lines, dim), np.float32)
    multiply(_normed(x, norm), qkv, projected)
    for line in range(lines):
        row, which = divmod(line, 2)
        parts = projected[line].reshape(3, keys.shape[2], keys.shape[4])
        keys[row, which, :, at[row]], values[row, which, :, at[row]] = parts[1], parts[2]
    _attend(projected, 2, keys, values, at + 1, found)
    _add(x, 1, found, out)


@compiled()
def hear(x: Array, norm: Norm, query: Weights, out: Weights, keys: Array, values: Array, lengths: Array) -> None:
    """Cross-attention of each row's first line, to texts `[R, 1, H, L, hd]` of so many tokens `[R]`."""
    heard = np.ascontiguousarray(x[::2])
    asked, found = np.empty_like(heard), np.empty_like(heard)
    multiply(_normed(heard, norm), query, asked)
    _attend(asked, 1, keys, values, lengths, found)
    _add(x, 2, found, out)


@compiled()
def feed_forward(x: Array, norm: Norm, up: Weights, down: Weights) -> None:
    """Up, bent, and down again."""
    wide = np.empty((len(x), len(up.steps)), np.float32)
    multiply(_normed(x, norm), up, wide)
    _bend(wide)
    _add(x, 1, wide, down)


@compiled()
def _add(x: Array, each: int, lines: Array, weights: Weights) -> None:
    """What weights make of lines is added to every line, or to each second one."""
    made = np.empty((len(lines), x.shape[1]), np.float32)
    multiply(lines, weights, made)
    for line in range(len(made)):
        x[line * each] += made[line]


@compiled(fastmath=_FAST)
def _normed(x: Array, norm: Norm) -> Array:
    """J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016, section 3."""
    made, count = np.empty_like(x), np.float32(x.shape[1])
    for line in range(len(x)):
        total, squares = np.float32(0), np.float32(0)
        for place in range(x.shape[1]):
            total += x[line, place]
        for place in range(x.shape[1]):
            squares += (x[line, place] - total / count) ** 2
        shrunk = np.float32(1 / math.sqrt(squares / count + norm.eps))
        for place in range(x.shape[1]):
            made[line, place] = (x[line, place] - total / count) * shrunk * norm.weight[place] + norm.bias[place]
    return made


@compiled(fastmath=_FAST)
def _bend(lines: Array) -> None:
    """A GELU (D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016, section 2), in place. `erf` by products
    alone, 16 numbers at a time, to 3e-7 (M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 7.1.28)."""
    one, half = np.float32(1), np.float32(0.5)
    for line in range(len(lines)):
        for place in range(lines.shape[1]):
            value = lines[line, place]
            far = abs(value) * _ROOT_HALF
            steep = one + far * (_A1 + far * (_A2 + far * (_A3 + far * (_A4 + far * (_A5 + far * _A6)))))
            for _ in range(4):
                steep *= steep
            lines[line, place] = half * value * (one + math.copysign(one - one / steep, value))


@compiled(parallel=True, fastmath=_FAST)
def _attend(queries: Array, each: int, keys: Array, values: Array, lengths: Array, found: Array) -> None:
    """A. Vaswani et al., "Attention Is All You Need", 2017, section 3.2.1: what each line finds in the columns before
    it. There are `each` lines a row; a query is the first `dim` numbers of its line."""
    heads, size = keys.shape[2], keys.shape[4]
    scale = np.float32(1 / math.sqrt(size))
    for place in numba.prange(len(queries) * heads):
        line, head = divmod(np.int64(place), heads)
        row, which = divmod(line, each)
        here = slice(head * size, (head + 1) * size)
        read, weights = keys[row, which, head], np.empty(lengths[row], np.float32)
        _weigh(queries[line, here], read, scale, weights)
        _mix(weights, values[row, which, head], found[line, here])


@compiled(fastmath=_FAST)
def _weigh(query: Array, keys: Array, scale: float, weights: Array) -> None:
    """The softmax over a query's products with keys."""
    for column in range(len(weights)):
        product = np.float32(0)
        for place in range(len(query)):
            product += query[place] * keys[column, place]
        weights[column] = product * scale
    most, total = weights.max(), np.float32(0)
    for column in range(len(weights)):
        weights[column] = np.float32(math.exp(weights[column] - most))
        total += weights[column]
    for column in range(len(weights)):
        weights[column] /= total


@compiled(fastmath=_FAST)
def _mix(weights: Array, values: Array, found: Array) -> None:
    """Values, each as loud as its weight."""
    found[:] = 0
    for column in range(len(weights)):
        for place in range(len(found)):
            found[place] += weights[column] * values[column, place]
