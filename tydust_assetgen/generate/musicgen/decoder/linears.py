"""How weights multiply on a CPU. In walk weights, out walks a function that multiplies lines with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.shape import Shape

Linear: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Precision: TypeAlias = Literal["fp32", "bf16", "int8"]


def linear_of(weight: torch.Tensor, precision: Precision) -> Linear:
    """A function from `[..., K]` to `[..., N]`, for weights `[N, K]`."""
    assert precision == "fp32"
    return lambda x: functional.linear(x, weight)


def rows_alike(precision: Precision, shape: Shape) -> int:
    """Up to how many tracks, two lines each, are played at once with the very same bits as each alone."""
    del precision, shape
    return 4
