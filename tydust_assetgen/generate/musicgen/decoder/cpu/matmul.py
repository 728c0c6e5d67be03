"""How weights multiply on a CPU, by precision. In walk weights, out walks a function that multiplies lines with them.

A step reads every weight once for a handful of lines, so its time is the memory's: half the bytes, twice the speed.

fp32  nothing is rounded. Weights that are stored in 16 bits stay in 16 bits (`halves`). Others are multiplied as they
      are, or packed by oneDNN on AMD's CPUs, where the other library (MKL) is slow. The maker decides, never a
      stopwatch: the two ways differ in their last bits, and a machine must give the same every time.
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

from tydust_assetgen.generate.musicgen.decoder.config import Shape

Precision: TypeAlias = Literal["fp32", "bf16", "int8"]

_LINES = 2
"""Of one track: with and without its conditions."""
MOST_ROWS = 8
"""Tracks at once: `rows_alike` looks no further."""
_TILE = 16
"""Lines of a tile of AMX (Intel, "Intrinsics Guide", `_tile_dpbf16ps`): fewer take as long."""


class Linear:
    """What multiplies lines with some weights.

    Args:
        product: from two or more lines `[M, K]`, contiguous, to `[M, N]`, float32 both. A single one libraries make
            in another way, with other last bits: it brings a copy of itself.
    """

    alike = False
    """Whether a line is certain to have the same bits in any company."""

    def __init__(self, product: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._product = product

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From `[..., K]` to `[..., N]`, float32 both."""
        lines = x.reshape(-1, x.shape[-1]).contiguous()
        made = self._product(lines) if len(lines) > 1 else self._product(lines.repeat(_LINES, 1))[:1]
        return made.view(*x.shape[:-1], -1)

    def add(self, lines: torch.Tensor, x: torch.Tensor, each: int = 1) -> None:
        """Add what is made of lines `[M, K]` to `x` `[each M, N]`, contiguous: to every line of it, or each second."""
        x[::each] += self(lines)


def linear_of(weight: torch.Tensor, precision: Precision, *, vendor: str = "") -> Linear:
    """What multiplies lines with some weights.

    Args:
        weight: `[N, K]`, float32, or float16 as it is stored. Rounded and packed ones are copies, and the caller may
            let go of this one.
        precision: `fp32`, `bf16` or `int8`.
        vendor: of the CPU, as `cpu_vendor` says it; empty: this one's.

    Returns:
        What multiplies. Where a CPU has no product for bf16, the rounded weights
        are multiplied in fp32: the same sound, no faster.
    """
    weight = weight.detach()
    if precision == "fp32" and weight.dtype == torch.float16 and keeps():
        return _kept(weight)
    weight = weight.float()
    whole = _packed if packs(vendor or cpu_vendor()) and torch.backends.mkldnn.is_available() else _plain
    if precision == "int8":
        return _int8(weight)
    if precision == "bf16":
        return _bf16(weight) if _has_bf16() else whole(weight.bfloat16().float())
    return whole(weight)


def _plain(weight: torch.Tensor) -> Linear:
    return Linear(lambda x: functional.linear(x, weight))


def _packed(weight: torch.Tensor) -> Linear:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, _LINES)
    return Linear(lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""))


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

    return Linear(product)


def _has_bf16() -> bool:
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def keeps() -> bool:
    """Whether weights that are stored in fp16 can stay so: this CPU can, and numba is here. It takes a moment to be
    read, where somebody plays on a CPU."""
    try:
        from tydust_assetgen.generate.musicgen.decoder.cpu import fp16_matmul
    except ImportError:  # a numba that does not fit this numpy, say
        return False
    return fp16_matmul.has_halves()


def _kept(weight: torch.Tensor) -> Linear:
    from tydust_assetgen.generate.musicgen.decoder.cpu.fp16_matmul import Halves

    return Halves(weight)


def _int8(weight: torch.Tensor) -> Linear:
    """The same: numba takes a second to be read."""
    from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Product

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
    """Up to how many tracks, played at once by libraries' products, each get the very same bits as alone: 1 to 8.

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
    least = MOST_ROWS
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
    alone = [linear(track) for track in tracks]
    for rows in range(2, MOST_ROWS + 1):
        playing = [row % 2 for row in range(rows)]
        together = linear(torch.cat([tracks[track] for track in playing]))
        if not torch.equal(together, torch.cat([alone[track] for track in playing])):
            return rows - 1
    return MOST_ROWS


def _noise(count: int, depth: int) -> torch.Tensor:
    """`[count, depth]` of noise that is quickly made: a piece of it, over and over."""
    piece = torch.randn(65_537, generator=torch.Generator().manual_seed(count))
    return piece.repeat(-(-count * depth // len(piece)))[: count * depth].view(count, depth)
