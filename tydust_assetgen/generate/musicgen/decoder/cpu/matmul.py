"""Choosing how a CPU multiplies with a weight, by precision, and how many tracks it can multiply at once.

A step reads every weight once for a handful of rows, so its time is the memory's: half the bytes, twice the speed.

fp32  nothing is rounded. Weights that are stored in 16 bits stay in 16 bits (`cpu.fp16_matmul`). Others are multiplied
      as they are, or packed by oneDNN on AMD's CPUs, where the other library (MKL) is slow. The vendor decides, never
      a stopwatch: the two ways differ in their last bits, and a machine must give the same every time.
bf16  weights, inputs and outputs are rounded to 8 bits of mantissa, sums are in fp32. oneDNN shares out the sums by the
      number of threads, so these decide the last bits, in this precision alone.
int8  weights are rounded to 255 steps, and the product is made of integers (`cpu.int8_matmul`): a row's bits depend
      neither on the other rows nor on threads.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import lru_cache

import torch

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cpu.linear import (
    ROWS_PER_TRACK,
    CpuPrecision,
    Linear,
    has_bf16,
    packed,
    packed_bf16,
    plain,
)

MAX_TRACKS = 8
"""Tracks at once: `max_reproducible_tracks` looks no further."""


def make_linear(weight: torch.Tensor, precision: CpuPrecision, *, vendor: str = "") -> Linear:
    """The linear layer of a weight.

    Args:
        weight: `[N, K]`, float32, or float16 as it is stored. Rounded and packed ones are copies, and the caller may
            let go of this one.
        precision: `fp32`, `bf16` or `int8`.
        vendor: of the CPU, as `cpu_vendor` gives it; empty: this one's.

    Returns:
        Where a CPU has no product for bf16, the rounded weights are multiplied in fp32: the same sound, no faster.
    """
    weight = weight.detach()
    if precision == "fp32" and weight.dtype == torch.float16 and multiplies_fp16():
        return _fp16(weight)
    weight = weight.float()
    if precision == "int8":
        return _int8(weight)
    if precision == "bf16" and has_bf16():
        return packed_bf16(weight)
    if precision == "bf16":
        weight = weight.bfloat16().float()
    packs = is_packed_on(vendor or cpu_vendor()) and torch.backends.mkldnn.is_available()
    return packed(weight) if packs else plain(weight)


def multiplies_fp16() -> bool:
    """Whether weights that are stored in fp16 can stay so: this CPU converts them, and numba is installed. Importing
    numba takes a second, so it is only imported where a CPU decodes."""
    try:
        from tydust_assetgen.generate.musicgen.decoder.cpu import fp16_matmul
    except ImportError:  # a numba that does not fit this numpy, say
        return False
    return fp16_matmul.cpu_converts_fp16()


def _fp16(weight: torch.Tensor) -> Linear:
    from tydust_assetgen.generate.musicgen.decoder.cpu.fp16_matmul import Fp16Linear

    return Fp16Linear(weight)


def _int8(weight: torch.Tensor) -> Linear:
    from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Int8Linear

    return Int8Linear(weight)


def is_packed_on(vendor: str) -> bool:
    """Whether fp32 is packed by oneDNN on the CPUs of a vendor: a small model makes 12.5 steps a second and not 4.9 on
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


def max_reproducible_tracks(precision: CpuPrecision, shape: Shape) -> int:
    """Up to how many tracks, decoded at once by libraries' products, each get the very same bits as alone: 1 to 8.

    Libraries share out a product's sums by the number of rows, and numbers that differ in the last bit become other
    tokens sooner or later. So it is tried, once in a process for each model and number of threads: it must be asked
    where as many threads are at work as will be when decoding. It holds for products of two rows a track, and of one
    row a track (the queries of cross-attention), where a track that is alone brings a copy of its row.
    """
    dim = shape.dim
    sizes = [(3 * dim, dim), (dim, dim), (4 * dim, dim), (dim, 4 * dim), (shape.codebooks * shape.card, dim)]
    return _reproducible_for(precision, tuple(sizes), torch.get_num_threads())


@lru_cache(maxsize=16)
def _reproducible_for(precision: CpuPrecision, sizes: tuple[tuple[int, int], ...], threads: int) -> int:  # noqa: ARG001
    least = MAX_TRACKS
    with torch.inference_mode():
        for outputs, inputs in sizes:
            linear = make_linear(_noise(outputs, inputs), precision)
            least = min(least, _reproducible_tracks(linear, inputs, ROWS_PER_TRACK))
            if outputs == inputs:  # also the queries of cross-attention
                least = min(least, _reproducible_tracks(linear, inputs, 1))
    return least


def _reproducible_tracks(linear: Callable[[torch.Tensor], torch.Tensor], inputs: int, rows_per_track: int) -> int:
    """The same of one product: two different tracks take turns in all places."""
    tracks = _noise(2 * rows_per_track, inputs).split(rows_per_track)
    alone = [linear(track) for track in tracks]
    for count in range(2, MAX_TRACKS + 1):
        batch = [row % 2 for row in range(count)]
        together = linear(torch.cat([tracks[track] for track in batch]))
        if not torch.equal(together, torch.cat([alone[track] for track in batch])):
            return count - 1
    return MAX_TRACKS


def _noise(rows: int, columns: int) -> torch.Tensor:
    """`[rows, columns]` of noise that is quickly made: the same 65,537 numbers over and over."""
    numbers = torch.randn(65_537, generator=torch.Generator().manual_seed(rows))
    return numbers.repeat(-(-rows * columns // len(numbers)))[: rows * columns].view(rows, columns)
