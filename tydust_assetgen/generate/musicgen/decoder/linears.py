"""How weights multiply on a CPU, by precision. In walk weights, out walks a function that multiplies lines with them.

A step reads every weight once for a handful of lines, so its time is the memory's: half the bytes, twice the speed.

fp32  nothing is rounded. Plain, or packed by oneDNN on AMD's CPUs, where the other library (MKL) is slow. The maker
      decides, never a stopwatch: the two ways differ in their last bits, and a machine must give the same every time.
bf16  weights, lines and what comes out are rounded to 8 bits of mantissa, sums are in fp32. oneDNN shares out the sums
      by the number of threads, so these decide the last bits, in this precision alone.
int8  weights are rounded to 255 steps, each output with a step of its own. Lines are not rounded to 8 bits: a line is
      split into two digits of 8 bits, and both digits go through the same product of integers. The second digit is
      free, as the weights are read anyway, and integers add up to the same whatever the order: a line's bits depend
      neither on its neighbours nor on threads. Why not 8 bits for lines: a few channels of a transformer are far
      louder than the others (T. Dettmers et al., "LLM.int8()", 2022, section 3), and would take all the steps. With
      three of 1024 channels 60 times as loud, the error of a product of gaussian values, as a part of what the other
      channels give: 33 % with one step for all lines (torch's `linear_dynamic`), 15 % with a step and an offset for
      each line, 2.8 % with two digits, which is what rounding the weights costs alone. Without loud channels: 1.2,
      1.1 and 0.8 %. The logits of a small model with random weights, after guidance: 5.9, 5.8 and 2.5 %; in bf16 1.8.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeAlias

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.shape import Shape

Linear: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Precision: TypeAlias = Literal["fp32", "bf16", "int8"]

_LINES = 2
"""Of one track: with and without its conditions."""
_MOST = 8
"""Tracks: `rows_alike` looks no further."""
_PART = 512
"""Outputs of a product of integers that are tried."""
_TILE = 16
"""Lines of a tile of AMX (Intel, "Intrinsics Guide", `_tile_dpbf16ps`): fewer take as long."""
_TINY = torch.finfo(torch.float32).tiny
_WHOLE = float(1 << 23)
"""From here up to twice as much a float32 has no fraction: adding it rounds, and the last bits are the integer."""
_WEIGHT_STEPS = 127
_DEEPEST = 2**31 // (255 * _WEIGHT_STEPS)
"""Sums of more products of integers would not fit."""


def linear_of(weight: torch.Tensor, precision: Precision, *, vendor: str = "") -> Linear:
    """What multiplies lines with some weights.

    Args:
        weight: `[N, K]`, float32. All but plain `fp32` make a copy, and the caller may let go of this one.
        precision: `fp32`, `bf16` or `int8`.
        vendor: of the CPU, as `cpu_vendor` says it; empty: this one's.

    Returns:
        A function from `[..., K]` to `[..., N]`, float32 both. Where a CPU has no product for a precision, the rounded
        weights are multiplied in fp32: the same sound, no faster.
    """
    weight = weight.detach()
    whole = _packed if packs(vendor or cpu_vendor()) and torch.backends.mkldnn.is_available() else _plain
    if precision == "bf16":
        made = _bf16(weight) if _has_bf16() else whole(weight.bfloat16().float())
    elif precision == "int8":
        made = _int8(weight, bits) if (bits := digit_bits(weight.shape[1])) else whole(_scaled(*rounded(weight)))
    else:
        made = whole(weight)
    return lambda x: made(x.reshape(-1, x.shape[-1]).contiguous()).view(*x.shape[:-1], -1)


def rounded(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights as integers from -127 to 127 `[N, K]`, and each output's step `[N]`: at most half a step of error."""
    step = weight.abs().amax(1).div(_WEIGHT_STEPS).clamp_min(_TINY)
    return (weight / step[:, None]).round_().to(torch.int8), step


def _scaled(integers: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    return integers * step[:, None]


def _plain(weight: torch.Tensor) -> Linear:
    return lambda x: functional.linear(x, weight)


def _packed(weight: torch.Tensor) -> Linear:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, _LINES)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")


def _bf16(weight: torch.Tensor) -> Linear:
    """Packed. With AMX always a whole tile of lines, which costs nothing and gives a line the same bits in any company:
    otherwise oneDNN shares out the sums by the number of lines."""
    least = _TILE if torch.cpu._is_amx_tile_supported() else _LINES
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16(), least)

    def product(x: torch.Tensor) -> torch.Tensor:
        lines, x = len(x), x.bfloat16()
        if lines < least:
            x = functional.pad(x, (0, 0, 0, least - lines))
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
        return made[:lines].float()

    return product


def _has_bf16() -> bool:
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _int8(weight: torch.Tensor, bits: int) -> Linear:
    integers, step = rounded(weight)
    product = _of_integers(integers, step, 1 << bits - 1)
    count = len(weight)

    def whole(x: torch.Tensor) -> torch.Tensor:
        digits, unit = split(x, bits)
        high, low = product(digits).view(2, -1, count).unbind()
        return low.add_(high, alpha=1 << bits).mul_(unit)

    return whole


def split(x: torch.Tensor, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lines `[M, K]` as two digits each.

    Returns:
        `[2 M, K]` uint8, the high digits of all lines and then the low ones, and the unit `[M, 1]` of each line. With
        `half = 2 ** (bits - 1)`, x is `unit * ((high - half) * 2 ** bits + (low - half))`, within half a unit.
    """
    half, base = 1 << bits - 1, 1 << bits
    unit = x.abs().amax(-1, keepdim=True).mul_(1 / ((half - 1) * (base + 1))).clamp_min_(_TINY)
    number = (x / unit).add_(_WHOLE + half * (base + 1)).view(torch.int32)
    digits = torch.cat([number >> bits, number])
    return (digits if bits == 8 else digits.bitwise_and_(base - 1)).to(torch.uint8), unit  # which takes the last 8 bits


def _of_integers(weight: torch.Tensor, step: torch.Tensor, zero: int) -> Linear:
    """The product of digits uint8 `[M, K]`, less `zero`, and integer weights, each output times its step."""
    packed = torch.ops.onednn.qlinear_prepack(weight, None)
    zeros = torch.zeros(len(weight), dtype=torch.int32)
    return lambda digits: torch.ops.onednn.qlinear_pointwise(
        digits, 1.0, zero, packed, step, zeros, None, 1.0, 0, torch.float32, "none", [], "none"
    )


def digit_bits(depth: int) -> int:
    """How many bits a digit may have in sums of so many products; 0 where this CPU has no product of integers.

    CPUs without the instructions for it (VNNI) add pairs of products up in 16 bits, where digits of 8 bits run over
    (oneDNN's guide, "Nuances of int8 computations"). What the CPU does with the largest ones tells.
    """
    if depth > _DEEPEST or not torch.backends.mkldnn.is_available():
        return 0
    return next((bits for bits in (8, 7) if _exact(bits)), 0)


@lru_cache(maxsize=2)
def _exact(bits: int) -> bool:
    """Whether the largest digits and weights are multiplied and added up without an error."""
    weight = torch.tensor([[127] * 256, [-127] * 256, [127, -127] * 128], dtype=torch.int8)
    digits = torch.tensor([[(1 << bits) - 1] * 256, [0] * 256, [(1 << bits) - 1, 0] * 128], dtype=torch.uint8)
    zero = 1 << bits - 1
    try:
        made = _of_integers(weight, torch.ones(3), zero)(digits)
    except (RuntimeError, AttributeError):
        return False
    return bool(torch.equal(made, (digits.float() - zero) @ weight.float().T))


def packs(vendor: str) -> bool:
    """Whether fp32 is packed by oneDNN on the CPUs of a maker: a small model makes 12.5 steps a second and not 4.9 on
    two cores of AMD's; on Intel's it gains nothing."""
    return "AuthenticAMD" in vendor or "HygonGenuine" in vendor


@lru_cache(maxsize=1)
def cpu_vendor() -> str:
    """Who made this CPU, such as `GenuineIntel`; where that is not known, whatever the platform says."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            return next(line for line in lines if line.startswith("vendor_id")).split(":")[1].strip()
    except (OSError, StopIteration, IndexError):
        return platform.processor()


def rows_alike(precision: Precision, shape: Shape) -> int:
    """Up to how many tracks, played at once, each get the very same bits as alone: 1 to 8.

    Libraries share out a product's sums by the number of lines, and numbers that differ in the last bit become other
    tokens sooner or later. So it is tried, once in a process for each model and number of threads: it must be asked
    where as many threads are at work as will be when playing. It holds for products of two lines a track, and of one
    line a track (what hears the text), where a track that is alone brings a copy of its line.
    """
    dim = shape.dim
    sizes = [(3 * dim, dim), (dim, dim), (4 * dim, dim), (dim, 4 * dim), (shape.codebooks * shape.card, dim)]
    return _alike(precision, tuple(sizes), torch.get_num_threads())


@lru_cache(maxsize=16)
def _alike(precision: Precision, sizes: tuple[tuple[int, int], ...], threads: int) -> int:  # noqa: ARG001
    least = _MOST
    with torch.inference_mode():
        for count, depth in sizes:
            exact = precision == "int8" and digit_bits(depth)  # a part of it tells as much, in less time
            linear = linear_of(_noise(min(count, _PART) if exact else count, depth), precision)
            least = min(least, _alike_of(linear, depth, _LINES))
            if count == depth:  # also what asks the text
                least = min(least, _alike_of(linear, depth, 1))
    return least


def _alike_of(linear: Linear, depth: int, each: int) -> int:
    """The same of one product, with so many lines a track: two tracks take turns in all places."""
    tracks = _noise(2 * each, depth).split(each)
    alone = [linear(track.repeat(_LINES // each, 1))[:each] for track in tracks]
    for rows in range(2, _MOST + 1):
        playing = [row % 2 for row in range(rows)]
        together = linear(torch.cat([tracks[track] for track in playing]))
        if not torch.equal(together, torch.cat([alone[track] for track in playing])):
            return rows - 1
    return _MOST


def _noise(count: int, depth: int) -> torch.Tensor:
    """`[count, depth]` of noise that is quickly made: a piece of it, over and over."""
    piece = torch.randn(65_537, generator=torch.Generator().manual_seed(count))
    return piece.repeat(-(-count * depth // len(piece)))[: count * depth].view(count, depth)
