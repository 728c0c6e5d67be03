"""A linear layer of integers: weights of 8 bits, inputs of up to 15.

A weight is read once for all inputs and is a quarter of a float32, so a step that waits for memory waits a quarter as
long. Weights are rounded to 255 steps, each output with a scale of its own. Inputs become integers too, as fine as
their sums in 32 bits allow: 14 bits and a sign for 1024 channels, 12 for 4096. Integers add up to the same whatever the
order, so a row's bits depend neither on the other rows, nor on threads, nor on the kind of CPU.

Why not 8 bits for inputs: a few channels of a transformer are far louder than the others (T. Dettmers et al.,
"LLM.int8()", 2022, section 3), and would take all the steps. With three of 1024 channels 60 times as loud, the error of
a product of gaussian values, as a part of what the other channels give: 33 % with one 8-bit scale for all inputs
(torch's `linear_dynamic`), 15 % with a scale and an offset for each row, 2.8 % here, which is what rounding the weights
costs alone.

The loops are compiled by numba, once for a machine. LLVM does not find the instruction for sums of products of 16 bits
in them (on two of Intel's cores they are three times as slow without), so on x86 it is named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.extending import intrinsic

from tydust_assetgen.generate.musicgen.decoder.cpu.linear import Linear
from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import (
    CPU_FEATURES,
    INT32,
    REGISTERS_PER_ROUND,
    Array,
    Tile,
    compiled,
    dot_products,
    llvm_function,
    load_register,
    use_torch_thread_count,
)

_MAX_WEIGHT = 127
_MAX_INPUT = 32_767
_CHUNK = REGISTERS_PER_ROUND * 32
"""Channels that are multiplied in one round."""
_PREFETCH_BYTES = 8192
"""When rows were read one by one, a step of a small model's products took 22 ms on two of Intel's cores, and 30 to 60
without prefetching; 1 KiB to 16 KiB ahead: 21 to 30."""
_TINY = np.finfo(np.float32).tiny


class Int8Weights(NamedTuple):
    """Quantized weights, as compiled loops read them."""

    values: Array
    """`[N, K']`, int8; K' is K, padded with zeros to whole chunks."""
    scales: Array
    """`[N]`, float32: what an integer of each output stands for."""
    max_input: int
    """The largest integer that an input is quantized to."""


class Int8Linear(Linear):
    """A linear layer over weights `[N, K]`, float32, of which a quantized copy is kept."""

    batch_invariant = True

    def __init__(self, weight: torch.Tensor) -> None:
        values, scales = quantize(weight)
        self._depth = depth = weight.shape[1]
        padded = torch.nn.functional.pad(values, (0, -depth % _CHUNK))
        self.weights = Int8Weights(padded.numpy(), scales.numpy(), max_input(depth))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From `[..., K]` to `[..., N]`, float32 both."""
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        if rows.shape[1] != self._depth:  # compiled loops don't see where an array ends
            raise ValueError(f"inputs of {rows.shape[1]} channels don't fit weights of {self._depth}")
        out = torch.empty(len(rows), len(self.weights.values))
        use_torch_thread_count()
        matmul(rows.numpy(), self.weights, out.numpy())
        return out.view(*x.shape[:-1], -1)


def quantize(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights as integers from -127 to 127 `[N, K]`, and each output's scale `[N]`: at most half a step of error."""
    scale = weight.abs().amax(1).div(_MAX_WEIGHT).clamp_min(_TINY)
    return (weight / scale[:, None]).round_().to(torch.int8), scale


def max_input(depth: int) -> int:
    """The largest integer of an input of so many channels, 1 to 32767: sums of products stay within 31 bits."""
    return max(min(_MAX_INPUT, (2**31 - 1) // (_MAX_WEIGHT * depth)), 1)


@numba.njit  # type: ignore[untyped-decorator]
def _portable_dot_products(weights: Any, weight_rows: Any, inputs: Any, input_rows: Any) -> Any:
    """Of two rows of weights, int8 `[N, K]`, and two rows of inputs, int16 `[M, K]`, as `dot_products` orders them."""
    sums = np.zeros((2, 2), np.int32)
    for index in range(4):
        output, row = weight_rows[index // 2], input_rows[index % 2]
        for channel in range(weights.shape[1]):
            sums[index // 2, index % 2] += np.int32(weights[output, channel]) * np.int32(inputs[row, channel])
    return sums[0, 0], sums[0, 1], sums[1, 0], sums[1, 1]


@intrinsic  # type: ignore[untyped-decorator]
def _avx2_dot_products(_: Any, weights: Any, weight_rows: Any, inputs: Any, input_rows: Any) -> Any:
    """The same by `pmaddwd`, which multiplies 16 pairs of 16 bits and adds up neighbours (Intel, "Intrinsics Guide",
    `_mm256_madd_epi16`)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return dot_products(context, builder, _tile(16, _pmaddwd), signature.args, arguments)

    return numba.types.UniTuple(numba.types.int32, 4)(weights, weight_rows, inputs, input_rows), generate


@intrinsic  # type: ignore[untyped-decorator]
def _vnni_dot_products(_: Any, weights: Any, weight_rows: Any, inputs: Any, input_rows: Any) -> Any:
    """The same by `vpdpwssd`, which multiplies 32 pairs and adds them to sums (ibid., `_mm512_dpwssd_epi32`)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return dot_products(context, builder, _tile(32, _vpdpwssd), signature.args, arguments)

    return numba.types.UniTuple(numba.types.int32, 4)(weights, weight_rows, inputs, input_rows), generate


def _tile(lanes: int, multiply_add: Callable[[Any, Any, Any, Any], Any]) -> Tile:
    int8s, int16s = ir.VectorType(ir.IntType(8), lanes), ir.VectorType(ir.IntType(16), lanes)
    int32s = ir.VectorType(INT32, lanes // 2)

    def load_weights(builder: Any, row: Any, place: Any) -> Any:
        return builder.sext(load_register(builder, row, place, int8s), int16s)

    def load_inputs(builder: Any, row: Any, place: Any) -> Any:
        return load_register(builder, row, place, int16s)

    def reduce(builder: Any, sums: Any) -> Any:
        return builder.call(llvm_function(builder, INT32, [int32s], f"llvm.vector.reduce.add.v{lanes // 2}i32"), [sums])

    return Tile(
        lanes=lanes,
        prefetch_distance=_PREFETCH_BYTES,
        zero=int32s(None),
        separate_sums=True,
        load_weights=load_weights,
        load_inputs=load_inputs,
        multiply_add=multiply_add,
        add=ir.IRBuilder.add,
        reduce=reduce,
    )


def _pmaddwd(builder: Any, sums: Any, weights: Any, inputs: Any) -> Any:
    pairs = llvm_function(builder, sums.type, [weights.type, inputs.type], "llvm.x86.avx2.pmadd.wd")
    return builder.add(sums, builder.call(pairs, [weights, inputs]))


def _vpdpwssd(builder: Any, sums: Any, weights: Any, inputs: Any) -> Any:
    dot = llvm_function(builder, sums.type, [sums.type] * 3, "llvm.x86.avx512.vpdpwssd.512")
    return builder.call(dot, [sums, builder.bitcast(weights, sums.type), builder.bitcast(inputs, sums.type)])


_dot_products = _portable_dot_products
if CPU_FEATURES.get("avx2"):
    _dot_products = _avx2_dot_products
if CPU_FEATURES.get("avx512vnni") and CPU_FEATURES.get("avx512bw"):
    _dot_products = _vnni_dot_products


@compiled()
def _quantize_inputs(inputs: Any, largest: int, depth: int) -> Any:
    """Inputs `[M, K]` as integers up to `largest` `[M, depth]`, padded with zeros, and each row's scale `[M]`. A row
    with infinity or NaN in it has NaN as its scale, and so has all that is made of it.

    The loudest channel is found by its bits: without their sign, floats are ordered as integers are (IEEE 754, section
    3.4), infinity and NaN last, and those are compared 16 at a time.
    """
    values, scales = np.zeros((len(inputs), depth), np.int16), np.empty(len(inputs), np.float32)
    loudest, bits = np.zeros(len(inputs), np.int32), inputs.view(np.int32)
    for row in range(len(inputs)):
        for channel in range(inputs.shape[1]):
            loudest[row] = max(loudest[row], bits[row, channel] & 0x7FFF_FFFF)
        scale = max(loudest.view(np.float32)[row] / np.float32(largest), _TINY)
        finite = scale < np.inf
        scales[row] = scale if finite else np.nan
        for channel in range(inputs.shape[1] if finite else 0):
            values[row, channel] = np.int16(np.rint(inputs[row, channel] / scale))
    return values, scales


@compiled(parallel=True)
def matmul(inputs: Array, weights: Int8Weights, out: Array) -> None:
    """Inputs `[M, K]` times weights to `out` `[M, N]`, float32 both."""
    integers, weight_scales = weights.values, weights.scales
    values, input_scales = _quantize_inputs(inputs, weights.max_input, integers.shape[1])
    last, end = len(inputs) - 1, len(integers) - 1
    for tile in numba.prange((len(integers) + 1) // 2):
        weight_rows = (2 * tile, min(2 * tile + 1, end))
        for row in range(0, last + 1, 2):
            input_rows = (row, min(row + 1, last))
            sums = _dot_products(integers, weight_rows, values, input_rows)
            for index in range(4):
                output, place = weight_rows[index // 2], input_rows[index % 2]
                out[place, output] = np.float32(sums[index]) * (weight_scales[output] * input_scales[place])
