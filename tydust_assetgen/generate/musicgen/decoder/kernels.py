"""How weights are kept. In walks a weight, out walks what multiplies by it.

Decoding multiplies a few lines by every weight there is, so that it is as fast as the weights can be read. oneDNN
reads weights that lie in blocks of its own nearly twice to three times as fast as torch's general product reads plain
ones, up to about eight lines (docs/performance.md, "Decoding").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch.nn import functional

Linear: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Pack: TypeAlias = Callable[[torch.Tensor], Linear]
"""Takes a weight `[out, in]` and gives what multiplies by it."""

_MOST_PACKED_LINES = 16


def plain(weight: torch.Tensor) -> Linear:
    """As torch multiplies."""
    return lambda x: functional.linear(x, weight)


def blocked(weight: torch.Tensor) -> Linear:
    """In oneDNN's blocks. The plain weight is no longer needed."""
    kept = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), 2)

    def multiply(x: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, kept, None, "none", [], "")
        return product

    return multiply


def packer(*, lines: int) -> Pack:
    """The faster way for so many lines at once, where this torch has it."""
    return blocked if lines <= _MOST_PACKED_LINES and _has_blocks() else plain


def _has_blocks() -> bool:
    """Whether oneDNN's products are there, and right: they are torch's own means, and not promised to anyone."""
    try:
        weight = torch.arange(128.0).view(8, 16)
        x = torch.arange(32.0).view(2, 1, 16)
        return bool(torch.allclose(blocked(weight)(x), functional.linear(x, weight)))
    except (AttributeError, RuntimeError):
        return False
