"""How weights multiply on a CPU, by precision. In walk weights, out walks a function that multiplies lines with them.

A step reads every weight once for a handful of lines, so its time is the memory's: half the bytes, twice the speed.

fp32  nothing is rounded. Plain, or packed by oneDNN on AMD's CPUs, where the other library (MKL) is slow. The maker
      decides, never a stopwatch: the two ways differ in their last bits, and a machine must give the same every time.
bf16  weights, lines and what comes out are rounded to 8 bits of mantissa, sums are in fp32. oneDNN shares out the sums
      by the number of threads, so these decide the last bits, in this precision alone.
int8  weights are rounded to 255 steps, and the product is made of integers (`integers`): a line's bits depend neither
      on its neighbours nor on threads.
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
_TILE = 16
"""Lines of a tile of AMX (Intel, "Intrinsics Guide", `_tile_dpbf16ps`): fewer take as long."""


def linear_of(weight: torch.Tensor, precision: Precision, *, vendor: str = "") -> Linear:
    """What multiplies lines with some weights.

    Args:
        weight: `[N, K]`, float32. All but plain `fp32` make a copy, and the caller may let go of this one.
        precision: `fp32`, `bf16` or `int8`.
        vendor: of the CPU, as `cpu_vendor` says it; empty: this one's.

    Returns:
        A function from `[..., K]` to `[..., N]`, float32 both. Where a CPU has no product for bf16, the rounded weights
        are multiplied in fp32: the same sound, no faster.
    """
    weight = weight.detach()
    whole = _packed if packs(vendor or cpu_vendor()) and torch.backends.mkldnn.is_available() else _plain
    if precision == "bf16":
        made = _bf16(weight) if _has_bf16() else whole(weight.bfloat16().float())
    elif precision == "int8":
        return _int8(weight)
    else:
        made = whole(weight)

    def product(x: torch.Tensor) -> torch.Tensor:
        return made(x.contiguous()) if x.dim() == 2 else made(x.flatten(0, -2).contiguous()).unflatten(0, x.shape[:-1])

    return product


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


def _int8(weight: torch.Tensor) -> Linear:
    """numba is read where somebody asks for it, which few do."""
    from tydust_assetgen.generate.musicgen.decoder.integers import Product

    return Product(weight)


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
    line a track (what hears the text), where a track that is alone brings a copy of its line. Sums of integers need no
    trial.
    """
    if precision == "int8":
        return _MOST
    dim = shape.dim
    sizes = [(3 * dim, dim), (dim, dim), (4 * dim, dim), (dim, 4 * dim), (shape.codebooks * shape.card, dim)]
    return _alike(precision, tuple(sizes), torch.get_num_threads())


@lru_cache(maxsize=16)
def _alike(precision: Precision, sizes: tuple[tuple[int, int], ...], threads: int) -> int:  # noqa: ARG001
    least = _MOST
    with torch.inference_mode():
        for count, depth in sizes:
            linear = linear_of(_noise(count, depth), precision)
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
