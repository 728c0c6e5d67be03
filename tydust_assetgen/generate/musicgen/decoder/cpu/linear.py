"""The linear layer of a CPU decoder, as the libraries of torch multiply it: plain, packed by oneDNN, or in bfloat16.

`cpu.fp16_matmul` and `cpu.int8_matmul` have layers of their own; `cpu.matmul` chooses among all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch.nn import functional

CpuPrecision: TypeAlias = Literal["fp32", "bf16", "int8"]

ROWS_PER_TRACK = 2
"""With and without its conditions, for classifier-free guidance."""
_AMX_TILE_ROWS = 16
"""Rows of a tile of AMX (Intel, "Intrinsics Guide", `_tile_dpbf16ps`): fewer take as long."""


class Linear:
    """A linear layer without a bias.

    Args:
        product: from two or more rows `[M, K]`, contiguous, to `[M, N]`, float32 both. Libraries multiply a single row
            in another way, with other last bits: so a single one is multiplied together with a copy of itself.
    """

    batch_invariant = False
    """Whether a row is certain to have the same bits whatever other rows are multiplied with it."""

    def __init__(self, product: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._product = product

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From `[..., K]` to `[..., N]`, float32 both."""
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        out = self._product(rows) if len(rows) > 1 else self._product(rows.repeat(ROWS_PER_TRACK, 1))[:1]
        return out.view(*x.shape[:-1], -1)

    def add(self, rows: torch.Tensor, x: torch.Tensor, stride: int = 1) -> None:
        """Add the product of rows `[M, K]` to every `stride`-th row of `x` `[stride * M, N]`, contiguous."""
        x[::stride] += self(rows)


def plain(weight: torch.Tensor) -> Linear:
    """By torch, with the weight `[N, K]` as it is."""
    return Linear(lambda x: functional.linear(x, weight))


def packed(weight: torch.Tensor) -> Linear:
    """By oneDNN, with a copy of the weight `[N, K]` in oneDNN's own order."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS_PER_TRACK)
    return Linear(lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""))


def packed_bf16(weight: torch.Tensor) -> Linear:
    """By oneDNN in bfloat16. With AMX always a whole tile of rows, which costs nothing and gives a row the same bits in
    any batch: otherwise oneDNN shares out the sums by the number of rows."""
    least = _AMX_TILE_ROWS if torch.cpu._is_amx_tile_supported() else ROWS_PER_TRACK
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16(), least)

    def product(x: torch.Tensor) -> torch.Tensor:
        rows, x = len(x), x.bfloat16()
        if rows < least:
            x = functional.pad(x, (0, 0, 0, least - rows))
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
        return out[:rows].float()

    return Linear(product)


def has_bf16() -> bool:
    """Whether oneDNN multiplies in bfloat16 on this CPU."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
