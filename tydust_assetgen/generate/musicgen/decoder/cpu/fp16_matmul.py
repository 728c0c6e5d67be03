"""A linear layer of float32 inputs and weights that are stored in 16 bits (IEEE 754, binary16).

The published weights are stored so, and audiocraft converts each to float32 before it multiplies on a CPU. Every such
number is a float32 as well, so nothing is lost when that is done where it is used, in a register: the products are the
same, and a step that waits for memory waits half as long.

The sums are the same, too, down to the last bit, where torch multiplies few rows by MKL and AVX-512: each of 16 sums
takes every 16th channel, one after the other, and in the end they are added as `_reduce` does it. (That order is not
documented. One sees it by putting a number in front that swallows all that is added until its negative comes, for every
pair of channels: P. Xie, Y. Gao and J. Xue, "FPRev: Revealing the Order of Floating-Point Summation by Numerical
Testing", 2024.) Elsewhere libraries add up in other orders, and sums differ in their last bits.

A row's bits depend neither on the other rows nor on threads.
"""

from __future__ import annotations

import platform
from functools import reduce
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.extending import intrinsic
from torch.nn import functional

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

_LANES = 16
_CHUNK = REGISTERS_PER_ROUND * _LANES
"""Channels that are multiplied in one round."""
_MAX_TILE_ROWS = 4 if CPU_FEATURES.get("avx512f") else 2
"""Rows of inputs in one tile: as many sums as there are registers for."""
_PREFETCH_CHANNELS = 4096
"""Of two bytes each: as far ahead as in `cpu.int8_matmul`."""
_FP16, _FP32 = ir.VectorType(ir.HalfType(), _LANES), ir.VectorType(ir.FloatType(), _LANES)


def cpu_converts_fp16() -> bool:
    """Whether this CPU has an instruction that makes float32 of 16 bits, and one that multiplies and adds."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return arm or all(CPU_FEATURES.get(name) for name in ("avx2", "f16c", "fma"))


class Fp16Linear(Linear):
    """A linear layer over weights `[N, K]`, float16, which are kept as they are."""

    batch_invariant = True

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight.detach()
        self._bits = _padded(self._weight).view(torch.int16).numpy()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From `[..., K]` to `[..., N]`, float32 both. For several columns `[B, S, K]` at once it is arithmetic that
        takes the time, so they are multiplied as torch and audiocraft do it."""
        if x.dim() > 2 and x.shape[-2] > 1:
            return functional.linear(x, self._weight.float())
        rows = x.reshape(-1, x.shape[-1])
        out = torch.empty(len(rows), len(self._bits))
        self._matmul(rows, out, 1, add=False)
        return out.view(*x.shape[:-1], -1)

    def add(self, rows: torch.Tensor, x: torch.Tensor, stride: int = 1) -> None:
        self._matmul(rows, x, stride, add=True)

    def _matmul(self, rows: torch.Tensor, out: torch.Tensor, stride: int, *, add: bool) -> None:
        """Sizes are checked here: compiled loops don't see where an array ends."""
        if rows.shape[1] != self._weight.shape[1] or out.shape != (stride * len(rows), len(self._weight)):
            sizes = [list(each.shape) for each in (rows, self._weight, out)]
            raise ValueError("inputs {}, weights {} and outputs {} don't fit".format(*sizes))
        use_torch_thread_count()
        matmul(_padded(rows).numpy(), self._bits, out.numpy(), stride, add)


def _padded(rows: torch.Tensor) -> torch.Tensor:
    """With zeros up to whole chunks."""
    missing = -rows.shape[1] % _CHUNK
    return (functional.pad(rows, (0, missing)) if missing else rows).contiguous()


@intrinsic  # type: ignore[untyped-decorator]
def _dot_products(_: Any, weights: Any, weight_rows: Any, inputs: Any, input_rows: Any) -> Any:
    """Of weights (float16, as int16 `[N, K]`) and inputs (float32 `[M, K]`), as `dot_products` orders them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return dot_products(context, builder, _TILE, signature.args, arguments)

    count = len(weight_rows) * len(input_rows)
    return numba.types.UniTuple(numba.types.float32, count)(weights, weight_rows, inputs, input_rows), generate


def _load_weights(builder: Any, row: Any, place: Any) -> Any:
    return builder.fpext(load_register(builder, row, place, _FP16), _FP32)


def _load_inputs(builder: Any, row: Any, place: Any) -> Any:
    return load_register(builder, row, place, _FP32)


def _multiply_add(builder: Any, sums: Any, weights: Any, inputs: Any) -> Any:
    """Rounded once."""
    return builder.call(llvm_function(builder, _FP32, [_FP32] * 3, "llvm.fma.v16f32"), [weights, inputs, sums])


def _reduce(builder: Any, sums: Any) -> Any:
    """Of 16 sums: quarters one after the other, then neighbours."""
    quarter = ir.VectorType(INT32, 4)
    quarters = [builder.shuffle_vector(sums, sums, quarter(list(range(at, at + 4)))) for at in range(0, _LANES, 4)]
    four = reduce(builder.fadd, quarters)
    one, two, three, last = (builder.extract_element(four, INT32(at)) for at in range(4))
    return builder.fadd(builder.fadd(one, two), builder.fadd(three, last))


_TILE = Tile(
    lanes=_LANES,
    prefetch_distance=_PREFETCH_CHANNELS,
    zero=_FP32([0.0] * _LANES),
    separate_sums=False,
    load_weights=_load_weights,
    load_inputs=_load_inputs,
    multiply_add=_multiply_add,
    add=ir.IRBuilder.fadd,
    reduce=_reduce,
)


@compiled(parallel=True)
def matmul(inputs: Array, weights: Array, out: Array, stride: int, add: bool) -> None:
    """Inputs `[M, K]`, float32, times weights `[N, K]`, float16 as int16, to `out` `[stride * M, N]`, float32; K is
    whole chunks. Every `stride`-th row of `out` is written, or added to."""
    count, last = len(inputs), len(weights) - 1
    for tile in numba.prange((len(weights) + 1) // 2):
        weight_rows = (2 * tile, min(2 * tile + 1, last))
        start = 0
        while start < count:
            if count - start > 2 and _MAX_TILE_ROWS == 4:
                four = (start, start + 1, start + 2, min(start + 3, count - 1))
                _write(_dot_products(weights, weight_rows, inputs, four), weight_rows, four, out, stride, add)
                start += 4
            else:
                pair = (start, min(start + 1, count - 1))
                _write(_dot_products(weights, weight_rows, inputs, pair), weight_rows, pair, out, stride, add)
                start += 2


@compiled()
def _write(sums: Any, weight_rows: Any, input_rows: Any, out: Array, stride: int, add: bool) -> None:
    """Put a tile where it belongs. At the edges it has an input or an output twice, which is written once."""
    for index in range(len(sums)):
        output, row = divmod(index, len(input_rows))
        if (output and weight_rows[0] == weight_rows[1]) or (row and input_rows[row] == input_rows[row - 1]):
            continue
        before = out[stride * input_rows[row], weight_rows[output]] if add else np.float32(0)
        out[stride * input_rows[row], weight_rows[output]] = before + sums[index]
