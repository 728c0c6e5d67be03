"""The product of lines and weights of 8 bits. In walk weights, out walks what multiplies lines with them.

A weight is read once for all lines and is a quarter of a float32, so a step that waits for memory waits a quarter as
long. Weights are rounded to 255 steps, each output with a step of its own. Lines become integers too, as fine as their
sums in 32 bits allow: 14 bits and a sign for 1024 channels, 12 for 4096. Integers add up to the same whatever the
order, so a line's bits depend neither on its neighbours, nor on threads, nor on the kind of CPU.

Why not 8 bits for lines: a few channels of a transformer are far louder than the others (T. Dettmers et al.,
"LLM.int8()", 2022, section 3), and would take all the steps. With three of 1024 channels 60 times as loud, the error of
a product of gaussian values, as a part of what the other channels give: 33 % with one 8-bit step for all lines (torch's
`linear_dynamic`), 15 % with a step and an offset for each line, 2.8 % here, which is what rounding the weights costs
alone.

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

_WEIGHT_STEPS = 127
_LINE_STEPS = 32_767
_CHUNK = ROUND * 32
"""Channels that are multiplied in one round."""
_AHEAD = 8192
"""Bytes. When rows were read one by one, a step of a small model's products took 22 ms on two of Intel's cores, and 30
to 60 when nothing was asked for ahead; 1 KiB to 16 KiB ahead: 21 to 30."""
_TINY = np.finfo(np.float32).tiny


class Weights(NamedTuple):
    """Rounded weights, as compiled loops read them."""

    numbers: Array
    """`[N, K']`, int8; K' is K, filled up with zeros to whole chunks."""
    steps: Array
    """`[N]`, float32: what an integer of each output stands for."""
    most: int
    """The largest integer of a line."""


class Product(Linear):
    """What multiplies lines with some weights `[N, K]`, float32, of which a rounded copy is kept."""

    alike = True

    def __init__(self, weight: torch.Tensor) -> None:
        numbers, steps = rounded(weight)
        self._depth = depth = weight.shape[1]
        filled = torch.nn.functional.pad(numbers, (0, -depth % _CHUNK))
        self.weights = Weights(filled.numpy(), steps.numpy(), line_steps(depth))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From `[..., K]` to `[..., N]`, float32 both."""
        lines = x.reshape(-1, x.shape[-1]).contiguous()
        if lines.shape[1] != self._depth:  # compiled loops don't see where an array ends
            raise ValueError(f"lines of {lines.shape[1]} channels don't fit weights of {self._depth}")
        made = torch.empty(len(lines), len(self.weights.numbers))
        as_many_threads_as_torch()
        multiply(lines.numpy(), self.weights, made.numpy())
        return made.view(*x.shape[:-1], -1)


def rounded(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights as integers from -127 to 127 `[N, K]`, and each output's step `[N]`: at most half a step of error."""
    step = weight.abs().amax(1).div(_WEIGHT_STEPS).clamp_min(_TINY)
    return (weight / step[:, None]).round_().to(torch.int8), step


def line_steps(depth: int) -> int:
    """The largest integer of a line of so many channels, 1 to 32767: sums of products stay within 31 bits."""
    return max(min(_LINE_STEPS, (2**31 - 1) // (_WEIGHT_STEPS * depth)), 1)


@numba.njit  # type: ignore[untyped-decorator]
def _plain_sums(weights: Any, outputs: Any, lines: Any, places: Any) -> Any:
    """Sums of products of weights int8 `[N, K]` and lines int16 `[M, K]`: two of each, as `sums_of` orders them."""
    sums = np.zeros((2, 2), np.int32)
    for index in range(4):
        output, line = outputs[index // 2], places[index % 2]
        for place in range(weights.shape[1]):
            sums[index // 2, index % 2] += np.int32(weights[output, place]) * np.int32(lines[line, place])
    return sums[0, 0], sums[0, 1], sums[1, 0], sums[1, 1]


@intrinsic  # type: ignore[untyped-decorator]
def _paired_sums(_: Any, weights: Any, outputs: Any, lines: Any, places: Any) -> Any:
    """The same by `pmaddwd`, which multiplies 16 pairs of 16 bits and adds up neighbours (Intel, "Intrinsics Guide",
    `_mm256_madd_epi16`)."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return sums_of(context, builder, _tile(16, _paired), signature.args, arguments)

    return numba.types.UniTuple(numba.types.int32, 4)(weights, outputs, lines, places), made


@intrinsic  # type: ignore[untyped-decorator]
def _dotted_sums(_: Any, weights: Any, outputs: Any, lines: Any, places: Any) -> Any:
    """The same by `vpdpwssd`, which multiplies 32 pairs and adds them to sums (ibid., `_mm512_dpwssd_epi32`)."""

    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return sums_of(context, builder, _tile(32, _dotted), signature.args, arguments)

    return numba.types.UniTuple(numba.types.int32, 4)(weights, outputs, lines, places), made


def _tile(lanes: int, added: Callable[[Any, Any, Any, Any], Any]) -> Tile:
    bytes_, words = ir.VectorType(ir.IntType(8), lanes), ir.VectorType(ir.IntType(16), lanes)
    sums = ir.VectorType(NUMBER, lanes // 2)

    def wide(builder: Any, row: Any, place: Any) -> Any:
        return builder.sext(register(builder, row, place, bytes_), words)

    def heard(builder: Any, row: Any, place: Any) -> Any:
        return register(builder, row, place, words)

    def whole(builder: Any, each: Any) -> Any:
        return builder.call(named(builder, NUMBER, [sums], f"llvm.vector.reduce.add.v{lanes // 2}i32"), [each])

    return Tile(lanes, _AHEAD, sums(None), True, wide, heard, added, ir.IRBuilder.add, whole)


def _paired(builder: Any, sums: Any, wide: Any, heard: Any) -> Any:
    pairs = named(builder, sums.type, [wide.type, heard.type], "llvm.x86.avx2.pmadd.wd")
    return builder.add(sums, builder.call(pairs, [wide, heard]))


def _dotted(builder: Any, sums: Any, wide: Any, heard: Any) -> Any:
    dot = named(builder, sums.type, [sums.type] * 3, "llvm.x86.avx512.vpdpwssd.512")
    return builder.call(dot, [sums, builder.bitcast(wide, sums.type), builder.bitcast(heard, sums.type)])


_sums = _plain_sums
if FEATURES.get("avx2"):
    _sums = _paired_sums
if FEATURES.get("avx512vnni") and FEATURES.get("avx512bw"):
    _sums = _dotted_sums


@compiled()
def _numbers(lines: Any, most: int, depth: int) -> Any:
    """Lines as integers up to `most`, zeros behind them, and the unit of each. A line with what is no number in it has
    no unit, and nothing that is made of it is a number.

    Which one is the loudest, their bits say: without their sign, floats are ordered as integers are (IEEE 754, section
    3.4), infinity and what is no number last, and those are compared 16 at a time.
    """
    numbers, units = np.zeros((len(lines), depth), np.int16), np.empty(len(lines), np.float32)
    loudest, bits = np.zeros(len(lines), np.int32), lines.view(np.int32)
    for line in range(len(lines)):
        for place in range(lines.shape[1]):
            loudest[line] = max(loudest[line], bits[line, place] & 0x7FFF_FFFF)
        unit = max(loudest.view(np.float32)[line] / np.float32(most), _TINY)
        finite = unit < np.inf
        units[line] = unit if finite else np.nan
        for place in range(lines.shape[1] if finite else 0):
            numbers[line, place] = np.int16(np.rint(lines[line, place] / unit))
    return numbers, units


@compiled(parallel=True)
def multiply(lines: Array, weights: Weights, made: Array) -> None:
    """Lines `[M, K]` and weights to what is made of them `[M, N]`, float32 both."""
    integers, steps = weights.numbers, weights.steps
    numbers, units = _numbers(lines, weights.most, integers.shape[1])
    last, end = len(lines) - 1, len(integers) - 1
    for tile in numba.prange((len(integers) + 1) // 2):
        outputs = (2 * tile, min(2 * tile + 1, end))
        for line in range(0, last + 1, 2):
            places = (line, min(line + 1, last))
            sums = _sums(integers, outputs, numbers, places)
            for index in range(4):
                output, place = outputs[index // 2], places[index % 2]
                made[place, output] = np.float32(sums[index]) * (steps[output] * units[place])
