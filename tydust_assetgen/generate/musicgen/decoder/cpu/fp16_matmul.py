"""The product of float32 lines and weights that are stored in 16 bits. In walk weights, out walks what multiplies.

The published weights are stored in 16 bits (IEEE 754, binary16), and audiocraft makes each float32 to multiply with it
on a CPU. Every such number is a float32 as well, so nothing is lost when that is done where it is used, in a register:
the products are the same, and a step that waits for memory waits half as long.

The sums are the same, too, down to the last bit, where torch multiplies few lines by MKL and AVX-512: of 16 sums each
takes every 16th channel, one after the other, and in the end they are added as `_whole` does it. (That order is not
written down anywhere. One sees it by putting a number in front that swallows all that is added until its negative
comes, for every pair of channels: P. Xie, Y. Gao and J. Xue, "FPRev: Revealing the Order of Floating-Point Summation by
Numerical Testing", 2024.) Elsewhere libraries add up in other orders, and sums differ in their last bits.

A line's bits depend neither on its neighbours nor on threads.
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

from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import (
    FEATURES,
    NUMBER,
    ROUND,
    Array,
    Tile,
    as_many_threads_as_torch,
    compiled,
    named,
    register,
    sums_of,
)
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import Linear

_LANES = 16
_CHUNK = ROUND * _LANES
"""Channels that are multiplied in one round."""
_MOST_LINES = 4 if FEATURES.get("avx512f") else 2
"""Of one tile: as many sums as there are registers for."""
_AHEAD = 4096
"""Channels, of two bytes each: as `integers` asks ahead."""
_HALVES, _FLOATS = ir.VectorType(ir.HalfType(), _LANES), ir.VectorType(ir.FloatType(), _LANES)


def has_halves() -> bool:
    """Whether this CPU makes numbers of 16 bits float32 by an instruction, and multiplies and adds in one."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return arm or all(FEATURES.get(name) for name in ("avx2", "f16c", "fma"))


class Halves(Linear):
    """What multiplies lines with some weights `[N, K]`, float16, which are kept as they are."""

    alike = True

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight.detach()
        self._numbers = _filled(self._weight).view(torch.int16).numpy()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From `[..., K]` to `[..., N]`, float32 both. For several columns `[B, S, K]` at once it is arithmetic that
        takes the time, so they are multiplied as torch and audiocraft do it."""
        if x.dim() > 2 and x.shape[-2] > 1:
            return functional.linear(x, self._weight.float())
        lines = x.reshape(-1, x.shape[-1])
        made = torch.empty(len(lines), len(self._numbers))
        self._multiply(lines, made, 1, add=False)
        return made.view(*x.shape[:-1], -1)

    def add(self, lines: torch.Tensor, x: torch.Tensor, each: int = 1) -> None:
        self._multiply(lines, x, each, add=True)

    def _multiply(self, lines: torch.Tensor, made: torch.Tensor, each: int, *, add: bool) -> None:
        """Compiled loops don't see where an array ends."""
        if lines.shape[1] != self._weight.shape[1] or made.shape != (each * len(lines), len(self._weight)):
            sizes = [list(each.shape) for each in (lines, self._weight, made)]
            raise ValueError("lines {}, weights {} and what is made of them {} don't fit".format(*sizes))
        as_many_threads_as_torch()
        multiply(_filled(lines).numpy(), self._numbers, made.numpy(), each, add)


def _filled(rows: torch.Tensor) -> torch.Tensor:
    """With zeros up to whole chunks."""
    missing = -rows.shape[1] % _CHUNK
    return (functional.pad(rows, (0, missing)) if missing else rows).contiguous()


@intrinsic  # type: ignore[untyped-decorator]
def _sums(_: Any, weights: Any, outputs: Any, lines: Any, places: Any) -> Any:
    """Sums of products of weights (float16, as int16 `[N, K]`) and lines (float32 `[M, K]`): `sums_of` a tile."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return sums_of(context, builder, _TILE, signature.args, arguments)

    count = len(outputs) * len(places)
    return numba.types.UniTuple(numba.types.float32, count)(weights, outputs, lines, places), made


def _wide(builder: Any, row: Any, place: Any) -> Any:
    return builder.fpext(register(builder, row, place, _HALVES), _FLOATS)


def _heard(builder: Any, row: Any, place: Any) -> Any:
    return register(builder, row, place, _FLOATS)


def _added(builder: Any, sums: Any, wide: Any, heard: Any) -> Any:
    """Rounded once."""
    return builder.call(named(builder, _FLOATS, [_FLOATS] * 3, "llvm.fma.v16f32"), [wide, heard, sums])


def _whole(builder: Any, sums: Any) -> Any:
    """Of 16 sums: quarters one after the other, then neighbours."""
    quarter = ir.VectorType(NUMBER, 4)
    quarters = [builder.shuffle_vector(sums, sums, quarter(list(range(at, at + 4)))) for at in range(0, _LANES, 4)]
    four = reduce(builder.fadd, quarters)
    one, two, three, last = (builder.extract_element(four, NUMBER(at)) for at in range(4))
    return builder.fadd(builder.fadd(one, two), builder.fadd(three, last))


_TILE = Tile(_LANES, _AHEAD, _FLOATS([0.0] * _LANES), False, _wide, _heard, _added, ir.IRBuilder.fadd, _whole)


@compiled(parallel=True)
def multiply(lines: Array, weights: Array, made: Array, each: int, add: bool) -> None:
    """Lines `[M, K]`, float32, and weights `[N, K]`, float16 as int16, to what is made of them `[each M, N]`, float32;
    K is whole chunks. It is put into every line or each second one, or added to what stands there."""
    count, last = len(lines), len(weights) - 1
    for tile in numba.prange((len(weights) + 1) // 2):
        outputs = (2 * tile, min(2 * tile + 1, last))
        start = 0
        while start < count:
            if count - start > 2 and _MOST_LINES == 4:
                four = (start, start + 1, start + 2, min(start + 3, count - 1))
                _put(_sums(weights, outputs, lines, four), outputs, four, made, each, add)
                start += 4
            else:
                pair = (start, min(start + 1, count - 1))
                _put(_sums(weights, outputs, lines, pair), outputs, pair, made, each, add)
                start += 2


@compiled()
def _put(sums: Any, outputs: Any, places: Any, made: Array, each: int, add: bool) -> None:
    """A tile where it belongs. At the edges it has a line or an output twice, which is put there once."""
    for index in range(len(sums)):
        output, line = divmod(index, len(places))
        if (output and outputs[0] == outputs[1]) or (line and places[line] == places[line - 1]):
            continue
        before = made[each * places[line], outputs[output]] if add else np.float32(0)
        made[each * places[line], outputs[output]] = before + sums[index]
